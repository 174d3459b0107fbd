"""Checks that each unit with `each` is given a list."""

from __future__ import annotations

from volnux.errors import Diagnostic, Severity
from volnux.graph.model import Graph

__all__ = ["check_lists"]


def check_lists(graph: Graph) -> list[Diagnostic]:
    """A warning for each `each` that nothing gives a list, in reading order."""
    index, nodes = graph.topology.index, graph.nodes
    found = [
        graph.diagnostic(
            "nothing-piped",
            f"each={each.name} needs a list, but nothing is piped to it here: it would fail",
            at=nodes[index[each.each]],
            hint=f"write |-> before it, or name the list: [each={each.name}, in=…]",
            severity=Severity.WARNING,
        )
        for each in graph.eaches
        if each.source is None and nodes[index[each.each]].receives is None
    ]
    # The rounds of an `again` have the same unit at the same position.
    return list(dict.fromkeys(found))

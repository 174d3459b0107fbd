"""Checks what each unit with `each` is given."""

from __future__ import annotations

from volnux.errors import Diagnostic, Severity
from volnux.graph.model import Graph
from volnux.graph.topology import ROOT

__all__ = ["check_lists", "check_secrets"]


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


def check_secrets(graph: Graph) -> list[Diagnostic]:
    """An error for each use that gives a secret to an input that is the list of an `each`.

    A host stores the items.
    """
    topology = graph.topology
    hidden: list[set[str]] = []
    """For each use, the inputs that are given a secret."""
    for use in graph.uses:
        secrets = {spec.name for spec in graph.declaring(use.file).secrets}
        secrets |= set() if use.within is None else hidden[use.within]
        hidden.append(
            {
                argument.name
                for argument in use.arguments
                if any(at.name in secrets for at in argument.names)
            }
        )
    found = []
    for each in graph.eaches:
        number = topology.use_around(each.each)
        if number == ROOT or each.source not in hidden[number]:
            continue
        use = graph.uses[number]
        argument = next(given for given in use.arguments if given.name == each.source)
        found.append(
            graph.diagnostic(
                "secret-item",
                f"'{each.source}' of '{use.name}' is given a secret here, but it is the list of an "
                "'each': a host stores the items",
                at=use,
                span=argument.span,
                hint="give the secret to an input of its own",
            )
        )
    return list(dict.fromkeys(found))

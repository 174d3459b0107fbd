"""Where a piped value comes from, as text for messages."""

from __future__ import annotations

from typing import Final

from volnux.graph.model import Graph, Kind, Value, ValueKind

__all__ = ["sources_of"]

_MOST: Final = 4
"""How many places a text names."""


def sources_of(graph: Graph, value: int) -> str:
    """The places from which a value comes: "Extract", "Clean and Validate", "Load or Retry".

    Args:
        graph: the graph.
        value: the index of the value in `Graph.values`.
    """
    values = graph.values
    word = "or" if values[value].kind is ValueKind.FIRST_DONE else "and"
    names: dict[str, None] = {}
    waiting = [value]
    while waiting and len(names) <= _MOST:
        row = values[waiting.pop()]
        if row.of:
            waiting += reversed(row.of)
        else:
            names[_leaf(graph, row)] = None
    found = list(names)
    if len(found) > _MOST:
        return f"{', '.join(found[:_MOST])} and others"
    return f" {word} ".join(found)


def _leaf(graph: Graph, row: Value) -> str:
    """The source of a value that has no parts."""
    topology = graph.topology
    if row.node is None:
        return "outside"
    node = graph.nodes[topology.index[row.node]]
    match row.kind:
        case ValueKind.ITEM:
            each = next(each for each in graph.eaches if each.each == row.node)
            return f"the items of {each.name}"
        case ValueKind.FAILURE_OF:
            return f"the failure at {node.first or node.id}"
        case _ if node.kind is Kind.EVENT:
            return node.id
        case _:
            return f"the copies of {node.first or node.id}"

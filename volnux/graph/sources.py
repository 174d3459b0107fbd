"""Where a piped value comes from, as text for messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from volnux.graph.model import Graph, Kind, Value, ValueKind

__all__ = ["source_of_items", "sources_in", "sources_of"]

_MOST: Final = 4
"""How many places a text names."""


def sources_of(graph: Graph, value: int) -> str:
    """The places from which a value comes: "Extract", "Clean and Validate", "Load or Retry".

    Args:
        graph: the graph.
        value: the index of the value in `Graph.values`.
    """
    return sources_in(graph.values, value, lambda row: _leaf(graph, row))


def sources_in(values: Sequence[Value], value: int, leaf: Callable[[Value], str]) -> str:
    """The places from which a value of a table comes.

    Args:
        values: the table; see `Graph.values`.
        value: the index of the value.
        leaf: the source of a value that has no parts.
    """
    word = "or" if values[value].kind is ValueKind.FIRST_DONE else "and"
    names: dict[str, None] = {}
    waiting = [value]
    while waiting and len(names) <= _MOST:
        row = values[waiting.pop()]
        if row.of:
            waiting += reversed(row.of)
        else:
            names[leaf(row)] = None
    found = list(names)
    if len(found) > _MOST:
        return f"{', '.join(found[:_MOST])} and others"
    return f" {word} ".join(found)


def source_of_items(name: str) -> str:
    """The source of the items of an `each`, by the name of the item."""
    return f"the items of {name}"


def _leaf(graph: Graph, row: Value) -> str:
    """The source of a value that has no parts."""
    topology = graph.topology
    if row.node is None:
        return "outside"
    node = graph.nodes[topology.index[row.node]]
    match row.kind:
        case ValueKind.ITEM:
            each = next(each for each in graph.eaches if each.each == row.node)
            return source_of_items(each.name)
        case ValueKind.FAILURE_OF:
            return f"the failure at {node.first or node.id}"
        case _ if node.kind is Kind.EVENT:
            return node.id
        case _:
            return f"the copies of {node.first or node.id}"

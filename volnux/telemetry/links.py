"""Finds the events whose results were piped to an event, for links between their spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from volnux.graph.model import Graph, Kind, ValueKind
from volnux.graph.outcome import FAILURE
from volnux.graph.values import MISSING, Values, needed

__all__ = ["Sources"]

Ended = Callable[[str], int | None]
"""A function that returns the descriptor of a place, or None if it has none."""


class Sources:
    """The sources of the piped results in a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        piped = (node.receives for node in graph.nodes if node.receives is not None)
        self._wanted = {
            place for index in needed(graph.values, piped) for place in self._places(index)
        }

    def wants(self, place: str) -> bool:
        """Whether the place's result is piped to another place."""
        return place in self._wanted

    def of(self, place: str, ended: Ended) -> list[str]:
        """The places whose results were piped to a place, in reading order, each once."""
        index = self._graph.topology.index
        receives = self._graph.nodes[index[place]].receives
        if receives is None:
            return []

        def leaf(number: int) -> Any:
            value = self._graph.values[number]
            if value.kind is ValueKind.FAILURE_OF:
                failed = (each for each in self._places(number) if ended(each) == FAILURE)
                return next(failed, MISSING)
            assert value.node is not None
            descriptor = ended(value.node)
            taken = value.when is None or descriptor in value.when
            return value.node if taken and descriptor is not None else MISSING

        found = set(_flat(Values(self._graph.values, leaf).get(receives)))
        return sorted(found, key=index.__getitem__)

    def _places(self, number: int) -> list[str]:
        """The places that an entry of the table can refer to; none if it combines other entries."""
        value = self._graph.values[number]
        if value.node is None:
            return []
        if value.kind is not ValueKind.FAILURE_OF:
            return [value.node]
        index, nodes = self._graph.topology.index, self._graph.nodes
        last = index[value.node]
        first = index[nodes[last].first or value.node]
        return [node.id for node in nodes[first:last] if node.kind is Kind.EVENT]


def _flat(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack += part
        elif isinstance(part, str):
            yield part

"""Which events' results were piped to an event: for links from its span to theirs."""

from __future__ import annotations

from collections.abc import Callable

from volnux.graph.model import Graph, Kind, ValueKind
from volnux.graph.outcome import FAILURE

__all__ = ["Sources"]

Ended = Callable[[str], int | None]
"""The descriptor that a place ended with; None where it has not."""


class Sources:
    """The sources of what is piped in a graph."""

    def __init__(self, graph: Graph) -> None:
        self._values = graph.values
        self._nodes = {node.id: number for number, node in enumerate(graph.nodes)}
        self._graph = graph
        self._receives = {
            node.id: node.receives for node in graph.nodes if node.receives is not None
        }
        self._wanted = self._all_sources()

    def wants(self, place: str) -> bool:
        """Whether the place's result is piped to anybody."""
        return place in self._wanted

    def of(self, place: str, ended: Ended) -> list[str]:
        """The places whose results were piped to a place, in reading order, each once."""
        receives = self._receives.get(place)
        if receives is None:
            return []
        found: dict[str, None] = {}
        stack = [receives]
        while stack:
            value = self._values[stack.pop()]
            match value.kind:
                case ValueKind.RESULT:
                    if value.node is not None and ended(value.node) is not None:
                        found[value.node] = None
                case ValueKind.FAILURE_OF:
                    found.update(dict.fromkeys(self._failed(value.node, ended)[:1]))
                case ValueKind.FIRST_DONE:
                    for index in value.of:
                        if self._is_done(index, ended):
                            stack.append(index)
                            break
                case _:
                    stack += value.of
        return sorted(found, key=self._nodes.__getitem__)

    def _is_done(self, index: int, ended: Ended) -> bool:
        """Whether the first event that a value stands on ended in a way that the value takes."""
        while True:
            value = self._values[index]
            if value.node is not None:
                descriptor = ended(value.node)
                if value.when is not None:
                    return descriptor in value.when
                return descriptor is not None
            if not value.of:
                return False
            if value.kind is ValueKind.FIRST_DONE:
                return any(self._is_done(each, ended) for each in value.of)
            index = value.of[-1]

    def _failed(self, catch: str | None, ended: Ended) -> list[str]:
        """The events of a catch's group that failed."""
        return [place for place in self._group(catch) if ended(place) == FAILURE]

    def _group(self, catch: str | None) -> list[str]:
        if catch is None:
            return []
        last = self._nodes[catch]
        first = self._nodes[self._graph.nodes[last].first or catch]
        nodes = self._graph.nodes[first:last]
        return [node.id for node in nodes if node.kind is Kind.EVENT]

    def _all_sources(self) -> set[str]:
        found: set[str] = set()
        seen: set[int] = set()
        stack = list(self._receives.values())
        while stack:
            index = stack.pop()
            if index in seen:
                continue
            seen.add(index)
            value = self._values[index]
            if value.kind is ValueKind.FAILURE_OF:
                found.update(self._group(value.node))
            elif value.node is not None:
                found.add(value.node)
            stack += value.of
        return found

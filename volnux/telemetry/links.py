"""Finds the events whose results were piped to an event, for links between their spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from volnux.graph.model import Graph, Kind, Node, ValueKind
from volnux.graph.outcome import FAILURE
from volnux.graph.places import index_of, place_name, template_of
from volnux.graph.values import MISSING, Values, ValuesOfCopies, needed

__all__ = ["MOST_SOURCES", "Ended", "Sources"]

MOST_SOURCES: Final = 128
"""The maximum number of sources of one event: a span keeps no more links by default."""

Index = tuple[int, ...]


class Ended:
    """The descriptors of the places that have ended.

    Attributes:
        of_lists: the sources of the lists that `each`es had, by the index of the value and the
            index of the copy around the `each`.
    """

    def __init__(self) -> None:
        self.of_lists: dict[tuple[int, Index], list[str]] = {}
        self._descriptors: dict[str, int] = {}
        # The indices of the copies of a node, by its id and the index of the copy around them.
        self._copies: dict[tuple[str, Index], dict[int, None]] = {}

    def add(self, place: str, descriptor: int) -> None:
        """Add a place."""
        self._descriptors[place] = descriptor
        index = index_of(place)
        for depth, number in enumerate(index):
            self._copies.setdefault((template_of(place), index[:depth]), {})[number] = None

    def descriptor(self, place: str) -> int | None:
        """The descriptor of a place, or None if it has not ended."""
        return self._descriptors.get(place)

    def copies(self, template: str, index: Index) -> list[int]:
        """The indices of the copies of a node inside a copy around it, in order.

        Args:
            template: the id of the node.
            index: the index of the copy around it.
        """
        return sorted(self._copies.get((template, index), ()))


class Sources:
    """The sources of the piped results in a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._index = graph.topology.index
        piped = (node.receives for node in graph.nodes if node.receives is not None)
        self._wanted = {
            node.id
            for number in needed(graph.values, piped)
            if self.refers(number)
            for node in self.nodes(number)
        }

    def wants(self, place: str) -> bool:
        """Whether the place's result is piped to another place."""
        return template_of(place) in self._wanted

    def of(self, place: str, ended: Ended) -> list[str]:
        """The places whose results were piped to a place, in reading order, each once.

        These are at most `MOST_SOURCES`. The source of an item is that of its list.
        """
        graph = self._graph
        receives, index = graph.nodes[self._index[template_of(place)]].receives, index_of(place)
        is_item = receives is not None and graph.values[receives].kind is ValueKind.ITEM
        while receives is not None and graph.values[receives].kind is ValueKind.ITEM:
            each = graph.nodes[self._index[graph.values[receives].node or ""]]
            receives, index = each.receives, index[: self.depth(each)]
        if receives is None:
            return []
        # All copies of an `each` have the same list, so its sources are searched once.
        known = ended.of_lists.get((receives, index)) if is_item else None
        if known is not None:
            return known
        found = set(_flat(_Evaluation(self, graph, ended, index).values().get(receives)))
        in_order = sorted(found, key=lambda p: (self._index[template_of(p)], index_of(p)))
        sources = in_order[:MOST_SOURCES]
        if is_item:
            ended.of_lists[receives, index] = sources
        return sources

    def depth(self, node: Node) -> int:
        """The number of `each`es around a node."""
        return len(self._graph.topology.around[self._index[node.id]])

    def refers(self, number: int) -> bool:
        """Whether an entry refers to events. Other entries combine entries, or are items."""
        return self._graph.values[number].kind in (ValueKind.RESULT, ValueKind.FAILURE_OF)

    def nodes(self, number: int) -> Sequence[Node]:
        """The nodes that such an entry can refer to."""
        value, nodes = self._graph.values[number], self._graph.nodes
        last = self._index[value.node or ""]
        if value.kind is ValueKind.RESULT:
            return (nodes[last],)
        first = self._index[nodes[last].first or nodes[last].id]
        return [node for node in nodes[first:last] if node.kind is Kind.EVENT]


class _Evaluation:
    """The values that one place sees, with the name of a place instead of its result.

    Args:
        sources: the sources.
        graph: the graph.
        ended: what has ended.
        index: the index of the place.
    """

    def __init__(self, sources: Sources, graph: Graph, ended: Ended, index: Index) -> None:
        self._sources = sources
        self._graph = graph
        self._ended = ended
        # The numbers that `ValuesOfCopies` has for instances are positions in this list.
        self._indices = [index]
        self._made: dict[tuple[int, int], range] = {}

    def values(self) -> Values:
        """The values."""
        if not self._graph.eaches:
            return Values(self._graph.values, self._leaf)
        return ValuesOfCopies(self._graph.values, self._leaf, self._copies, 0)

    def _leaf(self, number: int, instance: int) -> Any:
        if not self._sources.refers(number):
            return MISSING
        value = self._graph.values[number]
        index = self._indices[instance]
        for node in self._sources.nodes(number):
            for place in self._places(node, index):
                descriptor = self._ended.descriptor(place)
                if value.kind is ValueKind.FAILURE_OF:
                    if descriptor == FAILURE:
                        return place
                elif descriptor is not None and (value.when is None or descriptor in value.when):
                    return place
        return MISSING

    def _places(self, node: Node, index: Index) -> Iterator[str]:
        """The copies of a node that belong to a copy around it."""
        depth = self._sources.depth(node)
        found: Iterable[Index] = (index[:depth],)
        for _ in range(depth - len(index)):
            found = [(*at, n) for at in found for n in self._ended.copies(node.id, at)]
        return (place_name(node.id, at) for at in found)

    def _copies(self, number: int, instance: int) -> range:
        """An instance for each copy of an `each` in which something has ended."""
        made = self._made.get((number, instance))
        if made is not None:
            return made
        graph = self._graph
        value = graph.values[number]
        each = graph.nodes[graph.topology.index[value.node or ""]]
        index = self._indices[instance][: self._sources.depth(each)]
        rows = [row for row in needed(graph.values, value.of) if self._sources.refers(row)]
        templates = {node.id for row in rows for node in self._sources.nodes(row)}
        copies = sorted({n for name in templates for n in self._ended.copies(name, index)})
        start = len(self._indices)
        self._indices += [(*index, n) for n in copies]
        self._made[number, instance] = made = range(start, len(self._indices))
        return made


def _flat(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack += part
        elif isinstance(part, str):
            yield part

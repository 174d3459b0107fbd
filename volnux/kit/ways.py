"""How the places of a flow are reached, to compare two texts of a pipeline."""

from __future__ import annotations

from typing import Any

from volnux.graph.model import Argument, Graph, Kind, Node
from volnux.graph.topology import ROOT

__all__ = ["changed_places"]


def changed_places(before: Graph, now: Graph) -> frozenset[str]:
    """The places of a graph that another graph does not have, or that it reaches in another way.

    The way to a place is: the places directly before it and the descriptors that lead from them to
    it, what is piped to it, its event, its arguments, and the `each`es and uses around it.

    Args:
        before: the earlier graph.
        now: the graph with the places.
    """
    numbers: dict[Any, int] = {}
    old = _Ways(before, numbers).of_places()
    new = _Ways(now, numbers).of_places()
    return frozenset(place for place, way in new.items() if old.get(place) != way)


class _Ways:
    """The ways to the nodes of one graph, as numbers: equal ways have the same number.

    Args:
        graph: the graph.
        numbers: the numbers so far. Graphs that are compared share it.
    """

    def __init__(self, graph: Graph, numbers: dict[Any, int]) -> None:
        self._graph = graph
        self._numbers = numbers
        self._eaches = {each.each: each for each in graph.eaches}
        self._uses: list[int] = []
        self._rows: dict[int, int] = {}
        # What stands for a node in the ways behind it: for an event, its place.
        self._nodes: dict[str, int] = {}

    def of_places(self) -> dict[str, int]:
        """The number of the way to each place."""
        for use in self._graph.uses:
            around = ROOT if use.within is None else self._uses[use.within]
            inputs = self._graph.files[use.of - 1].inputs
            declared = tuple((i.name, i.type, repr(i.default), repr(i.moment)) for i in inputs)
            self._uses.append(self._number(around, declared, _written(use.arguments)))
        found = {}
        # Edges and values lead from earlier nodes to later ones.
        for index, node in enumerate(self._graph.nodes):
            way = self._way(index, node)
            if node.kind is Kind.EVENT:
                found[node.id] = way
                way = self._number(node.id)
            self._nodes[node.id] = way
        return found

    def _way(self, index: int, node: Node) -> int:
        topology = self._graph.topology
        sources = sorted((self._nodes[e.source], e.when) for e in topology.before[index])
        use = topology.use_of[index]
        each = self._eaches.get(node.id)
        return self._number(
            node.kind,
            node.entry,
            node.event,
            _written(node.arguments),
            ROOT if use == ROOT else self._uses[use],
            None if each is None else (each.name, each.source),
            tuple(sources),
            None if node.receives is None else self._row(node.receives),
            None if node.failure is None else self._row(node.failure),
        )

    def _row(self, row: int) -> int:
        """The number of a value."""
        stack = [row]
        while stack:
            value = self._graph.values[stack[-1]]
            missing = [part for part in value.of if part not in self._rows]
            if missing:
                stack += missing
                continue
            node = None if value.node is None else self._nodes[value.node]
            parts = tuple(self._rows[part] for part in value.of)
            self._rows[stack.pop()] = self._number(value.kind, value.when, node, parts)
        return self._rows[row]

    def _number(self, *what: Any) -> int:
        return self._numbers.setdefault(what, len(self._numbers))


def _written(arguments: tuple[Argument, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((argument.name, str(argument)) for argument in arguments)

"""Indices of a graph: where its nodes are and how they are connected; computed at first use."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from volnux.graph.parts import Each, Entry, Group, Kind

if TYPE_CHECKING:
    from volnux.errors import Span
    from volnux.graph.model import Edge, Graph, Node

__all__ = ["ROOT", "Topology"]

ROOT: Final = -1
"""Instead of the index of a use: the pipeline's own text."""


class Topology:
    """Indices of a graph. Nodes are identified by their index in `Graph.nodes`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @functools.cached_property
    def index(self) -> dict[str, int]:
        """The index of each node, by its id."""
        return {node.id: index for index, node in enumerate(self._graph.nodes)}

    @functools.cached_property
    def use_of(self) -> list[int]:
        """For each node, the index of the innermost use that it belongs to, or `ROOT`."""
        uses = self._graph.uses
        found = [ROOT] * len(self._graph.nodes)
        # A use stands before the uses inside of it.
        for number, use in enumerate(uses):
            first, last = self.index[use.first], self.index[use.last]
            found[first : last + 1] = [number] * (last + 1 - first)
        return found

    def use_around(self, node: str) -> int:
        """The index of the innermost use that a node belongs to, or `ROOT`.

        Args:
            node: the id of the node.
        """
        return self.use_of[self.index[node]]

    def uses_around(self, use: int) -> list[int]:
        """A use and the uses around it, the outermost first.

        Args:
            use: its index, or `ROOT`.
        """
        found: list[int] = []
        around = None if use == ROOT else use
        while around is not None:
            found.append(around)
            around = self._graph.uses[around].within
        return found[::-1]

    # A text that is used several times has the same positions in each use.

    @functools.cached_property
    def node_at(self) -> dict[tuple[int, Span | None], Node]:
        """The event, catch or `!` at each position in each use; of several rounds, the first."""
        found: dict[tuple[int, Span | None], Node] = {}
        for node, use in zip(self._graph.nodes, self.use_of, strict=True):
            if node.kind in (Kind.EVENT, Kind.CATCH, Kind.FAIL):
                found.setdefault((use, node.span), node)
        return found

    @functools.cached_property
    def group_at(self) -> dict[tuple[int, Span | None], Group]:
        """The group at each position of an `a || b …` in each use."""
        return {
            (self.use_of_group(group), group.span): group for group in reversed(self._graph.groups)
        }

    def use_of_group(self, group: Group) -> int:
        """The index of the innermost use that a group belongs to, or `ROOT`."""
        use = self.use_around(group.first)
        # The first event of a group may belong to a use inside of the group.
        while use != ROOT and self._graph.uses[use].of != group.file:
            within = self._graph.uses[use].within
            use = ROOT if within is None else within
        return use

    @functools.cached_property
    def use_at(self) -> dict[tuple[int, Span | None], int]:
        """The use at each position in each use; of several rounds, that of the first."""
        found: dict[tuple[int, Span | None], int] = {}
        for number, use in enumerate(self._graph.uses):
            around = ROOT if use.within is None else use.within
            found.setdefault((around, use.span), number)
        return found

    @functools.cached_property
    def joins(self) -> list[int | None]:
        """For each group, the join behind its arms; None if all of them must be done."""
        opening: dict[str, list[int]] = {}
        for number, group in enumerate(self._graph.groups):
            if group.evaluation is not None and group.evaluation.any:
                opening.setdefault(group.first, []).append(number)
        found: list[int | None] = [None] * len(self._graph.groups)
        # The groups are in the order in which they begin, and a join ends the latest open one.
        open_: list[int] = []
        for index, node in enumerate(self._graph.nodes):
            open_ += opening.get(node.id, ())
            if node.entry is Entry.ANY and node.kind is Kind.JOIN:
                found[open_.pop()] = index
        return found

    @functools.cached_property
    def around(self) -> list[tuple[Each, ...]]:
        """For each node, the `each`es around it, the outermost first."""
        begin = {each.each: each for each in self._graph.eaches}
        found: list[tuple[Each, ...]] = []
        open_: tuple[Each, ...] = ()
        for node in self._graph.nodes:
            if node.kind is Kind.GATHER:
                open_ = open_[:-1]
            found.append(open_)
            if node.kind is Kind.EACH:
                open_ = (*open_, begin[node.id])
        return found

    @functools.cached_property
    def ends(self) -> list[int]:
        """The nodes that no edge leaves: those at which the flow ends."""
        index = self.index
        inner = {index[edge.source] for edge in self._graph.edges}
        return [number for number in range(len(self._graph.nodes)) if number not in inner]

    @functools.cached_property
    def behind(self) -> list[list[Edge]]:
        """For each node, the edges that leave it, in the order of the graph."""
        found: list[list[Edge]] = [[] for _ in self._graph.nodes]
        for edge in self._graph.edges:
            found[self.index[edge.source]].append(edge)
        return found

    @functools.cached_property
    def before(self) -> list[list[Edge]]:
        """For each node, the edges that lead to it, in the order of the graph."""
        found: list[list[Edge]] = [[] for _ in self._graph.nodes]
        for edge in self._graph.edges:
            found[self.index[edge.target]].append(edge)
        return found

    @functools.cached_property
    def taken(self) -> list[frozenset[int]]:
        """For each node, the descriptors that an edge takes; any other of 2 to 9 is a failure."""
        return [frozenset(d for edge in edges for d in edge.when) for edges in self.behind]

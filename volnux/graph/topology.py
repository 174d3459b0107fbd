"""How the nodes of a graph are connected, by index; made once for each graph, at first use."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volnux.graph.model import Edge, Graph

__all__ = ["Topology"]


class Topology:
    """Indices of a graph. Nodes are named by their index in `Graph.nodes`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @functools.cached_property
    def index(self) -> dict[str, int]:
        """The index of each node, by its id."""
        return {node.id: index for index, node in enumerate(self._graph.nodes)}

    @functools.cached_property
    def behind(self) -> list[list[Edge]]:
        """Of each node, the edges that leave it, in the order of the graph."""
        found: list[list[Edge]] = [[] for _ in self._graph.nodes]
        for edge in self._graph.edges:
            found[self.index[edge.source]].append(edge)
        return found

    @functools.cached_property
    def before(self) -> list[list[Edge]]:
        """Of each node, the edges that lead to it, in the order of the graph."""
        found: list[list[Edge]] = [[] for _ in self._graph.nodes]
        for edge in self._graph.edges:
            found[self.index[edge.target]].append(edge)
        return found

    @functools.cached_property
    def taken(self) -> list[frozenset[int]]:
        """Of each node, the descriptors that an edge takes; any other of 2 to 9 is a failure."""
        return [frozenset(d for edge in edges for d in edge.when) for edges in self.behind]

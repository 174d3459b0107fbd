"""The edges of a graph in arrays, for the state machine."""

from __future__ import annotations

from array import array
from typing import Final

from volnux.graph.model import Graph

__all__ = ["BITS", "Wiring"]

BITS: Final = 10
"""The width of a set of descriptors."""


class Wiring:
    """The edges of a graph by source. Nodes are identified by their index in `Graph.nodes`.

    Attributes:
        size: how many nodes the graph has.
        first_edge: the edges of node n are those from `first_edge[n]` up to `first_edge[n + 1]`.
        edges: the target of each edge, and its descriptors as bits in the last `BITS` bits.
        takes: for each node, the descriptors that its edges take, as bits.
        waiting: for each node, how many edges lead to it.
        first_of_catch: the first node of the group of each catch.
        heads: the nodes that start a copy, by the node that begins the `each`.
        width: how many nodes a copy has, by the node that begins the `each`.
        edge_to_gather: the position of the edge that leads past the copies, by the same.
        lasts: the nodes that end a copy.
    """

    def __init__(self, graph: Graph) -> None:
        index = graph.topology.index
        self.size = size = len(graph.nodes)
        self.first_edge = array("q", bytes(8 * (size + 1)))
        self.edges = array("q", bytes(8 * len(graph.edges)))
        self.takes = array("H", bytes(2 * size))
        self.waiting = [0] * size
        self.first_of_catch = {
            number: index[node.first]
            for number, node in enumerate(graph.nodes)
            if node.first is not None
        }
        self.heads: dict[int, list[int]] = {}
        self.width: dict[int, int] = {}
        self.edge_to_gather: dict[int, int] = {}
        self.lasts: set[int] = set()
        self._sort(graph, index)
        for each in graph.eaches:
            self._find_copy(index[each.each], index[each.gather])

    def _sort(self, graph: Graph, index: dict[str, int]) -> None:
        """Group the edges by source; the graph may have them in any order."""
        first = self.first_edge
        for edge in graph.edges:
            first[index[edge.source] + 1] += 1
        for source in range(self.size):
            first[source + 1] += first[source]
        free = first[:-1]
        for edge in graph.edges:
            source, target = index[edge.source], index[edge.target]
            bits = 0
            for descriptor in edge.when:
                bits |= 1 << descriptor
            self.edges[free[source]] = target << BITS | bits
            free[source] += 1
            self.takes[source] |= bits
            self.waiting[target] += 1

    def _find_copy(self, begin: int, gather: int) -> None:
        positions = range(self.first_edge[begin], self.first_edge[begin + 1])
        targets = {self.edges[position] >> BITS: position for position in positions}
        self.edge_to_gather[begin] = targets.pop(gather)
        self.heads[begin] = sorted(targets)
        self.width[begin] = gather - begin - 1
        self.lasts.add(gather - 1)

"""How many places still need each value of a run, so that results can be released early."""

from __future__ import annotations

from array import array

from volnux.graph.model import Graph, ValueKind
from volnux.graph.values import needed

__all__ = ["Readers"]


class Readers:
    """The number of remaining readers of each value and of each node's result.

    What the nodes of a copy read is released when the copy ends: together they count as one reader
    of a node, which stays.

    Attributes:
        of_node: the count of each node, by its index.
    """

    def __init__(self, graph: Graph, node_of_value: array[int]) -> None:
        self._values = graph.values
        self._node_of_value = node_of_value
        self._of_value = [0] * len(graph.values)
        self.of_node = [0] * len(graph.nodes)
        self._piped_on: dict[int, set[int]] = {}
        self._read_inside: set[int] = set()
        self._values_inside: set[int] = set()
        for node, around in zip(graph.nodes, graph.topology.around, strict=True):
            if node.receives is None:
                continue
            if around:
                self._enter_inside(node.receives)
            else:
                self._enter(node.receives)

    def _enter(self, value: int) -> None:
        stack = [value]
        while stack:
            current = stack.pop()
            self._of_value[current] += 1
            if self._of_value[current] == 1:
                stack += self._values[current].of
                if self._values[current].kind is ValueKind.RESULT:
                    self.of_node[self._node_of_value[current]] += 1

    def _enter_inside(self, value: int) -> None:
        for row in needed(self._values, [value]):
            self._values_inside.add(row)
            node = self._node_of_value[row]
            if self._values[row].kind is ValueKind.RESULT and node not in self._read_inside:
                self._read_inside.add(node)
                self.of_node[node] += 1

    def piped_on(self, begin: int) -> set[int]:
        """The nodes of a copy whose results are part of a value outside of it that has a reader.

        Args:
            begin: the node that begins the `each`.
        """
        if begin not in self._piped_on:
            rows = [
                row
                for row, value in enumerate(self._values)
                if value.kind in (ValueKind.ALL_EACH, ValueKind.ANY_EACH)
                and self._node_of_value[row] == begin
                and (self._of_value[row] or row in self._values_inside)
            ]
            self._piped_on[begin] = {self._node_of_value[n] for n in needed(self._values, rows)}
        return self._piped_on[begin]

    def leave(self, value: int) -> tuple[list[int], list[int]]:
        """Remove one reader of a value; returns the values and nodes without readers."""
        values: list[int] = []
        nodes: list[int] = []
        stack = [value]
        while stack:
            current = stack.pop()
            self._of_value[current] -= 1
            if self._of_value[current]:
                continue
            values.append(current)
            stack += self._values[current].of
            if self._values[current].kind is ValueKind.RESULT:
                index = self._node_of_value[current]
                self.of_node[index] -= 1
                if self.of_node[index] == (index in self._read_inside):
                    nodes.append(index)
        return values, nodes

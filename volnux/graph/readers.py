"""How many places still need each value of a run, so that results can be released early."""

from __future__ import annotations

from array import array

from volnux.graph.model import Graph, ValueKind

__all__ = ["Readers"]


class Readers:
    """The number of remaining readers of each value and of each node's result.

    Attributes:
        of_node: the count of each node, by its index.
    """

    def __init__(self, graph: Graph, node_of_value: array[int]) -> None:
        self._values = graph.values
        self._node_of_value = node_of_value
        self._of_value = [0] * len(graph.values)
        self.of_node = [0] * len(graph.nodes)
        for node in graph.nodes:
            if node.receives is not None:
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
                if not self.of_node[index]:
                    nodes.append(index)
        return values, nodes

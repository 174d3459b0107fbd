"""The copies of the units with `each` in one run.

Everything that runs is an *instance* of a node. The first instances are the nodes of the graph.
When an `each` begins, the instances of its copies are appended, copy by copy: one for each node
between the two ends of the `each`. An `each` inside a copy begins separately for each copy.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from volnux.graph.model import Each, Graph, Node
from volnux.graph.places import place_name

__all__ = ["Block", "Copies", "Items"]

Items = tuple[tuple[str, Any], ...]
"""The names and items of the `each`es around a place, starting with the outermost."""


class Block:
    """The copies of one `each` that has begun.

    Attributes:
        each, gather: the instances that begin and end the `each`.
        name: the name of the item.
        items: the items.
        start: the index in the graph of the first node of a copy.
        width: how many nodes a copy has.
        base: the first instance of copy 0.
        started: how many copies have started.
    """

    __slots__ = ("base", "each", "gather", "items", "name", "start", "started", "width")

    def __init__(
        self, each: int, width: int, name: str, items: Sequence[Any], start: int, base: int
    ) -> None:
        self.each = each
        self.gather = each + width + 1
        self.name = name
        self.items = items
        self.start = start
        self.width = width
        self.base = base
        self.started = 0

    def number(self, instance: int) -> int:
        """The index of the copy that an instance belongs to."""
        return (instance - self.base) // self.width

    def instances(self, node: int) -> range:
        """The instances of a node in all copies.

        Args:
            node: its index in the graph.
        """
        first = self.base + node - self.start
        return range(first, first + len(self.items) * self.width, self.width)


class Copies:
    """The instances of one run.

    Args:
        graph: the graph.
        outer: the indices of the items around the run, if it is a part of another run.

    Attributes:
        graph: the graph.
        nodes: the node in the graph of each instance.
        blocks: the `each`es that have copies, by the instance that began them.
        of_each: the `each`es of the graph, by the index of the node that begins them.
        templates: the index in the graph of the node of each instance in a copy.
    """

    def __init__(self, graph: Graph, outer: tuple[int, ...] = ()) -> None:
        index = graph.topology.index
        self.nodes: list[Node] = list(graph.nodes)
        self.blocks: dict[int, Block] = {}
        self.of_each: dict[int, Each] = {index[each.each]: each for each in graph.eaches}
        self.templates = array("q")
        self._begin_of = {index[each.gather]: index[each.each] for each in graph.eaches}
        self.graph = graph
        self._size = len(graph.nodes)
        self._outer = outer
        self._bases: list[int] = []
        self._in_order: list[Block] = []

    def open(self, each: int, items: Sequence[Any]) -> Block:
        """Append the copies of an `each`.

        Args:
            each: the instance that begins it.
            items: at least one item.
        """
        begin = self.node(each)
        known = self.of_each[begin]
        width = self.graph.topology.index[known.gather] - begin - 1
        block = Block(each, width, known.name, items, begin + 1, len(self.nodes))
        self.blocks[each] = block
        self._bases.append(block.base)
        self._in_order.append(block)
        self.nodes += self.graph.nodes[begin + 1 : begin + 1 + width] * len(items)
        self.templates += array("q", range(begin + 1, begin + 1 + width)) * len(items)
        return block

    def block_of(self, instance: int) -> Block | None:
        """The copies that an instance belongs to; None if it is a node of the graph itself."""
        if instance < self._size:
            return None
        return self._in_order[bisect_right(self._bases, instance) - 1]

    def node(self, instance: int) -> int:
        """The index in the graph of the node of an instance."""
        return instance if instance < self._size else self.templates[instance - self._size]

    def seen(self, node: int, instance: int) -> int:
        """The instance of a node that an instance sees: the one in its copy or in a copy around it.

        Args:
            node: an index in the graph.
            instance: the instance.
        """
        while (block := self.block_of(instance)) is not None:
            if block.start <= node < block.start + block.width:
                return block.base + block.number(instance) * block.width + node - block.start
            instance = block.each
        return node

    def ended_by(self, gather: int) -> Block | None:
        """The copies that end at an instance of a gather; None if there are none."""
        node = self.node(gather)
        return self.blocks.get(gather - node + self._begin_of[node])

    def around(self, instance: int) -> list[tuple[Block, int]]:
        """The copies around an instance with their indices, the innermost first."""
        found = []
        while (block := self.block_of(instance)) is not None:
            found.append((block, block.number(instance)))
            instance = block.each
        return found

    def index(self, instance: int) -> tuple[int, ...]:
        """The indices of the items of an instance, starting with the outermost `each`."""
        if instance < self._size:
            return self._outer
        return self._outer + tuple(number for _, number in reversed(self.around(instance)))

    def items(self, instance: int) -> Items:
        """The names and items of an instance, starting with the outermost `each`."""
        way = reversed(self.around(instance))
        return tuple((block.name, block.items[number]) for block, number in way)

    def item(self, each: int, instance: int) -> Any:
        """The item of an instance for one of the `each`es around it.

        Args:
            each: the index in the graph of the node that begins the `each`.
            instance: the instance.

        Raises:
            LookupError: the instance is not in a copy of that `each`.
        """
        for block, number in self.around(instance):
            if block.start == each + 1:
                return block.items[number]
        raise LookupError(each)

    def place(self, instance: int) -> str:
        """The name of the place of an instance."""
        return place_name(self.nodes[instance].id, self.index(instance))

    def located(self, instance: int) -> tuple[str, tuple[int, ...], Items]:
        """The place, the index and the items of an instance. This is faster than three calls."""
        block = self.block_of(instance)
        if block is None or block.each >= self._size:
            return self.place(instance), self.index(instance), self.items(instance)
        number = (instance - block.base) // block.width
        index = (*self._outer, number)
        place = place_name(self.nodes[instance].id, index)
        return place, index, ((block.name, block.items[number]),)

    def order(self, instance: int) -> tuple[int, ...]:
        """A key that sorts instances in reading order, copy by copy."""
        key = [self.node(instance)]
        for block, number in self.around(instance):
            key[:0] = [self.node(block.each), number]
        return tuple(key)

    def instances(self, node: int) -> Sequence[int]:
        """The instances of a node by the indices of their items; without copies, the node itself.

        Args:
            node: an index in the graph.
        """
        index = self.graph.topology.index
        found: Sequence[int] = (node,)
        for each in self.graph.topology.around[node]:
            begin = index[each.each]
            inner: list[int] = []
            for instance in found:
                block = self.blocks.get(self.seen(begin, instance))
                inner += (instance,) if block is None else block.instances(node)
            found = inner
        return found

    def inside(self, block: Block, number: int) -> Iterator[int]:
        """All instances in a copy, and in the copies that it contains."""
        ranges = [range(block.base + number * block.width, block.base + (number + 1) * block.width)]
        while ranges:
            for instance in ranges.pop():
                yield instance
                inner = self.blocks.get(instance)
                if inner is not None:
                    ranges.append(range(inner.base, inner.base + len(inner.items) * inner.width))

    def before(self, instance: int) -> Iterator[int]:
        """The instances that an instance waited for."""
        topology = self.graph.topology
        node = self.node(instance)
        if node in self._begin_of:
            block = self.ended_by(instance)
            each = instance - node + self._begin_of[node]
            yield from (each,) if block is None else block.instances(node - 1)
            return
        for edge in topology.before[node]:
            yield self.seen(topology.index[edge.source], instance)

"""How the end of a node spreads through the graph, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from volnux.graph.copies import Block, Copies
from volnux.graph.model import Entry, Graph, Kind
from volnux.graph.outcome import FAILURE, SUCCESS, NoItems, State, no_list
from volnux.graph.piped import Piped
from volnux.graph.wiring import BITS, Wiring

__all__ = ["BEGINS", "Progress"]

_AS_SKIPPED: Final = -1
_AS_FAILED: Final = -2
"""How a node that did not run ends its edges: used in place of a descriptor."""

BEGINS: Final = -3
"""Used in place of a descriptor: an `each` makes its copies, or ends without any."""

_NO_ORIGIN: Final = 1 << 62

# Looked up once: in Python 3.11, reading an enum member takes as long as a call.
_DONE: Final = State.DONE
_FAILED: Final = State.FAILED
_SKIPPED: Final = State.SKIPPED
_EVENT: Final = Kind.EVENT
_EACH: Final = Kind.EACH
_GATHER: Final = Kind.GATHER


class Progress:
    """The states of the nodes of one run; see `Execution` for its arguments and attributes."""

    def __init__(
        self,
        graph: Graph,
        *,
        keep_results: bool,
        index: tuple[int, ...],
        given: Mapping[int, Any],
        items: Callable[[Any, int], object],
        grows: Callable[[int, int, int], object] | None,
    ) -> None:
        size = len(graph.nodes)
        self.graph = graph
        self.copies = Copies(graph, index)
        self.nodes = self.copies.nodes
        self.states: list[State | None] = [None] * size
        self.descriptors: list[int | None] = [None] * size
        self.results: list[Any] = [None] * size
        self._wiring = Wiring(graph)
        self._waiting = list(self._wiring.waiting)
        self._any_done = bytearray(size)
        # The failed place that a failed edge carries, or the first of several. It is an
        # index in the scope of the edge: a copy, or the graph itself.
        self._origin = [_NO_ORIGIN] * size
        # The failed place in the copies, by the gather that failed because of it.
        self._origin_inside: dict[int, int] = {}
        self.failed = False
        self.cancelled = False
        self.stopped = False
        self._piped = Piped(self, given, keep_results=keep_results)
        self._items = items
        wiring = self._wiring
        # In one tuple, because `conclude` needs them for each event.
        self._constants = (
            wiring.size,
            wiring.first_edge,
            wiring.edges,
            wiring.takes,
            wiring.heads,
            self._piped.releases,
        )
        self._grows = grows

    def begin(self) -> list[int]:
        """Start the nodes to which no edge leads; return the ready events."""
        first = [index for index, waiting in enumerate(self._waiting) if waiting == 0]
        ready = [index for index in first if self.graph.nodes[index].kind is _EVENT]
        if len(ready) < len(first):
            for index in first:
                kind = self.graph.nodes[index].kind
                if kind is Kind.FAIL:
                    self.fail(index)
                    ready += self.conclude(index, FAILURE)
                elif kind is _EACH:
                    ready += self.conclude(index, BEGINS)
            ready.sort()
        return ready

    def conclude(self, index: int, descriptor: int) -> list[int]:
        """End a node that ran and everything that ends with it; return the ready events."""
        waiting, any_done, origin = self._waiting, self._any_done, self._origin
        size, first_edge, edges, takes, heads, releases = self._constants
        ready: list[int] = []
        ended = [(index, descriptor)]
        # Each iteration ends one node and its edges; nodes that end without running join the list.
        while ended:
            index, descriptor = ended.pop()
            node, shift = index, 0
            if index >= size:
                node = self.copies.templates[index - size]
                shift = index - node
            if descriptor >= 0:
                self.descriptors[index] = descriptor
                if descriptor == FAILURE and not takes[node] & 1:
                    self.states[index] = State.FAILED
                    if self.nodes[index].kind is not Kind.CATCH:
                        origin[index] = index
                    descriptor = _AS_FAILED
                else:
                    self.states[index] = _DONE
            elif descriptor == BEGINS:
                self._begin(index, node, ready, ended)
                continue
            else:
                self.states[index] = _SKIPPED if descriptor == _AS_SKIPPED else _FAILED
            if releases:
                self._piped.has_read(index, node)
            start, end = first_edge[node], first_edge[node + 1]
            if start == end and descriptor == _AS_FAILED:
                self.failed = True
            if heads:
                if node in heads:
                    self._begin_nothing(index, node, descriptor)
                    start = self._wiring.edge_to_gather[node]
                    end = start + 1
                elif shift and node in self._wiring.lasts:
                    shift = self._end_copy(index, ready, ended) - (edges[start] >> BITS)
            for position in range(start, end):
                edge = edges[position]
                target = (edge >> BITS) + shift
                if descriptor >= 0:
                    if edge >> descriptor & 1:
                        any_done[target] = True
                elif descriptor == _AS_FAILED:
                    origin[target] = min(origin[target], origin[index])
                waiting[target] = left = waiting[target] - 1
                if left == 0:
                    self._decide(target, ready, ended)
        if len(ready) > 1:
            ready.sort()
        return ready

    def _decide(self, index: int, ready: list[int], ended: list[tuple[int, int]]) -> None:
        """All incoming edges of a node have ended: it runs, is skipped, or is failed."""
        node = self.nodes[index]
        failed = self._origin[index] < _NO_ORIGIN
        if failed and (node.entry is Entry.ALL or not self._any_done[index]):
            started = False
            if node.kind is Kind.CATCH:
                first = self._wiring.first_of_catch[self.copies.node(index)]
                started = self.descriptors[self.copies.seen(first, index)] is not None
            elif node.kind is _GATHER and self.copies.ended_by(index) is not None:
                # Outside of the `each`, all its copies count as one place in reading order.
                self._origin_inside[index] = self._origin[index]
                self._origin[index] = index
            ended.append((index, FAILURE if started else _AS_FAILED))
        elif not self._any_done[index]:
            ended.append((index, _AS_SKIPPED))
        elif node.kind is _EVENT:
            ready.append(index)
        elif node.kind is Kind.FAIL:
            self.fail(index)
            ended.append((index, FAILURE))
        elif node.kind is _EACH:
            ended.append((index, BEGINS))
        else:
            ended.append((index, SUCCESS))

    def fail(self, index: int) -> None:
        """Set the failure of a `!`."""
        node = self.nodes[index]
        if node.failure is None:
            self.results[index] = self.graph.failure_at(node)
        else:
            self.results[index] = self._piped.value(node.failure, index)

    # Copies.

    def _begin(self, index: int, node: int, ready: list[int], ended: list[tuple[int, int]]) -> None:
        """An `each` runs: make its copies, and start them."""
        if self.cancelled or self.stopped:
            return
        items = self._items(self, index)
        if not isinstance(items, list | tuple):
            each = self.copies.of_each[node]
            self.results[index] = (
                items.failure
                if isinstance(items, NoItems)
                else no_list(each.name, each.source, items)
            )
            ended.append((index, FAILURE))
            return
        if not items:
            ended.append((index, SUCCESS))
            return
        self.states[index] = _DONE
        self.descriptors[index] = SUCCESS
        # A copy, because the user's code may change the list.
        block = self.copies.open(index, tuple(items))
        piped, count, width = self._piped, len(items), block.width
        start, stop = block.start, block.start + width
        if piped.releases:
            piped.has_read(index, node)
        self._fill(index, width, State.SKIPPED)
        self._waiting[block.gather] = count
        self._waiting += self._wiring.waiting[start:stop] * count
        self._any_done += bytes(width * count)
        self._origin += [_NO_ORIGIN] * (width * count)
        for known in (self.states, self.descriptors, self.results):
            known += [None] * (width * count)
        if self._grows is not None:
            self._grows(start, stop, count)
        at_once = self.copies.of_each[node].at_once or count
        self._start_copies(block, min(at_once, count), ready, ended)

    def _start_copies(
        self, block: Block, count: int, ready: list[int], ended: list[tuple[int, int]]
    ) -> None:
        """Start the next copies, unless the run has been stopped."""
        first = block.started
        block.started += count
        if self.cancelled or self.stopped:
            return
        heads = self._wiring.heads[block.start - 1]
        for number in range(first, first + count):
            shift = block.base + number * block.width - block.start
            for head in heads:
                kind = self.graph.nodes[head].kind
                if kind is _EVENT:
                    ready.append(head + shift)
                elif kind is _EACH:
                    ended.append((head + shift, BEGINS))
                else:
                    self.fail(head + shift)
                    ended.append((head + shift, FAILURE))

    def _end_copy(self, index: int, ready: list[int], ended: list[tuple[int, int]]) -> int:
        """The last node of a copy has ended: start the next copy. Returns the gather."""
        block = self.copies.block_of(index)
        assert block is not None
        if block.started < len(block.items):
            self._start_copies(block, 1, ready, ended)
        if self._piped.releases:
            self._piped.copy_ended(block, block.number(index))
        return block.gather

    def _begin_nothing(self, index: int, node: int, descriptor: int) -> None:
        """An `each` has ended without copies."""
        width = self._wiring.width[node]
        failed = descriptor in (FAILURE, _AS_FAILED)
        self._fill(index, width, State.FAILED if failed else State.SKIPPED)
        self._waiting[index + width + 1] = 1

    def _fill(self, each: int, width: int, state: State) -> None:
        """Set the states of the template: the nodes between an `each` and its gather."""
        self.states[each + 1 : each + 1 + width] = [state] * width

    def origin_of(self, index: int) -> int | None:
        """The event whose failure this failed node, or catch with 0, passes on."""
        origin = self._origin[index]
        while origin in self._origin_inside:
            origin = self._origin_inside[origin]
        return None if origin == _NO_ORIGIN else origin

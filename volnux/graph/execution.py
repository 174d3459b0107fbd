"""The meaning of a graph as a state machine: pure, no clock, no thread, no I/O.

A backend asks `start()` for the events that are ready, runs them however it likes, and tells
`finish()` how each one ended; the answer is the events that became ready. Nodes are identified by
their index in `graph.nodes`; the copies of nodes by the numbers after these: see
`volnux.graph.copies`. One `Execution` is one run; it is not thread-safe: a backend that finishes
events from several threads holds a lock around the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from volnux.graph.copies import Block, Copies
from volnux.graph.model import Entry, Graph, Kind
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, RunStatus, State, no_branch, no_list
from volnux.graph.piped import Piped, Source
from volnux.graph.wiring import BITS, Wiring

__all__ = ["Execution", "Source"]

_AS_SKIPPED: Final = -1
_AS_FAILED: Final = -2
"""How a node that did not run ends its edges: used in place of a descriptor."""

_BEGINS: Final = -3
"""Used in place of a descriptor: an `each` makes its copies, or ends without any."""

_NO_ORIGIN: Final = 1 << 62

# Looked up once: in Python 3.11, reading an enum member takes as long as a call.
_DONE: Final = State.DONE
_EVENT: Final = Kind.EVENT
_EACH: Final = Kind.EACH
_GATHER: Final = Kind.GATHER


class Execution:
    """One run of a graph.

    Args:
        graph: the graph.
        keep_results: keep every result to the end. Otherwise a result is freed when the last event
            that receives it has ended, or at once if no event receives it. The results of events
            that ended with descriptor 0 are kept in any case: they say what went wrong. In a copy,
            what another event of the copy receives is kept until the copy has ended.
        index: the index of the run, if it is a copy in another run.
        given: what the values of kind `given` stand for, by their index in `Graph.values`.
        items: returns the list of an `each`, given the instance that begins it; a `Failure` if it
            cannot. By default it is the piped value.
        grows: called when copies are appended: with the indices of the first node of a copy and of
            the node after the last one, and the number of copies.

    Attributes:
        copies: the copies.
        nodes: the node of each instance; it grows.
        states: the `State` of each node, or None while it has not ended.
        descriptors: the descriptor that each node ended with, or None if it did not run.
        results: the result of the event of each node (a `Failure` after an exception), or None.
        timed_out: whether `expire` has ended the run.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        keep_results: bool = True,
        index: tuple[int, ...] = (),
        given: Mapping[int, Any] | None = None,
        items: Callable[[int], object] | None = None,
        grows: Callable[[int, int, int], object] | None = None,
    ) -> None:
        size = len(graph.nodes)
        self.graph = graph
        self.copies = Copies(graph, index)
        self.nodes = self.copies.nodes
        self.states: list[State | None] = [None] * size
        self.descriptors: list[int | None] = [None] * size
        self.results: list[Any] = [None] * size
        self.timed_out = False
        self._wiring = Wiring(graph)
        self._waiting = list(self._wiring.waiting)
        self._any_done = bytearray(size)
        # The failed place that a failed edge carries; if there are several, the first. It is an
        # index in the scope of the edge: a copy, or the graph itself.
        self._origin = [_NO_ORIGIN] * size
        # The failed place in the copies, by the gather that failed because of it.
        self._origin_inside: dict[int, int] = {}
        self._running: set[int] = set()
        self._failed = False
        self._cancelled = False
        self._stopped = False
        self._piped = Piped(self, given or {}, keep_results=keep_results)
        self._items = items or self.received
        self._grows = grows

    # What a backend calls.

    def start(self) -> list[int]:
        """The events that are ready at once, in reading order."""
        first = [index for index, waiting in enumerate(self._waiting) if waiting == 0]
        ready = [index for index in first if self.graph.nodes[index].kind is _EVENT]
        if len(ready) < len(first):
            for index in first:
                kind = self.graph.nodes[index].kind
                if kind is Kind.FAIL:
                    self._fail(index)
                    ready += self._conclude(index, FAILURE)
                elif kind is _EACH:
                    ready += self._conclude(index, _BEGINS)
            ready.sort()
        self._running.update(ready)
        return ready

    def finish(self, index: int, descriptor: int, result: Any = None) -> list[int]:
        """Report how a running event ended; return the events that are now ready, in reading order.

        Args:
            index: the index of the event's node, which `start` or `finish` gave.
            descriptor: 0 to 9.
            result: what the event returned, or the `Failure` of its last attempt.

        Raises:
            ValueError: the event is not running, or the descriptor is not from 0 to 9.
        """
        if not 0 <= descriptor <= 9:
            raise ValueError(f"a descriptor must be from 0 to 9, found {descriptor!r}")
        self._take(index)
        if descriptor != SUCCESS:
            if descriptor > SUCCESS and (unhandled := self.unhandled(index, descriptor)):
                result = unhandled
                descriptor = FAILURE
            elif isinstance(result, Failure) and self._takes_of(index) >> descriptor & 1:
                result = result.bare()
        self.results[index] = result
        ready = self._conclude(index, descriptor)
        if self._cancelled or self._stopped:
            return []
        self._running.update(ready)
        return ready

    def stop(self, index: int, result: Any = None) -> None:
        """End the run because of an event that raised and has `stop_on_exception`.

        Every node that has not ended is failed; running ones need not be finished.

        Raises:
            ValueError: the event is not running.
        """
        self._take(index)
        self.states[index] = State.FAILED
        self.descriptors[index] = FAILURE
        self.results[index] = result
        self._end()

    def cancel(self) -> None:
        """Start nothing more; running events may still finish, or be given up with `abandon`."""
        self._cancelled = True

    def expire(self) -> None:
        """End the run because it took too long: every place that has not ended is failed.

        Running events need not be finished. A run that was cancelled stays cancelled.
        """
        if self._cancelled:
            self.abandon()
            return
        self.timed_out = True
        self._end()

    def _end(self) -> None:
        self._stopped = self._failed = True
        self._end_the_rest(State.FAILED)

    def abandon(self) -> None:
        """After `cancel`: stop waiting; every place that has not ended is cancelled."""
        self._cancelled = True
        self._end_the_rest(State.CANCELLED)

    @property
    def running(self) -> frozenset[int]:
        """The events that were handed out and have not finished."""
        return frozenset(self._running)

    @property
    def ended(self) -> bool:
        """True when nothing runs and nothing can start."""
        return not self._running

    @property
    def status(self) -> RunStatus:
        """How the run ended, once `ended` is true."""
        if self._cancelled and not self._stopped:
            return RunStatus.CANCELLED
        return RunStatus.FAILED if self._failed else RunStatus.SUCCESS

    def received(self, index: int) -> Any:
        """The value piped to a node that is ready, or None."""
        return self._piped.received(index)

    def received_from(self, index: int) -> Source:
        """Where the value of `received` came from: the same lists, but with ids of events.

        None if nothing was piped; inside a list, None stands for an arm that was not done.
        """
        return self._piped.received_from(index)

    def origin(self, index: int) -> Any:
        """The result of the event whose failure this failed node, or catch with 0, passes on."""
        origin = self.origin_of(index)
        return None if origin is None else self.results[origin]

    def origin_of(self, index: int) -> int | None:
        """The event whose failure this failed node, or catch with 0, passes on."""
        origin = self._origin[index]
        while origin in self._origin_inside:
            origin = self._origin_inside[origin]
        return None if origin == _NO_ORIGIN else origin

    def unhandled(self, index: int, descriptor: int) -> Failure | None:
        """The failure for a descriptor of 2 to 9 that no branch takes, otherwise None."""
        if descriptor <= SUCCESS or self._takes_of(index) >> descriptor & 1:
            return None
        event = self.nodes[index].event
        taken = self.graph.topology.taken[self.copies.node(index)]
        return no_branch(event, descriptor, taken)

    def value(self, index: int, instance: int = 0) -> Any:
        """The value at an index of `graph.values`, once its nodes have ended; None if not done.

        Args:
            index: the index.
            instance: the instance that needs it.
        """
        return self._piped.value(index, instance)

    # How the end of a node spreads through the graph.

    def _take(self, index: int) -> None:
        if index not in self._running:
            raise ValueError(f"{self.copies.place(index)} is not running")
        self._running.remove(index)

    def _conclude(self, index: int, descriptor: int) -> list[int]:
        """End a node that ran and everything that ends with it; return the ready events."""
        waiting, any_done, origin = self._waiting, self._any_done, self._origin
        wiring, piped, templates = self._wiring, self._piped, self.copies.templates
        edges, size, releases = wiring.edges, wiring.size, piped.releases
        ready: list[int] = []
        ended = [(index, descriptor)]
        # Each iteration ends one node and its edges; nodes that end without running join the list.
        while ended:
            index, descriptor = ended.pop()
            node, shift = index, 0
            if index >= size:
                node = templates[index - size]
                shift = index - node
            if descriptor == _AS_SKIPPED:
                self.states[index] = State.SKIPPED
            elif descriptor == _AS_FAILED:
                self.states[index] = State.FAILED
            elif descriptor == _BEGINS:
                self._begin(index, node, ready, ended)
                continue
            else:
                self.descriptors[index] = descriptor
                if descriptor == FAILURE and not wiring.takes[node] & 1:
                    self.states[index] = State.FAILED
                    if self.nodes[index].kind is not Kind.CATCH:
                        origin[index] = index
                    descriptor = _AS_FAILED
                else:
                    self.states[index] = _DONE
            if releases:
                piped.has_read(index, node)
            start, end = wiring.first_edge[node], wiring.first_edge[node + 1]
            if start == end and descriptor == _AS_FAILED:
                self._failed = True
            if wiring.heads:
                if node in wiring.heads:
                    self._begin_nothing(index, node, descriptor)
                    start = wiring.edge_to_gather[node]
                    end = start + 1
                elif shift and node in wiring.lasts:
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
                # Outside, the whole `each` is one place in reading order.
                self._origin_inside[index] = self._origin[index]
                self._origin[index] = index
            ended.append((index, FAILURE if started else _AS_FAILED))
        elif not self._any_done[index]:
            ended.append((index, _AS_SKIPPED))
        elif node.kind is _EVENT:
            ready.append(index)
        elif node.kind is Kind.FAIL:
            self._fail(index)
            ended.append((index, FAILURE))
        elif node.kind is _EACH:
            ended.append((index, _BEGINS))
        else:
            ended.append((index, SUCCESS))

    def _fail(self, index: int) -> None:
        """Set the failure of a `!`."""
        node = self.nodes[index]
        if node.failure is None:
            self.results[index] = self.graph.failure_at(node)
        else:
            self.results[index] = self.value(node.failure, index)

    # Copies.

    def _begin(self, index: int, node: int, ready: list[int], ended: list[tuple[int, int]]) -> None:
        """An `each` runs: make its copies, and start them."""
        if self._cancelled or self._stopped:
            return
        items = self._items(index)
        if not isinstance(items, list | tuple):
            each = self.copies.of_each[node]
            failed = isinstance(items, Failure)
            self.results[index] = items if failed else no_list(each.name, each.source, items)
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
        """Start the next copies, if the run goes on."""
        first = block.started
        block.started += count
        if self._cancelled or self._stopped:
            return
        heads = self._wiring.heads[block.start - 1]
        for number in range(first, first + count):
            shift = block.base + number * block.width - block.start
            for head in heads:
                kind = self.graph.nodes[head].kind
                if kind is _EVENT:
                    ready.append(head + shift)
                elif kind is _EACH:
                    ended.append((head + shift, _BEGINS))
                else:
                    self._fail(head + shift)
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
        """Set the states of the nodes between an `each` and its gather, which are in no copy."""
        self.states[each + 1 : each + 1 + width] = [state] * width

    def _takes_of(self, index: int) -> int:
        return self._wiring.takes[self.copies.node(index)]

    def _end_the_rest(self, state: State) -> None:
        for index, known in enumerate(self.states):
            if known is None:
                self.states[index] = state
        self._running.clear()

"""The meaning of a graph as a state machine: pure, no clock, no thread, no I/O.

A backend asks `start()` for the events that are ready, runs them however it likes, and tells
`finish()` how each one ended; the answer is the events that became ready. Nodes are identified by
their index in `graph.nodes`. One `Execution` is one run; it is not thread-safe: a backend that
finishes events from several threads holds a lock around the calls.
"""

from __future__ import annotations

from array import array
from typing import Any, Final

from volnux.graph.model import Entry, Graph, Kind, ValueKind
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, RunStatus, State, no_branch
from volnux.graph.readers import Readers
from volnux.graph.values import MISSING, Values

__all__ = ["Execution", "Source"]

Source = str | list["Source"] | None
"""Where a piped value came from: the id of an event, or a list as a parallel group gives it."""

_BITS: Final = 10
"""The width of a set of descriptors."""

_AS_SKIPPED: Final = -1
_AS_FAILED: Final = -2
"""How a node that did not run ends its edges: used in place of a descriptor."""

# Looked up once: in Python 3.11, reading an enum member takes as long as a call.
_DONE: Final = State.DONE
_EVENT: Final = Kind.EVENT
_RESULT: Final = ValueKind.RESULT


class Execution:
    """One run of a graph.

    Args:
        graph: the graph.
        keep_results: keep every result to the end. Otherwise a result is freed when the last event
            that receives it has ended, or at once if no event receives it. The results of events
            that ended with descriptor 0 are kept in any case: they say what went wrong.

    Attributes:
        states: the `State` of each node, or None while it has not ended.
        descriptors: the descriptor that each node ended with, or None if it did not run.
        results: the result of the event of each node (a `Failure` after an exception), or None.
        timed_out: whether `expire` has ended the run.
    """

    def __init__(self, graph: Graph, *, keep_results: bool = True) -> None:
        size = len(graph.nodes)
        index = graph.topology.index
        self.graph = graph
        self.states: list[State | None] = [None] * size
        self.descriptors: list[int | None] = [None] * size
        self.results: list[Any] = [None] * size
        # The edges of node n are those from _first_edge[n] up to _first_edge[n + 1], each a target
        # and the descriptors as bits in one number; _takes has the descriptors of all of them.
        self._first_edge = array("q", bytes(8 * (size + 1)))
        self._edges = array("q", bytes(8 * len(graph.edges)))
        self._takes = array("H", bytes(2 * size))
        self._waiting = [0] * size
        self._any_done = bytearray(size)
        # The failure that a failed edge carries, by its place; if there are several, the first.
        self._origin = [size] * size
        self._running: set[int] = set()
        self._failed = False
        self._cancelled = False
        self._stopped = False
        self.timed_out = False
        self._values = Values(graph.values, self._result_of)
        self._sources = Values(graph.values, self._source_of)
        self._node_of_value = array(
            "q", (-1 if value.node is None else index[value.node] for value in graph.values)
        )
        self._first_of_catch = {
            number: index[node.first]
            for number, node in enumerate(graph.nodes)
            if node.first is not None
        }
        self._readers = None if keep_results else Readers(graph, self._node_of_value)
        self._wire(index)

    def _wire(self, index: dict[str, int]) -> None:
        """Group the edges by source; the graph may have them in any order."""
        first = self._first_edge
        for edge in self.graph.edges:
            first[index[edge.source] + 1] += 1
        for source in range(len(self._takes)):
            first[source + 1] += first[source]
        free = first[:-1]
        for edge in self.graph.edges:
            source, target = index[edge.source], index[edge.target]
            bits = 0
            for descriptor in edge.when:
                bits |= 1 << descriptor
            self._edges[free[source]] = target << _BITS | bits
            free[source] += 1
            self._takes[source] |= bits
            self._waiting[target] += 1

    # What a backend calls.

    def start(self) -> list[int]:
        """The events that are ready at once, in reading order."""
        first = [index for index, waiting in enumerate(self._waiting) if waiting == 0]
        ready = [index for index in first if self.graph.nodes[index].kind is _EVENT]
        if len(ready) < len(first):
            for index in first:
                if self.graph.nodes[index].kind is Kind.FAIL:
                    self._fail(index)
                    ready += self._conclude(index, FAILURE)
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
            elif isinstance(result, Failure) and self._takes[index] >> descriptor & 1:
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
        value = self.graph.nodes[index].receives
        return None if value is None else self.value(value)

    def received_from(self, index: int) -> Source:
        """Where the value of `received` came from: the same lists, but with ids of events.

        None if nothing was piped; inside a list, None stands for an arm that was not done.
        """
        value = self.graph.nodes[index].receives
        if value is None:
            return None
        row = self.graph.values[value]
        if row.kind is _RESULT and row.when is None:
            # Most values are the result of one event, and a report asks for all of them.
            return row.node if self.states[self._node_of_value[value]] is _DONE else None
        source = self._sources.get(value)
        return None if source is MISSING else source

    def origin(self, index: int) -> Any:
        """The result of the event whose failure this failed node, or catch with 0, passes on."""
        origin = self._origin[index]
        return self.results[origin] if origin < len(self.results) else None

    def unhandled(self, index: int, descriptor: int) -> Failure | None:
        """The failure for a descriptor of 2 to 9 that no branch takes, otherwise None."""
        if descriptor <= SUCCESS or self._takes[index] >> descriptor & 1:
            return None
        event = self.graph.nodes[index].event
        return no_branch(event, descriptor, self.graph.topology.taken[index])

    def value(self, index: int) -> Any:
        """The value at an index of `graph.values`, once its nodes have ended; None if not done."""
        value = self._values.get(index)
        return None if value is MISSING else value

    # How the end of a node spreads through the graph.

    def _take(self, index: int) -> None:
        if index not in self._running:
            raise ValueError(f"{self.graph.nodes[index].id} is not running")
        self._running.remove(index)

    def _conclude(self, index: int, descriptor: int) -> list[int]:
        """End a node that ran and everything that ends with it; return the ready events."""
        edges, waiting, any_done, origin = self._edges, self._waiting, self._any_done, self._origin
        readers = self._readers
        ready: list[int] = []
        ended = [(index, descriptor)]
        # Each iteration ends one node and its edges; nodes that end without running join the list.
        while ended:
            index, descriptor = ended.pop()
            if descriptor == _AS_SKIPPED:
                self.states[index] = State.SKIPPED
            elif descriptor == _AS_FAILED:
                self.states[index] = State.FAILED
            else:
                self.descriptors[index] = descriptor
                if descriptor == FAILURE and not self._takes[index] & 1:
                    self.states[index] = State.FAILED
                    if self.graph.nodes[index].kind is not Kind.CATCH:
                        origin[index] = index
                    descriptor = _AS_FAILED
                else:
                    self.states[index] = _DONE
            if readers is not None:
                self._has_read(index)
            start, end = self._first_edge[index], self._first_edge[index + 1]
            if start == end and descriptor == _AS_FAILED:
                self._failed = True
            for position in range(start, end):
                edge = edges[position]
                target = edge >> _BITS
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
        node = self.graph.nodes[index]
        failed = self._origin[index] < len(self.states)
        if failed and (node.entry is Entry.ALL or not self._any_done[index]):
            started = False
            if node.kind is Kind.CATCH:
                started = self.descriptors[self._first_of_catch[index]] is not None
            ended.append((index, FAILURE if started else _AS_FAILED))
        elif not self._any_done[index]:
            ended.append((index, _AS_SKIPPED))
        elif node.kind is _EVENT:
            ready.append(index)
        elif node.kind is Kind.FAIL:
            self._fail(index)
            ended.append((index, FAILURE))
        else:
            ended.append((index, SUCCESS))

    def _fail(self, index: int) -> None:
        """Set the failure of a `!`."""
        node = self.graph.nodes[index]
        if node.failure is None:
            self.results[index] = self.graph.failure_at(node)
        else:
            self.results[index] = self.value(node.failure)

    def _end_the_rest(self, state: State) -> None:
        for index, known in enumerate(self.states):
            if known is None:
                self.states[index] = state
        self._running.clear()

    # Values.

    def _done(self, value: int) -> int | None:
        """The node whose result a `RESULT` or `FAILURE_OF` stands for; None if it is not done."""
        row = self.graph.values[value]
        index = self._node_of_value[value]
        if self.states[index] is not _DONE:
            return None
        if row.kind is _RESULT:
            taken = row.when is None or self.descriptors[index] in row.when
            return index if taken else None
        if self.descriptors[index] != FAILURE:
            return None
        origin = self._origin[index]
        failed = self.results[origin]
        if isinstance(failed, Failure):
            self.results[origin] = failed.bare()
        return origin

    def _result_of(self, value: int) -> Any:
        index = self._done(value)
        return MISSING if index is None else self.results[index]

    def _source_of(self, value: int) -> Any:
        index = self._done(value)
        return MISSING if index is None else self.graph.nodes[index].id

    # Results that have no more readers.

    def _has_read(self, index: int) -> None:
        """After a node has ended: release its piped value and its result, if nobody needs them."""
        assert self._readers is not None
        if not self._readers.of_node[index]:
            self._let_go(index)
        value = self.graph.nodes[index].receives
        if value is not None:
            values, nodes = self._readers.leave(value)
            for unread in values:
                self._values.forget(unread)
            for unread in nodes:
                self._let_go(unread)

    def _let_go(self, index: int) -> None:
        if self.descriptors[index] != FAILURE:
            self.results[index] = None

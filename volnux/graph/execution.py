"""The meaning of a graph as a state machine: pure, no clock, no thread, no I/O.

A backend asks `start()` for the events that are ready, runs them however it likes, and tells
`finish()` how each one ended; the answer is the events that became ready. Nodes are identified by
their index in `graph.nodes`; the copies of nodes by the numbers after these: see
`volnux.graph.copies`. One `Execution` is one run; it is not thread-safe: a backend that finishes
events from several threads holds a lock around the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from volnux.graph.model import Graph
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, RunStatus, State, no_branch
from volnux.graph.piped import Source
from volnux.graph.progress import Progress

__all__ = ["Execution", "Source"]


class Execution(Progress):
    """One run of a graph.

    Args:
        graph: the graph.
        keep_results: keep every result to the end. Otherwise a result is freed when the last event
            that receives it has ended, or at once if no event receives it. The results of events
            that ended with descriptor 0 are kept in any case: they say what went wrong. In a copy,
            what another event of the copy receives is kept until the copy has ended.
        index: the index of the run, if it is a copy in another run.
        given: what the values of kind `given` stand for, by their index in `Graph.values`.
        items: returns the list of an `each`, given this object and the instance that begins the
            `each`, or `NoItems`. By default it is the piped value.
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
        items: Callable[[Execution, int], object] | None = None,
        grows: Callable[[int, int, int], object] | None = None,
    ) -> None:
        super().__init__(
            graph,
            keep_results=keep_results,
            index=index,
            given=given or {},
            items=items or Execution.received,
            grows=grows,
        )
        self.timed_out = False
        self._running: set[int] = set()

    # What a backend calls.

    def start(self) -> list[int]:
        """The events that are ready at once, in reading order."""
        ready = self.begin()
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
        ready = self.conclude(index, descriptor)
        if self.cancelled or self.stopped:
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
        self.cancelled = True

    def expire(self) -> None:
        """End the run because it took too long: every place that has not ended is failed.

        Running events need not be finished. A run that was cancelled stays cancelled.
        """
        if self.cancelled:
            self.abandon()
            return
        self.timed_out = True
        self._end()

    def _end(self) -> None:
        self.stopped = self.failed = True
        self._end_the_rest(State.FAILED)

    def abandon(self) -> None:
        """After `cancel`: stop waiting; every place that has not ended is cancelled."""
        self.cancelled = True
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
        if self.cancelled and not self.stopped:
            return RunStatus.CANCELLED
        return RunStatus.FAILED if self.failed else RunStatus.SUCCESS

    def received(self, index: int) -> Any:
        """The value piped to a node that is ready, or None."""
        value = self.nodes[index].receives
        return None if value is None else self._piped.value(value, index)

    def received_from(self, index: int) -> Source:
        """Where the value of `received` came from: the same lists, but with ids of events.

        None if nothing was piped, or something that did not come from events only, such as an item
        or the failure of a `!`. Inside a list, None stands for an arm that was not done.
        """
        return self._piped.received_from(index)

    def origin(self, index: int) -> Any:
        """The result of the event whose failure this failed node, or catch with 0, passes on."""
        origin = self.origin_of(index)
        return None if origin is None else self.results[origin]

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

    # Helpers.

    def _take(self, index: int) -> None:
        if index not in self._running:
            raise ValueError(f"{self.copies.place(index)} is not running")
        self._running.remove(index)

    def _takes_of(self, index: int) -> int:
        return self._wiring.takes[self.copies.node(index)]

    def _end_the_rest(self, state: State) -> None:
        for index, known in enumerate(self.states):
            if known is None:
                self.states[index] = state
        self._running.clear()

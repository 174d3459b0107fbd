"""The state of a run, and the lock that guards it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from volnux.backends.port import RunOptions
from volnux.events.executors import ExecutorKind
from volnux.events.link import Plan
from volnux.events.outcome import Outcome
from volnux.events.spec import EventSpec
from volnux.graph.execution import Execution
from volnux.graph.outcome import FAILURE
from volnux.graph.report import RunReport
from volnux.hooks import About
from volnux.kit.calls import Calls
from volnux.kit.notes import Notes
from volnux.kit.reuse import Reuse
from volnux_standalone.attempt import Attempt

__all__ = ["Board", "Locked"]

_DEFAULT = ExecutorKind.DEFAULT


class Locked:
    """A lock as a context manager. After the release, it calls a function for queued work."""

    def __init__(self, lock: threading.Lock, then: Callable[[], object]) -> None:
        self._lock = lock
        self._then = then

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._then()


class Board:
    """Which places of a run are ready, running or finished.

    The caller must hold `lock` for every method except `claim`. Queues, sets and lists are also
    used without the lock if a single call is enough.

    Args:
        plan: the plan of the run.
        options: the options of the run.
        calls: makes the arguments of the events.

    Attributes:
        lock: guards everything else.
        over: set when no places are open any more, or the run was abandoned.
        execution: the state machine.
        specs: the spec of each instance of an event.
        notes: attempts, times and received values of the places.
        reuse: ends the places that keep an earlier outcome.
        ready: places for our own workers.
        outbox: places that must be sent to other executors.
        flying: attempts whose end has not been claimed yet.
        finished: ends of attempts that the state machine has not processed yet.
        retrying: places that wait for their next attempt.
        open: how many places are ready, submitted, or waiting for their next attempt.
        cancelled: whether no more events start. Running ones may finish.
        stopped: whether an event with `stop_on_exception`, or the time limit, ended the run.
        given_up: whether the run no longer waits for running attempts.
        stuck: how many threads still run an attempt whose end has been claimed.
    """

    def __init__(self, plan: Plan, options: RunOptions, calls: Calls) -> None:
        # Joins and catches have no spec, and are never ready.
        self.specs: list[EventSpec] = list(plan.specs)  # type: ignore[arg-type]  # see above
        self._keep_results = options.results
        self._with_end = options.with_end
        self._calls = calls
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.execution = Execution(
            plan.graph,
            keep_results=options.results,
            index=options.index,
            given=options.given,
            items=calls.items,
            grows=self._grow,
        )
        self.notes = Notes(len(plan.graph.nodes))
        self.reuse = Reuse(plan, self.execution, calls, self.notes, options)
        self.ready: deque[int] = deque()
        self.outbox: deque[int] = deque()
        self.flying: set[Attempt] = set()
        self.finished: deque[tuple[int, Outcome]] = deque()
        self.retrying: set[int] = set()
        self.open = 0
        self.cancelled = False
        self.stopped = False
        self.given_up = False
        self.stuck = 0

    def _grow(self, start: int, stop: int, copies: int) -> None:
        self.specs += self.specs[start:stop] * copies
        self.notes.grow((stop - start) * copies)

    @property
    def left_behind(self) -> bool:
        """Whether threads still run user code that nobody waits for."""
        return bool(self.stuck or self.given_up)

    def take(self, ready: list[int]) -> None:
        """Queue places that have become ready, except those that keep an earlier outcome."""
        ready = self.reuse.settle(ready)
        nodes = self.execution.nodes
        for index in ready:
            if nodes[index].receives is not None:
                self.notes.received[index] = self.execution.received(index)
            self.queue(index)
        self.open += len(ready)

    def queue(self, index: int) -> None:
        """Queue a place for our own workers or for another executor."""
        spec = self.specs[index]
        if spec.executor.kind is _DEFAULT and not spec.is_async:
            self.ready.append(index)
        else:
            self.outbox.append(index)

    def claim(self, attempt: Attempt) -> bool:
        """Claim the end of an attempt. Returns whether this call was the first to do so."""
        try:
            self.flying.remove(attempt)
        except KeyError:
            return False
        if attempt.drop_timer is not None:
            attempt.drop_timer()
        return True

    def take_back(self, attempt: Attempt) -> None:
        """Withdraw a submitted attempt, if it has not begun."""
        if attempt.handle.take_back():
            self.forget(attempt)

    def forget(self, attempt: Attempt) -> None:
        """Forget an attempt that has not begun, unless its end has been claimed."""
        if self.claim(attempt):
            self.open -= 1

    def expire(self, attempt: Attempt) -> None:
        """Record that an attempt continues although its end has been claimed."""
        attempt.expire()
        self.stuck += attempt.stuck

    def drop_waiting(self) -> None:
        """Forget everything that has not begun."""
        for queue in (self.ready, self.outbox):
            while queue:
                try:
                    queue.popleft()
                except IndexError:
                    break
                self.open -= 1
        self.open -= len(self.retrying)
        self.retrying.clear()
        for attempt in self.flying.copy():
            if attempt.handle is not None:
                self.take_back(attempt)

    def cancel(self) -> None:
        """Start no more events. Running ones may finish."""
        self.cancelled = True
        self.execution.cancel()
        self.drop_waiting()

    def give_up(self) -> None:
        """Stop waiting for running attempts."""
        self.given_up = True
        for attempt in self.flying.copy():
            if self.claim(attempt):
                self.expire(attempt)
        self.over.set()

    def run_out(self) -> None:
        """End the run at its time limit. Nothing more starts, and running attempts are given up."""
        self.stopped = not self.cancelled
        self.execution.expire()
        self.drop_waiting()
        self.give_up()

    def retry(self, index: int) -> bool:
        """Queue a place whose wait is over. Returns False if the run no longer knows it."""
        if index not in self.retrying:
            return False
        self.retrying.discard(index)
        self.queue(index)
        return True

    def finish(self, index: int, outcome: Outcome) -> bool:
        """Pass the end of an event to the state machine. Returns whether it is a failure."""
        self._note_end(index, outcome)
        ready = self.execution.finish(index, outcome.descriptor, outcome.result)
        if ready:
            self.take(ready)
        return self.execution.descriptors[index] == FAILURE

    def stop(self, index: int, outcome: Outcome) -> list[Attempt]:
        """End the run because of an event. Returns the running attempts that can be stopped."""
        self._note_end(index, outcome)
        self.stopped = True
        self.execution.stop(index, outcome.result)
        self.drop_waiting()
        return [each for each in self.flying.copy() if each.handle is not None and each.stoppable]

    def check_over(self) -> None:
        """Set `over` if no places are open any more."""
        if self.open == 0:
            self.over.set()

    def report(self, about: About) -> RunReport:
        """The report of the run, at its end."""
        if self.cancelled or not self.execution.ended:
            self.execution.abandon()
        return self.notes.report(
            about,
            self.execution,
            self._calls.inputs,
            results_kept=self._keep_results,
            scheduled_at=self._calls.scheduled_at,
            with_end=self._with_end,
        )

    def _note_end(self, index: int, outcome: Outcome) -> None:
        if not self._keep_results:
            self.notes.received[index] = None
        self.notes.ends(index, outcome)

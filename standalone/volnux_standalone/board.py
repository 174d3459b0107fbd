"""The state of a run, and the lock that guards it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from volnux.events.executors import ExecutorKind
from volnux.events.link import Plan
from volnux.events.outcome import Outcome
from volnux.events.spec import EventSpec
from volnux.graph.execution import Execution
from volnux.graph.outcome import FAILURE
from volnux.kit.notes import Notes
from volnux_standalone.attempt import Attempt

__all__ = ["Board", "Locked"]

_DEFAULT = ExecutorKind.DEFAULT


class Locked:
    """A lock as a context, with a call after it was released: for what others queued meanwhile."""

    def __init__(self, lock: threading.Lock, then: Callable[[], object]) -> None:
        self._lock = lock
        self._then = then

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._then()


class Board:
    """What is ready, what runs and what has ended in one run.

    The caller holds `lock` for every method except `claim`. Queues, sets and lists are also used
    without the lock, if a single call is enough.

    Args:
        plan: what runs.
        keep_results: whether results are kept to the end; see `Execution`.

    Attributes:
        lock: guards the rest.
        over: set when nothing is open any more, or the run was given up.
        execution: the state machine.
        notes: attempts, times and received values of the places.
        ready: places for our own workers.
        outbox: places that run elsewhere, to be sent.
        flying: attempts whose end nobody has claimed.
        finished: how attempts ended, until the state machine is told.
        retrying: places that wait for their next attempt.
        open: how many places are ready, handed out, or wait for their next attempt.
        cancelled: nothing more starts; what runs may finish.
        stopped: an event with `stop_on_exception`, or the time limit, has ended the run.
        given_up: nothing more is expected of what runs.
        stuck: how many threads still run an attempt whose end was claimed.
    """

    def __init__(self, plan: Plan, *, keep_results: bool) -> None:
        self._nodes = plan.graph.nodes
        # Joins and catches have no spec, and are never ready.
        self._specs: tuple[EventSpec, ...] = plan.specs  # type: ignore[assignment]  # see above
        self._keep_results = keep_results
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.execution = Execution(plan.graph, keep_results=keep_results)
        self.notes = Notes(len(self._nodes))
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

    @property
    def left_behind(self) -> bool:
        """Whether threads still run the user's code that nobody waits for."""
        return bool(self.stuck or self.given_up)

    def take(self, nodes: list[int]) -> None:
        """Queue places that have become ready."""
        for node in nodes:
            if self._nodes[node].receives is not None:
                self.notes.received[node] = self.execution.received(node)
            self.queue(node)
        self.open += len(nodes)

    def queue(self, node: int) -> None:
        """Queue a place for our own workers, or to be sent elsewhere."""
        spec = self._specs[node]
        if spec.executor.kind is _DEFAULT and not spec.is_async:
            self.ready.append(node)
        else:
            self.outbox.append(node)

    def claim(self, attempt: Attempt) -> bool:
        """Whether the end of an attempt is the caller's to tell: only the first claim counts."""
        try:
            self.flying.remove(attempt)
        except KeyError:
            return False
        if attempt.drop_timer is not None:
            attempt.drop_timer()
        return True

    def take_back(self, attempt: Attempt) -> None:
        """Forget an attempt that was handed out, if it has not begun."""
        if attempt.handle.take_back():
            self.forget(attempt)

    def forget(self, attempt: Attempt) -> None:
        """Forget an attempt that has not begun, unless its end was claimed."""
        if self.claim(attempt):
            self.open -= 1

    def expire(self, attempt: Attempt) -> None:
        """Note that an attempt runs on whose end was claimed."""
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
        """Start nothing more; what runs may finish."""
        self.cancelled = True
        self.execution.cancel()
        self.drop_waiting()

    def give_up(self) -> None:
        """Expect nothing more of what runs."""
        self.given_up = True
        for attempt in self.flying.copy():
            if self.claim(attempt):
                self.expire(attempt)
        self.over.set()

    def run_out(self) -> None:
        """End the run because its time is over: nothing starts, and what runs is given up."""
        self.stopped = not self.cancelled
        self.execution.expire()
        self.drop_waiting()
        self.give_up()

    def retry(self, node: int) -> bool:
        """Queue a place whose wait is over; False if the run has forgotten it meanwhile."""
        if node not in self.retrying:
            return False
        self.retrying.discard(node)
        self.queue(node)
        return True

    def finish(self, node: int, outcome: Outcome) -> bool:
        """Tell the state machine how an event ended; whether that is a failure."""
        self._note_end(node, outcome)
        ready = self.execution.finish(node, outcome.descriptor, outcome.result)
        if ready:
            self.take(ready)
        return self.execution.descriptors[node] == FAILURE

    def stop(self, node: int, outcome: Outcome) -> list[Attempt]:
        """End the run because of an event; the attempts that still run and can be ended."""
        self._note_end(node, outcome)
        self.stopped = True
        self.execution.stop(node, outcome.result)
        self.drop_waiting()
        return [each for each in self.flying.copy() if each.handle is not None and each.stoppable]

    def check_over(self) -> None:
        """Set the end when no place is open any more."""
        if self.open == 0:
            self.over.set()

    def _note_end(self, node: int, outcome: Outcome) -> None:
        if not self._keep_results:
            self.notes.received[node] = None
        if outcome.raised or not self._keep_results:
            # The execution alone keeps an exception, and with it the locals of the event.
            outcome = outcome._replace(result=None)
        self.notes.last[node] = outcome

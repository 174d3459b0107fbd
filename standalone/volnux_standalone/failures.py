"""Logs what fails in a run: repeated attempts, and handled and unhandled failures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from volnux.events.link import Plan
from volnux.events.outcome import Outcome
from volnux.graph.execution import Execution
from volnux.graph.outcome import State
from volnux.graph.report import RunReport
from volnux.kit.notes import Notes

__all__ = ["FailureLog"]


class FailureLog:
    """Collects failures under the lock of the run, and logs them when no lock is held.

    The user's log handler may do anything, so it must never run under the lock of the run.

    Args:
        plan: the plan of the run.
        run_id: the id of the run.
        execution: its state machine.
        notes: the notes of the run about its places.
    """

    def __init__(self, plan: Plan, run_id: str, execution: Execution, notes: Notes) -> None:
        self._plan = plan
        self._run_id = run_id
        self._execution = execution
        self._notes = notes
        self._logging = threading.RLock()
        # The index of a place, and the outcome of the attempt if it will be repeated.
        self._waiting: deque[tuple[int, Outcome | None]] = deque()
        self._may_be_taken: set[str] | None = None
        # Whether these are handled is only known later in the run.
        self._undecided: list[int] = []

    def __bool__(self) -> bool:
        """Whether anything is waiting to be logged."""
        return bool(self._waiting)

    def add(self, index: int, repeated: Outcome | None = None) -> None:
        """Record a failure. `repeated` is the outcome of an attempt that will be repeated."""
        self._waiting.append((index, repeated))

    def write(self, *, stopped: bool) -> None:
        """Log the waiting failures, except those that a later event may still handle.

        Args:
            stopped: whether `stop_on_exception` ended the run, so that no failure is handled.
        """
        if not self._waiting:
            return
        from volnux.backends import run_log
        from volnux.graph.handling import may_be_taken

        with self._logging:
            while self._waiting:
                index, repeated = self._waiting.popleft()
                if repeated is not None:
                    self._write_retry(index, repeated)
                    continue
                if self._may_be_taken is None:
                    self._may_be_taken = may_be_taken(self._plan.graph)
                if self._execution.states[index] is State.DONE:
                    self._write_failure(index, run_log.handled)
                elif self._execution.nodes[index].id in self._may_be_taken and not stopped:
                    self._undecided.append(index)
                else:
                    self._write_failure(index, run_log.failed)

    def write_rest(self, report: RunReport) -> None:
        """Log the rest at the end of the run, when it is known whether they were handled."""
        if not self._undecided and not self._plan.graph.eaches:
            return
        from volnux.backends import run_log

        for place, item in report.places.items():
            # An `each` without a list: no event has failed.
            if item.failure is not None and not item.attempts:
                tell = run_log.handled if item.handled else run_log.failed
                tell(self._plan.graph.name, self._run_id, place, item.failure, 0)
        for index in self._undecided:
            handled = report.places[self._place(index)].handled
            self._write_failure(index, run_log.handled if handled else run_log.failed)

    def _write_retry(self, index: int, outcome: Outcome) -> None:
        from volnux.backends import run_log

        run_log.repeated(
            self._plan.graph.name,
            self._run_id,
            self._place(index),
            outcome.result,
            outcome.attempts,
            outcome.retry_after or 0,
        )

    def _write_failure(self, index: int, tell: Callable[..., None]) -> None:
        result = self._execution.results[index]
        made = self._notes.made[index]
        tell(self._plan.graph.name, self._run_id, self._place(index), result, made)

    def _place(self, index: int) -> str:
        return self._execution.copies.place(index)

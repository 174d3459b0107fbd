"""The records of a run about each place, and the report that is made from them."""

from __future__ import annotations

import datetime as dt
import time
from array import array
from collections.abc import Mapping
from typing import Any

from volnux.events.outcome import Outcome
from volnux.graph.execution import Execution
from volnux.graph.report import Details, RunReport, end_of, failure_of_run, places_of
from volnux.hooks import About

__all__ = ["Notes", "moment"]


class Notes:
    """Attempts, times and received values of the places of one run, by their index in the graph.

    Args:
        size: how many nodes the graph has.

    Attributes:
        made: how many attempts have begun.
        first: when the first of them began, in seconds since the epoch; 0.0 before that.
        ended: when the last of them ended, in the same way.
        bypassed: whether it was bypassed.
        reused: whether it kept the outcome of an earlier run.
        received: the piped result.
        resumed_from: the id of the run that this one resumes; None if it begins anew.
    """

    __slots__ = (
        "began",
        "bypassed",
        "ended",
        "first",
        "made",
        "received",
        "resumed_from",
        "reused",
    )

    def __init__(self, size: int) -> None:
        self.began = time.time()
        # Arrays, because a run may have a million places.
        self.made = array("l")
        self.first = array("d")
        self.ended = array("d")
        self.bypassed = bytearray()
        self.reused = bytearray()
        self.received: list[Any] = []
        self.resumed_from: str | None = None
        self.grow(size)

    def grow(self, size: int) -> None:
        """Make room for this many more instances."""
        self.made.frombytes(bytes(size * self.made.itemsize))
        for times in (self.first, self.ended):
            times.frombytes(bytes(size * times.itemsize))
        self.bypassed += bytes(size)
        self.reused += bytes(size)
        self.received += [None] * size

    def begins(self, index: int, attempt: int, now: float) -> None:
        """Note that an attempt begins, at `now` seconds since the epoch."""
        if not self.first[index]:
            self.first[index] = now
        self.made[index] = attempt

    def ends(self, index: int, outcome: Outcome) -> None:
        """Note that an attempt has ended."""
        self.ended[index] = outcome.ended_at
        if outcome.bypassed:
            self.bypassed[index] = True
        if outcome.attempts < self.made[index]:  # the last one was not started
            self.made[index] = outcome.attempts

    def reuses(self, index: int, received: Any, *, bypassed: bool) -> None:
        """Note that a place keeps the outcome of an earlier run: it has no attempt in this one."""
        self.reused[index] = True
        self.bypassed[index] = bypassed
        self.received[index] = received

    def report(
        self,
        about: About,
        execution: Execution,
        inputs: Mapping[str, Any],
        *,
        results_kept: bool = True,
        scheduled_at: dt.datetime | None = None,
        with_end: bool = False,
    ) -> RunReport:
        """The report of a run that has ended.

        Args:
            about: what ran, and where.
            execution: the state machine of the run, at its end.
            inputs: the values of the inputs, by name.
            results_kept: see `RunReport`.
            scheduled_at: the scheduled time of the run.
            with_end: whether the report says what the flow handed on.
        """
        return RunReport(
            pipeline=about.pipeline,
            backend=about.backend,
            run_id=about.run_id,
            status=execution.status,
            places=places_of(execution, self._details),
            inputs=inputs,
            started_at=moment(self.began),
            ended_at=moment(time.time()),
            results_kept=results_kept,
            failure=failure_of_run(execution),
            scheduled_at=scheduled_at,
            end=end_of(execution) if with_end else None,
            resumed_from=self.resumed_from,
        )

    def _details(self, index: int) -> Details:
        made = self.made[index]
        if not made:
            if self.reused[index]:
                return Details(0, self.received[index], None, None, self.bypassed[index] == 1, True)
            return _NO_DETAILS
        first, ended = self.first[index], self.ended[index]
        return Details(
            made,
            self.received[index],
            _AT(first, _UTC) if first else None,
            _AT(ended, _UTC) if ended else None,
            self.bypassed[index] == 1,
        )


def moment(seconds: float | None) -> dt.datetime | None:
    """Seconds since the epoch as a datetime in UTC."""
    return None if seconds is None else _AT(seconds, _UTC)


# Looked up once: they are needed twice for each place of a report.
_AT = dt.datetime.fromtimestamp
_UTC = dt.UTC
_NO_DETAILS = Details()

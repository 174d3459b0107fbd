"""The records of a run about each place, and the report that is made from them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from volnux.events.outcome import Outcome
from volnux.graph.execution import Execution
from volnux.graph.report import RunReport, end_of, failure_of_run, places_of
from volnux.hooks import About

__all__ = ["Notes", "moment"]


class Notes:
    """Attempts, times and received values of the places of one run, by their index in the graph.

    Args:
        size: how many nodes the graph has.

    Attributes:
        made: how many attempts have begun.
        first: when the first of them began, seconds since the epoch.
        last: how the last of them ended.
        received: the piped result.
    """

    __slots__ = ("began", "first", "last", "made", "received")

    def __init__(self, size: int) -> None:
        self.began = time.time()
        self.made = [0] * size
        self.first: list[float | None] = [None] * size
        self.last: list[Outcome | None] = [None] * size
        self.received: list[Any] = [None] * size

    def grow(self, size: int) -> None:
        """Make room for this many more instances."""
        self.made += [0] * size
        self.first += [None] * size
        self.last += [None] * size
        self.received += [None] * size

    def begins(self, index: int, attempt: int, now: float) -> None:
        """Note that an attempt begins, at `now` seconds since the epoch."""
        if self.first[index] is None:
            self.first[index] = now
        self.made[index] = attempt

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
        )

    def _details(self, index: int) -> dict[str, Any]:
        """The fields of a place in a `RunReport` that the state machine does not know."""
        first, last, made = self.first[index], self.last[index], self.made[index]
        return {
            "attempts": made,
            "received": self.received[index] if made else None,
            "started_at": None if first is None else _AT(first, _UTC),
            "ended_at": _AT(last.ended_at, _UTC) if last else None,
            "bypassed": last.bypassed if last else False,
        }


def moment(seconds: float | None) -> dt.datetime | None:
    """Seconds since the epoch as a datetime in UTC."""
    return None if seconds is None else _AT(seconds, _UTC)


# Looked up once: they are needed twice for each place of a report.
_AT = dt.datetime.fromtimestamp
_UTC = dt.UTC

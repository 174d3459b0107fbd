"""Handles the runs that an earlier scheduler left unfinished when it was killed."""

from __future__ import annotations

import datetime as dt
import enum
import logging
from collections.abc import Callable, Sequence

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent

from volnux.scheduler.errors import RunCutOffError
from volnux.scheduler.executor import DueRun
from volnux.scheduler.ledger import Ledger, RunRecord, RunState

__all__ = ["CutOff", "note_lost", "runs_to_repeat"]

log = logging.getLogger("volnux.scheduler")


class CutOff(enum.StrEnum):
    """What to do with a run that was active when its scheduler was killed.

    A lost run is `lost` in the ledger, and causes an `EVENT_JOB_ERROR` with a `RunCutOffError` and
    a warning in the log. A repeated run is a further attempt of the same run, from the beginning: a
    run cannot be resumed.
    """

    LOST = "lost"
    REPEAT = "repeat"


def runs_to_repeat(
    left: Sequence[tuple[RunRecord, bytes | None]],
    cut_off: CutOff,
    ledger: Ledger,
    lose: Callable[[RunRecord], None],
) -> dict[str, list[DueRun]]:
    """The runs to execute now, by job, in order.

    Args:
        left: the unfinished runs, each with its stored target; None if that is not known.
        cut_off: what to do with those that had begun.
        ledger: where repetitions are recorded.
        lose: called for each run that is lost.
    """
    again: dict[str, list[DueRun]] = {}
    for record, work in left:
        begun = record.state is RunState.RUNNING
        if work is None or (begun and cut_off is CutOff.LOST):
            lose(record)
            continue
        if begun:
            log.warning(
                "the run of %s at %s was interrupted: it is repeated",
                record.job_id,
                record.scheduled,
            )
            ledger.repeat(record.job_id, record.scheduled)
        run = DueRun(record.scheduled, work, record.run_id, however_late=begun)
        again.setdefault(record.job_id, []).append(run)
    return again


def note_lost(record: RunRecord, ledger: Ledger, now: dt.datetime) -> JobExecutionEvent:
    """Record in the log and the ledger that a run is lost; return the event for listeners."""
    fault = RunCutOffError(record.job_id, record.scheduled)
    log.warning("%s: it is lost", fault)
    message = "interrupted because its scheduler ended"
    ledger.end(record.job_id, record.scheduled, RunState.LOST, now, message)
    return JobExecutionEvent(
        EVENT_JOB_ERROR, record.job_id, "default", record.scheduled, exception=fault
    )

"""What becomes of the runs that a scheduler which was killed left behind."""

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
    """What becomes of a run that was under way when its scheduler was killed.

    Either way it is made known: as `lost` in the ledger, an `EVENT_JOB_ERROR` with a
    `RunCutOffError` and a warning in the log; or as a further attempt of the same run. A run cannot
    be resumed in its middle.
    """

    LOST = "lost"
    REPEAT = "repeat"


def runs_to_repeat(
    left: Sequence[tuple[RunRecord, bytes | None]],
    cut_off: CutOff,
    ledger: Ledger,
    lose: Callable[[RunRecord], None],
) -> dict[str, list[DueRun]]:
    """The runs of each job that have to be run, in their order.

    Args:
        left: the runs that had not ended, with what they run; None where that is not known.
        cut_off: what becomes of those that had begun.
        ledger: where it is noted that a run is repeated.
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
                "the run of %s at %s was cut off: it is repeated",
                record.job_id,
                record.scheduled,
            )
            ledger.repeat(record.job_id, record.scheduled)
        run = DueRun(record.scheduled, work, record.run_id, however_late=begun)
        again.setdefault(record.job_id, []).append(run)
    return again


def note_lost(record: RunRecord, ledger: Ledger, now: dt.datetime) -> JobExecutionEvent:
    """Note in the log and the ledger that a run is lost; the event that says so."""
    fault = RunCutOffError(record.job_id, record.scheduled)
    log.warning("%s: it is lost", fault)
    message = "cut off when its scheduler ended"
    ledger.end(record.job_id, record.scheduled, RunState.LOST, now, message)
    return JobExecutionEvent(
        EVENT_JOB_ERROR, record.job_id, "default", record.scheduled, exception=fault
    )

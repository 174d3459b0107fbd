"""The ledger: each run that was due, once, and what became of it.

A run is written down before it starts, under its job and its instant. So a scheduler that was
killed finds out what it had begun, and nothing is ever begun twice.
"""

from __future__ import annotations

import datetime as dt
import enum
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

__all__ = ["Ledger", "RunRecord", "RunState"]

_KEPT = dt.timedelta(days=30)


class RunState(enum.StrEnum):
    """What became of a run that was due."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    SKIPPED = "skipped"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A line of the ledger.

    Attributes:
        job_id: the job.
        scheduled: the instant for which it was due, in UTC.
        state: what became of it.
        run_id: that of the run's report; None where it never began.
        started: when it began, in UTC.
        ended: when it ended, in UTC.
        attempt: 2 and more where a run that was cut off was repeated.
        message: why it failed.
    """

    job_id: str
    scheduled: dt.datetime
    state: RunState
    run_id: str | None = None
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    attempt: int = 1
    message: str | None = None

    @property
    def lateness(self) -> dt.timedelta | None:
        """How long after its instant it began."""
        return None if self.started is None else self.started - self.scheduled


class Ledger:
    """The table `volnux_runs` of a store."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        # SQLite has one writer at a time: threads that wait here do not poll there.
        self._writing = threading.Lock()
        self._runs = sa.Table(
            "volnux_runs",
            sa.MetaData(),
            sa.Column("job_id", sa.Unicode(191), primary_key=True),
            sa.Column("scheduled", sa.Float(53), primary_key=True),
            sa.Column("state", sa.String(16), nullable=False, index=True),
            sa.Column("run_id", sa.String(64)),
            sa.Column("started", sa.Float(53)),
            sa.Column("ended", sa.Float(53)),
            sa.Column("attempt", sa.Integer, nullable=False),
            sa.Column("message", sa.Text),
            # What was to run, for when its job is gone: a job for one date ends when it is due.
            sa.Column("work", sa.LargeBinary),
        )

    def open(self) -> None:
        """Make the table, if there is none."""
        with self._writing, self._engine.begin() as connection:
            self._runs.create(connection, checkfirst=True)

    def forget(self, now: dt.datetime) -> None:
        """Leave out what was due, and ended, more than a month ago."""
        runs, limit = self._runs, (now - _KEPT).timestamp()
        old = runs.delete().where(runs.c.ended < limit, runs.c.scheduled < limit)
        with self._writing, self._engine.begin() as connection:
            connection.execute(old)

    def claim(
        self,
        job_id: str,
        scheduled: Sequence[dt.datetime],
        work: bytes | None = None,
        state: RunState = RunState.QUEUED,
    ) -> list[dt.datetime]:
        """Write down runs that are due; those among them that were not known yet."""
        runs = self._runs
        stamps = {moment.timestamp(): moment for moment in scheduled}
        with self._writing, self._engine.begin() as connection:
            known = sa.select(runs.c.scheduled).where(
                runs.c.job_id == job_id, runs.c.scheduled.in_(list(stamps))
            )
            for (stamp,) in connection.execute(known).all():
                stamps.pop(stamp, None)
            if stamps:
                connection.execute(
                    runs.insert(),
                    [
                        {
                            "job_id": job_id,
                            "scheduled": stamp,
                            "state": state.value,
                            "attempt": 1,
                            "work": work,
                        }
                        for stamp in stamps
                    ],
                )
        return list(stamps.values())

    def note(
        self,
        job_id: str,
        scheduled: dt.datetime,
        state: RunState,
        *,
        run_id: str | None = None,
        started: dt.datetime | None = None,
        ended: dt.datetime | None = None,
        message: str | None = None,
        again: bool = False,
    ) -> None:
        """Write down what became of a run; `again`: it is repeated."""
        runs = self._runs
        values: dict[str, object] = {"state": state.value}
        if run_id is not None:
            values["run_id"] = run_id
        if started is not None:
            values["started"] = started.timestamp()
        if ended is not None:
            # What ended is never begun again.
            values |= {"ended": ended.timestamp(), "work": None}
        if message is not None:
            values["message"] = message
        if again:
            values["attempt"] = runs.c.attempt + 1
        change = runs.update().where(
            runs.c.job_id == job_id, runs.c.scheduled == scheduled.timestamp()
        )
        with self._writing, self._engine.begin() as connection:
            connection.execute(change.values(**values))

    def unfinished(self) -> list[tuple[RunRecord, bytes | None]]:
        """The runs that an earlier scheduler has left queued or running, oldest first."""
        runs = self._runs
        states = (RunState.QUEUED.value, RunState.RUNNING.value)
        rows = sa.select(runs).where(runs.c.state.in_(states)).order_by(runs.c.scheduled)
        with self._engine.connect() as connection:
            return [(_record(row), row.work) for row in connection.execute(rows)]

    def records(self, job_id: str | None = None, limit: int | None = None) -> list[RunRecord]:
        """Runs by the instant for which they were due, latest first."""
        runs = self._runs
        rows = sa.select(runs).order_by(runs.c.scheduled.desc(), runs.c.job_id).limit(limit)
        if job_id is not None:
            rows = rows.where(runs.c.job_id == job_id)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(rows)]


def _record(row: sa.Row[tuple[object, ...]]) -> RunRecord:
    return RunRecord(
        job_id=row.job_id,
        scheduled=dt.datetime.fromtimestamp(row.scheduled, dt.UTC),
        state=RunState(row.state),
        run_id=row.run_id,
        started=_moment(row.started),
        ended=_moment(row.ended),
        attempt=row.attempt,
        message=row.message,
    )


def _moment(stamp: float | None) -> dt.datetime | None:
    return None if stamp is None else dt.datetime.fromtimestamp(stamp, dt.UTC)

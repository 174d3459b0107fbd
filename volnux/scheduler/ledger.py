"""The ledger: it records each due run once, with its outcome and its report.

A run is recorded before it starts, by job and instant. So after a crash, the next scheduler knows
which runs had begun, and no run begins twice.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from volnux.graph.report import RunReport

__all__ = ["REPORTS_KEPT", "Ledger", "RunRecord", "RunState"]

_KEPT = dt.timedelta(days=30)

REPORTS_KEPT = 100
"""How many reports are kept for each job and final state, of the latest runs, for a month."""

_LONGEST_REPORT = 1_000_000
_MESSAGE = 10_000


class RunState(enum.StrEnum):
    """The state of a run in the ledger."""

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
    """A row of the ledger.

    Attributes:
        job_id: the id of the job.
        scheduled: the instant for which it was due, in UTC.
        state: the state of the run.
        run_id: the id of the run, which a repetition keeps; None if it never began.
        started: when it began, in UTC; for a repeated run, when the last attempt began.
        ended: when it ended, in UTC.
        attempt: how often the run began; 2 or more if it was interrupted and repeated.
        message: why it failed or was missed; None otherwise.
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
        """The delay between the instant and the start of the run; None if it did not start."""
        return None if self.started is None else self.started - self.scheduled


class Ledger:
    """The table `volnux_runs` of a store."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        # SQLite has one writer at a time: threads wait for this lock instead of polling SQLite.
        self.writing = threading.Lock()
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
            # The target, in case the job is gone: a job for one date is removed when it is due.
            sa.Column("work", sa.LargeBinary),
        )
        # A separate table: reports may be large, and are read one at a time.
        self._reports = sa.Table(
            "volnux_reports",
            sa.MetaData(),
            sa.Column("run_id", sa.String(64), primary_key=True),
            sa.Column("job_id", sa.Unicode(191), nullable=False),
            sa.Column("state", sa.String(16), nullable=False),
            sa.Column("ended", sa.Float(53), nullable=False),
            sa.Column("report", sa.Text, nullable=False),
            sa.Index("volnux_reports_latest", "job_id", "state", "ended"),
        )

    def open(self) -> None:
        """Create the tables if they do not exist."""
        with self.writing, self._engine.begin() as connection:
            self._runs.create(connection, checkfirst=True)
            self._reports.create(connection, checkfirst=True)

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Block writers, and close all connections at the end: the database is replaced."""
        with self.writing:
            yield
            self._engine.dispose()

    @property
    def exists(self) -> bool:
        """Whether the store has the tables of a scheduler."""
        return sa.inspect(self._engine).has_table(self._runs.name)

    def forget(self, now: dt.datetime) -> None:
        """Delete the runs that were due more than a month ago and have ended."""
        runs, limit = self._runs, (now - _KEPT).timestamp()
        old = runs.delete().where(runs.c.ended < limit, runs.c.scheduled < limit)
        reports = self._reports
        with self.writing, self._engine.begin() as connection:
            connection.execute(old)
            connection.execute(reports.delete().where(reports.c.ended < limit))

    def claim(
        self,
        job_id: str,
        scheduled: Sequence[dt.datetime],
        work: bytes | None = None,
        state: RunState = RunState.QUEUED,
    ) -> list[dt.datetime]:
        """Record due runs, and return those that were not recorded before."""
        runs = self._runs
        stamps = {moment.timestamp(): moment for moment in scheduled}
        with self.writing, self._engine.begin() as connection:
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

    def skip(
        self,
        job_id: str,
        scheduled: dt.datetime,
        ended: dt.datetime,
        message: str,
        state: RunState = RunState.MISSED,
    ) -> None:
        """Record that a run was missed, or is left out."""
        values = {"state": state.value, **_end(ended), "message": message}
        self._update(job_id, scheduled, values)

    def begin(self, job_id: str, scheduled: dt.datetime, started: dt.datetime, run_id: str) -> None:
        """Record that a run begins."""
        values = {"state": RunState.RUNNING.value, "started": started.timestamp(), "run_id": run_id}
        self._update(job_id, scheduled, values)

    def repeat(self, job_id: str, scheduled: dt.datetime) -> None:
        """Record that an interrupted run is due again, as a further attempt."""
        values = {"state": RunState.QUEUED.value, "attempt": self._runs.c.attempt + 1}
        self._update(job_id, scheduled, values)

    def end(
        self,
        job_id: str,
        scheduled: dt.datetime,
        state: RunState,
        ended: dt.datetime,
        message: str | None = None,
        report: RunReport | None = None,
    ) -> None:
        """Record how a run ended, and store its report."""
        values = {"state": state.value, **_end(ended), "message": message and message[:_MESSAGE]}
        kept: dict[str, Any] | None = None
        if report is not None:
            kept = {
                "run_id": report.run_id,
                "job_id": job_id,
                "state": state.value,
                "ended": ended.timestamp(),
                "report": _dumped(report),
            }
        self._update(job_id, scheduled, values, kept)

    def _update(
        self,
        job_id: str,
        scheduled: dt.datetime,
        values: dict[str, Any],
        report: dict[str, Any] | None = None,
    ) -> None:
        runs, reports = self._runs, self._reports
        change = runs.update().where(
            runs.c.job_id == job_id, runs.c.scheduled == scheduled.timestamp()
        )
        with self.writing, self._engine.begin() as connection:
            connection.execute(change.values(**values))
            if report is None:
                return
            # If the answer to a first write was lost, the repeated write finds the report already
            # there.
            connection.execute(reports.delete().where(reports.c.run_id == report["run_id"]))
            connection.execute(reports.insert().values(**report))
            alike = (reports.c.job_id == job_id, reports.c.state == report["state"])
            last = (
                sa.select(reports.c.ended)
                .where(*alike)
                .order_by(reports.c.ended.desc())
                .limit(1)
                .offset(REPORTS_KEPT)
            )
            oldest = connection.execute(last).scalar()
            if oldest is not None:
                connection.execute(reports.delete().where(*alike, reports.c.ended <= oldest))

    def report(self, run_id: str) -> dict[str, Any] | None:
        """The report of a run as JSON; None if there is none.

        Args:
            run_id: the id of the run, or the beginning of it, if that is unique.
        """
        reports = self._reports
        like = reports.c.run_id.startswith(run_id, autoescape=True)
        rows = sa.select(reports.c.report).where(like).limit(2)
        with self._engine.connect() as connection:
            found = connection.execute(rows).scalars().all()
        if len(found) != 1:
            return None
        data: dict[str, Any] = json.loads(found[0])
        return data

    def unfinished(self) -> list[tuple[RunRecord, bytes | None]]:
        """The runs that an earlier scheduler left queued or running, oldest first."""
        runs = self._runs
        states = (RunState.QUEUED.value, RunState.RUNNING.value)
        rows = sa.select(runs).where(runs.c.state.in_(states)).order_by(runs.c.scheduled)
        with self._engine.connect() as connection:
            return [(_record(row), row.work) for row in connection.execute(rows)]

    def records(self, job_id: str | None = None, limit: int | None = None) -> list[RunRecord]:
        """Recorded runs, sorted by the instant for which they were due, latest first."""
        runs = self._runs
        rows = sa.select(runs).order_by(runs.c.scheduled.desc(), runs.c.job_id).limit(limit)
        if job_id is not None:
            rows = rows.where(runs.c.job_id == job_id)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(rows)]


def _end(ended: dt.datetime) -> dict[str, Any]:
    # A run that has ended never begins again.
    return {"ended": ended.timestamp(), "work": None}


def _dumped(report: RunReport) -> str:
    """A report as JSON of limited length: a long one loses values, then successful places."""
    data = report.to_json()
    text = json.dumps(data)
    if len(text) <= _LONGEST_REPORT:
        return text
    left_out = {"type": "volnux", "repr": f"left out: the report has {len(text):,} characters"}
    data["inputs"] = dict.fromkeys(list(data["inputs"])[:100], left_out)
    for place in data["places"].values():
        place |= {"result": left_out, "received": left_out}
    if len(text := json.dumps(data)) <= _LONGEST_REPORT:
        return text
    failed = {name: place for name, place in data["places"].items() if place["failure"]}
    data["places"] = dict(list(failed.items())[:100])
    for place in data["places"].values():
        for name in ("message", "traceback"):
            place["failure"][name] = place["failure"][name][-5_000:]
    return json.dumps(data)


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

"""The table of jobs: APScheduler's own, but with JSON, and with jobs that can be on hold."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from typing import Any

import sqlalchemy as sa
from apscheduler.job import Job
from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.triggers.interval import IntervalTrigger

from volnux.scheduler.stored import read_job, write_job

__all__ = ["BATCH", "JobStore", "due"]

log = logging.getLogger("volnux.scheduler")

BATCH = 100
"""How many missed instants of a job are handled at a time; the others follow later."""


def due(job: Job, now: dt.datetime) -> tuple[list[dt.datetime], dt.datetime | None]:
    """The instants at which a job is due (at most `BATCH`), and the next one after them.

    With `coalesce`, one run replaces several missed runs: only the last instant is due.
    """
    found: list[dt.datetime] = []
    upcoming = job.next_run_time
    if job.coalesce and isinstance(job.trigger, IntervalTrigger):
        upcoming = _last_interval(job.trigger, upcoming, now)
    while upcoming is not None and upcoming <= now:
        if job.coalesce:
            found = [upcoming]
        elif len(found) < BATCH:
            found.append(upcoming)
        else:
            break
        upcoming = job.trigger.get_next_fire_time(upcoming, now)
    return found, upcoming


def _last_interval(
    trigger: IntervalTrigger, upcoming: dt.datetime | None, now: dt.datetime
) -> dt.datetime | None:
    """The last or second to last due instant, computed without visiting all before it."""
    if upcoming is None:
        return None
    until = now if trigger.end_date is None else min(now, trigger.end_date)
    steps = (until - upcoming) // trigger.interval - 1
    if steps < 1:
        return upcoming
    found: dt.datetime = (upcoming.astimezone(dt.UTC) + steps * trigger.interval).astimezone(
        upcoming.tzinfo
    )
    return found


class JobStore(SQLAlchemyJobStore):  # type: ignore[misc]  # APScheduler has no types
    """The jobs of a scheduler.

    A job on hold is not due, even if its time has come: its missed runs are executed first.

    Args:
        engine: the store.
        writing: a lock for writers, so that threads wait for the lock and do not poll SQLite.
    """

    def __init__(self, engine: sa.Engine, writing: threading.Lock) -> None:
        super().__init__(engine=engine)
        self._writing = writing
        self._held: set[str] = set()
        self._unreadable: set[str] = set()
        self._holding = threading.Lock()

    def hold(self, job_id: str) -> None:
        """Put a job on hold until `release`."""
        with self._holding:
            self._held.add(job_id)

    def release(self, job_id: str) -> None:
        """End the hold of a job."""
        with self._holding:
            self._held.discard(job_id)

    def make(self) -> None:
        """Create the table if it does not exist."""
        self.jobs_t.create(self.engine, checkfirst=True)

    # APScheduler's interface.

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._held.clear()

    def shutdown(self) -> None:
        """Leave the store open, because active runs still write to it; the keeper closes it."""

    def get_due_jobs(self, now: dt.datetime) -> list[Job]:
        jobs = self.jobs_t.c
        return self._get_jobs(jobs.next_run_time <= now.timestamp(), *self._not_held())

    def get_next_run_time(self) -> dt.datetime | None:
        jobs = self.jobs_t.c
        first = sa.select(sa.func.min(jobs.next_run_time)).where(*self._not_held())
        with self.engine.connect() as connection:
            stamp = connection.execute(first).scalar()
        return None if stamp is None else dt.datetime.fromtimestamp(stamp, dt.UTC)

    def lookup_job(self, job_id: str) -> Job | None:
        return next(iter(self._get_jobs(self.jobs_t.c.id == job_id)), None)

    def add_job(self, job: Job) -> None:
        insert = self.jobs_t.insert().values(id=job.id, **self._values(job))
        with self._writing, self.engine.begin() as connection:
            try:
                connection.execute(insert)
            except sa.exc.IntegrityError:
                raise ConflictingIdError(job.id) from None

    def update_job(self, job: Job) -> None:
        jobs = self.jobs_t
        update = jobs.update().values(**self._values(job)).where(jobs.c.id == job.id)
        with self._writing, self.engine.begin() as connection:
            if not connection.execute(update).rowcount:
                raise JobLookupError(job.id)
        self._unreadable.discard(job.id)

    def remove_job(self, job_id: str) -> None:
        with self._writing:
            super().remove_job(job_id)

    def _values(self, job: Job) -> dict[str, Any]:
        upcoming = job.next_run_time
        return {
            "next_run_time": None if upcoming is None else upcoming.timestamp(),
            "job_state": write_job(job.__getstate__()),
        }

    def _not_held(self) -> tuple[Any, ...]:
        with self._holding:
            held = {*self._held, *self._unreadable}
        return (self.jobs_t.c.id.not_in(held),) if held else ()

    def _reconstitute_job(self, job_state: bytes) -> Job:
        job = Job.__new__(Job)
        job.__setstate__(read_job(job_state))
        job._scheduler = self._scheduler
        job._jobstore_alias = self._alias
        return job

    def _get_jobs(self, *conditions: Any) -> list[Job]:
        """The jobs. Unlike in APScheduler, a job that cannot be read stays in the store."""
        jobs = self.jobs_t.c
        rows = sa.select(jobs.id, jobs.job_state).order_by(jobs.next_run_time).where(*conditions)
        found = []
        with self.engine.connect() as connection:
            table = connection.execute(rows).all()
        for job_id, state in table:
            try:
                found.append(self._reconstitute_job(state))
            except Exception as error:  # noqa: BLE001 - unpickling the user's objects may raise anything
                if job_id not in self._unreadable:
                    self._unreadable.add(job_id)
                    why = f"{type(error).__name__}: {error}"
                    log.error("the job %s in the store cannot be read: %s", job_id, why)
        return found

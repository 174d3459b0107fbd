"""`PipelineScheduler`: APScheduler with the instants of `volnux.schedules`, a ledger and a lock."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from apscheduler.events import (
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_SUBMITTED,
    JobSubmissionEvent,
)
from apscheduler.executors.base import MaxInstancesReachedError
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_PAUSED
from apscheduler.triggers.base import BaseTrigger
from apscheduler.util import undefined

from volnux.scheduler.errors import StoreError, StoreInUseError
from volnux.scheduler.executor import PipelineExecutor, run_target
from volnux.scheduler.jobs import JobStore, due
from volnux.scheduler.keeper import StoreKeeper
from volnux.scheduler.kept import KeptRuns
from volnux.scheduler.ledger import Ledger, RunRecord
from volnux.scheduler.recovery import CutOff, note_lost, runs_to_repeat
from volnux.scheduler.store import (
    DEFAULT_STORE,
    STORE_FAULTS,
    Outage,
    engine_for,
    fault_of,
    usable,
)
from volnux.scheduler.targets import check_storable, target_of
from volnux.scheduler.trigger import ScheduleTrigger, says_the_same, schedule_trigger
from volnux.schedules import Schedule

__all__ = ["PipelineScheduler"]

log = logging.getLogger("volnux.scheduler")

_LONGEST_SLEEP = 30.0
"""The longest sleep in seconds: the clock may be set, or the machine may be suspended."""

_RETRY = 5.0
"""Seconds between attempts to use a store that failed."""


class PipelineScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler has no types
    """Runs pipelines on schedules, in threads of this process.

    It is APScheduler's `BackgroundScheduler`: `pause_job`, `resume_job`, `remove_job`, `get_jobs`,
    `modify_job`, `reschedule_job`, `add_listener`, `start` and `shutdown` work as usual. The
    differences: jobs run pipelines and are stored in a database; cron expressions mean the same as
    on every backend; no run begins twice; a late run starts unless `misfire_grace_time` is over.

    Args:
        store: a URL of SQLAlchemy (SQLite or PostgreSQL), the path of an SQLite file, or
            `":memory:"`; it contains jobs and runs. Only one scheduler at a time can use it.
        timezone: an IANA name, for triggers without a time zone.
        workers: the maximum number of runs at the same time.
        cut_off: what to do with a run that was active when an earlier scheduler was killed.
        job_defaults: `coalesce`, `misfire_grace_time` and `max_instances` of jobs without them.
        daemon: whether the scheduler ends with the main thread.
        keep: whether runs of files are kept, and times that have a kept run are skipped.

    Raises:
        SchedulerError: the store cannot be used.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] = DEFAULT_STORE,
        *,
        timezone: str = "UTC",
        workers: int = 10,
        cut_off: CutOff | str = CutOff.LOST,
        job_defaults: Mapping[str, Any] | None = None,
        daemon: bool = True,
        keep: bool = False,
    ) -> None:
        self.cut_off = CutOff(cut_off)
        self._engine: sa.Engine = engine_for(store)
        self._ledger = Ledger(self._engine)
        self._jobs = JobStore(self._engine, self._ledger.writing)
        self._keeper = StoreKeeper(self._engine, self._ledger, self._jobs)
        self._outage = Outage(self._engine)
        self._workers = workers
        self._kept = KeptRuns() if keep else None
        self._added: set[str] = set()
        self._pipelines: PipelineExecutor | None = None
        defaults = {"misfire_grace_time": None, **(job_defaults or {})}
        super().__init__(timezone=timezone, daemon=daemon, job_defaults=defaults)

    def start(self, paused: bool = False) -> None:  # noqa: FBT001, FBT002 - APScheduler's signature
        """Lock the store, handle the runs that an earlier scheduler left unfinished, and begin.

        Raises:
            StoreInUseError: another scheduler is using the store; nothing was changed.
            StoreError: the store cannot be used.
        """
        if self.running:
            super().start(paused)  # which raises an error: it is already running
        with usable(self._engine):
            # A file that is not a database stays as it is, without a lock file beside it.
            self._engine.connect().close()
        self._keeper.take()
        try:
            with usable(self._engine):
                self._keeper.open()
                left = self._ledger.unfinished()
                super().start(paused=True)
                self._settle(left)
        except BaseException:
            if self.running:
                super().shutdown(wait=False)
            self._keeper.release()
            raise
        if not paused:
            self.resume()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - APScheduler's signature
        """Start no more runs; with `wait`, return when all runs have ended.

        The store stays locked until then. Due runs that have not begun stay in the store for the
        next scheduler.
        """
        executor = self._pipelines
        super().shutdown(wait)
        if executor is not None:
            executor.when_idle(self._keeper.release)

    def store_fault(self, error: BaseException) -> StoreError:
        """An exception of the store as a `StoreError`, without passwords."""
        return fault_of(error, self._engine)

    def cancel_runs(self) -> int:
        """Cancel the current runs, whose running events may finish; return their number."""
        return self._pipelines.cancel() if self._pipelines else 0

    def runs(self, job_id: str | None = None, *, limit: int | None = None) -> list[RunRecord]:
        """The recorded runs of at least the last month, latest first.

        Args:
            job_id: return only the runs of this job.
            limit: the maximum number of runs.
        """
        with usable(self._engine):
            self._ledger.open()
            return self._ledger.records(job_id, limit)

    def report(self, run_id: str) -> dict[str, Any] | None:
        """The report of a run as JSON; None if there is none.

        For each job, the reports of the latest 100 successful, 100 failed and 100 cancelled runs
        are kept for a month. `RunReport.from_json` turns one into an object.
        """
        with usable(self._engine):
            self._ledger.open()
            return self._ledger.report(run_id)

    def add_job(
        self,
        pipeline: Any,
        trigger: BaseTrigger | str | Sequence[str] | None = None,
        args: None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: Any = undefined,
        coalesce: Any = undefined,
        max_instances: Any = undefined,
        next_run_time: Any = undefined,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: bool | None = None,  # noqa: FBT001 - APScheduler's signature
        **trigger_args: Any,
    ) -> Any:
        """Add a job that runs a pipeline.

        A job with the same id in the store is replaced. If its trigger is the same, the job keeps
        its next run time, so that missed runs are not forgotten.

        Args:
            pipeline: a Pipeline class, an instance of one, or the path of a `.pty` file.
            trigger: `"cron"`, `"interval"` or `"date"` with their keywords; a crontab string or
                several; or a trigger of APScheduler. None means the pipeline's own schedule, with
                its catchup and max_active_runs; a pipeline without a schedule runs once, now.
            args: must be empty, because inputs are passed by name.
            kwargs: the inputs of each run, by name.
            id: the job's id; the pipeline's name if None.
            name: shown in logs; the pipeline's name if None.
            misfire_grace_time: the maximum delay of a run in seconds; None for no limit.
            coalesce: whether to execute only the last of several missed runs.
            max_instances: the maximum number of runs at the same time; further ones are skipped.
            next_run_time: the time of the first run, whatever the trigger; None to pause the job.
            jobstore: an argument of APScheduler; there is only one job store here.
            executor: an argument of APScheduler; there is only one executor here.
            replace_existing: if false, an id that is already in the store is an error.
            **trigger_args: `crontab=…`, `hour=6`, `minutes=5`, `run_date=…`, `timezone=…`, ….

        Returns:
            APScheduler's `Job`.

        Raises:
            TypeError: `pipeline` is not a pipeline.
            ScheduleError: the trigger is not valid.
            VolnuxError: the pipeline or its inputs are not valid.
        """
        if args:
            raise TypeError("a pipeline takes its inputs by name: kwargs={'name': value}")
        target = target_of(pipeline, kwargs)
        plan = target.load().plan()
        plan.bind(dict(target.inputs))
        graph = plan.graph
        own = Schedule.of(graph) if trigger is None and not trigger_args else None
        if own is not None:
            every = graph.catchup
            coalesce = not every if coalesce is undefined else coalesce
            max_instances = (
                (graph.max_active_runs or undefined)
                if max_instances is undefined
                else max_instances
            )
            made: Any = ScheduleTrigger(own, from_start=every)
        else:
            made = self._create_trigger(trigger, trigger_args)
        if isinstance(made, ScheduleTrigger):
            together = self._job_defaults["coalesce"] if coalesce is undefined else coalesce
            made.every = not together
        check_storable(target, graph.name)
        job_id = id or graph.name
        if replace_existing is None:
            replace_existing = job_id not in self._added
        job = super().add_job(
            run_target,
            made,
            (target,),
            None,
            job_id,
            name or graph.name,
            misfire_grace_time,
            coalesce,
            max_instances,
            next_run_time,
            jobstore,
            executor,
            replace_existing,
        )
        self._added.add(job_id)
        return job

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Remove a job; its current runs may finish."""
        super().remove_job(job_id, jobstore)
        self._added.discard(job_id)

    def resume_job(self, job_id: str, jobstore: str | None = None) -> Any:
        """Resume a paused job from now on; runs that it missed are not executed."""
        job, alias = self._lookup_job(job_id, jobstore)
        now = self._now()
        upcoming = job.trigger.get_next_fire_time(now - dt.timedelta.resolution, now)
        if upcoming is None:
            self.remove_job(job_id, alias)
            return None
        return self.modify_job(job_id, alias, next_run_time=upcoming)

    # Overridden internals of APScheduler.

    def _now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def _create_default_jobstore(self) -> JobStore:
        return self._jobs

    def _create_default_executor(self) -> PipelineExecutor:
        self._pipelines = PipelineExecutor(
            self._ledger, self._workers, self._now, self._outage, self._go_on, self._kept
        )
        return self._pipelines

    def _create_trigger(self, trigger: Any, trigger_args: dict[str, Any]) -> BaseTrigger:
        made = schedule_trigger(trigger, trigger_args, str(self.timezone))
        return made or super()._create_trigger(trigger, trigger_args)

    def _real_add_job(self, job: Any, jobstore_alias: str, replace_existing: bool) -> None:  # noqa: FBT001 - APScheduler's signature
        known = self._lookup_jobstore(jobstore_alias).lookup_job(job.id)
        if known is not None and replace_existing and not hasattr(job, "next_run_time"):
            now = self._now()
            if says_the_same(known.trigger, job.trigger):
                job._modify(trigger=known.trigger, next_run_time=known.next_run_time)
            else:
                # The schedule changes from now on; it does not begin again at its start date.
                is_ours = isinstance(job.trigger, ScheduleTrigger)
                before = now - dt.timedelta.resolution if is_ours else None
                job._modify(next_run_time=job.trigger.get_next_fire_time(before, now))
        super()._real_add_job(job, jobstore_alias, replace_existing)

    def _process_jobs(self) -> float | None:
        """Submit due runs; return the seconds until the next check, or None while paused.

        This replaces APScheduler's own loop, which treats a run as done even if its submission
        failed, and lists all missed instants of a job before the first of them runs.
        """
        if self.state == STATE_PAUSED:
            return None
        wait = _RETRY
        try:
            self._keeper.look_after(self._now(), self._jobstores_lock)
            wait = self._hand_over_due()
            self._outage.over()
        except StoreInUseError:
            log.critical("another scheduler has taken the lock of the store: this scheduler pauses")
            self.pause()
            return None
        except STORE_FAULTS as error:
            self._outage.began(error)
        except Exception:
            # After any other error, the other jobs must still run.
            log.exception("the scheduler continues after an internal error")
        return wait if self.running else None

    def _hand_over_due(self) -> float:
        """Submit due runs; return the seconds until the next check."""
        events: list[JobSubmissionEvent] = []
        try:
            with self._jobstores_lock:
                now = self._now()
                for job in self._jobs.get_due_jobs(now):
                    self._serve(job, now, events)
                first = self._jobs.get_next_run_time()
        finally:
            for event in events:
                self._dispatch_event(event)
        if first is None:
            return _LONGEST_SLEEP
        return min(max((first - self._now()).total_seconds(), 0.0), _LONGEST_SLEEP)

    def _serve(self, job: Any, now: dt.datetime, events: list[JobSubmissionEvent]) -> None:
        """Submit the due runs of a job, and store its next run time."""
        try:
            instants, upcoming = due(job, now)
        except Exception as error:  # noqa: BLE001 - the trigger may be the user's own
            why = f"{type(error).__name__}: {error}"
            log.error("the trigger of job %s failed, so the job is paused: %s", job.id, why)
            instants, upcoming = [], None
        if instants:
            events.append(self._hand_over(job, instants))
        elif upcoming is not None:
            return  # The clock was set back after the store was read.
        self._advance(job, upcoming, ended=bool(instants))

    def _hand_over(self, job: Any, instants: list[dt.datetime]) -> JobSubmissionEvent:
        assert self._pipelines is not None
        if len(instants) > 1:
            # Missed runs are executed in order; runs that become due meanwhile come after them.
            self._jobs.hold(job.id)
        code = EVENT_JOB_SUBMITTED
        try:
            self._pipelines.submit_job(job, instants)
        except MaxInstancesReachedError:
            self._jobs.release(job.id)
            code = EVENT_JOB_MAX_INSTANCES
        except BaseException:
            self._jobs.release(job.id)
            raise
        return JobSubmissionEvent(code, job.id, "default", instants)

    def _advance(self, job: Any, upcoming: dt.datetime | None, *, ended: bool) -> None:
        """Store the next run time of a job; remove the job if there is none."""
        try:
            if upcoming is None and ended:
                self.remove_job(job.id)
            else:
                job._modify(next_run_time=upcoming)
                self._jobs.update_job(job)
        except JobLookupError:
            pass  # The job was removed meanwhile.

    def _go_on(self, job_id: str) -> None:
        """The runs of a job have ended: end its hold, so that further missed runs follow."""
        self._jobs.release(job_id)
        if self.running:
            self.wakeup()

    def _settle(self, left: Sequence[tuple[RunRecord, bytes | None]]) -> None:
        """Handle the runs that an earlier scheduler left queued or running."""
        for job_id, runs in runs_to_repeat(left, self.cut_off, self._ledger, self._lose).items():
            # These run in order, and before runs that are due now.
            self._jobs.hold(job_id)
            assert self._pipelines is not None
            self._pipelines.take_up(job_id, runs, held=True)

    def _lose(self, record: RunRecord) -> None:
        self._dispatch_event(note_lost(record, self._ledger, self._now()))

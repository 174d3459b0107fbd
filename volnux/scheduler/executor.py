"""Executes due runs in threads and records them in the ledger."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import traceback
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from apscheduler.executors.base import BaseExecutor, MaxInstancesReachedError

from volnux.errors import VolnuxError
from volnux.graph.outcome import RunStatus
from volnux.graph.report import RunReport
from volnux.pipeline.base import Pipeline
from volnux.pipeline.context import RunFailedError
from volnux.scheduler.kept import KeptRuns
from volnux.scheduler.ledger import Ledger, RunState
from volnux.scheduler.store import STORE_FAULTS, Outage
from volnux.scheduler.stored import read_work, write_work
from volnux.scheduler.targets import Target, to_run

if TYPE_CHECKING:
    from volnux.runs.store import Store

__all__ = ["DueRun", "PipelineExecutor", "run_target"]

log = logging.getLogger("volnux.scheduler")

_STATES = {
    RunStatus.SUCCESS: RunState.SUCCESS,
    RunStatus.FAILED: RunState.FAILED,
    RunStatus.CANCELLED: RunState.CANCELLED,
}
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that is recorded in the ledger and has to be executed.

    Attributes:
        instant: the instant for which it is due.
        work: the target of the run, as stored in the ledger.
        run_id: the id of the interrupted run that is repeated; None for a new id.
        however_late: whether to ignore `misfire_grace_time`.
    """

    instant: dt.datetime
    work: bytes
    run_id: str | None = None
    however_late: bool = False


def run_target(
    target: Target,
    began: Callable[[Pipeline], object] = lambda pipeline: None,
    run_id: str | None = None,
    scheduled_at: dt.datetime | None = None,
    store: Store | None = None,
) -> RunReport:
    """Run a target once and wait for its end.

    Args:
        target: the pipeline and its inputs.
        began: called with the pipeline instance before it starts.
        run_id: the run's id; a new one if None.
        scheduled_at: the instant for which it was due, aware; now if None.
        store: where the run is kept; None if it is not.

    Raises:
        RunFailedError: the run failed or was cancelled.
        VolnuxError: it could not start.
    """
    pipeline = to_run(target.load())(**target.inputs)
    began(pipeline)
    context = pipeline.start(run_id=run_id, scheduled_at=scheduled_at, store=store)
    context.raise_for_status()
    return context.report


class PipelineExecutor(BaseExecutor):  # type: ignore[misc]  # APScheduler has no types
    """Executes due runs in threads; each run is recorded in the ledger before a thread gets it.

    Args:
        ledger: where runs are recorded.
        workers: the maximum number of runs at the same time.
        clock: returns the current time as an aware datetime.
        outage: notified when the store fails or works again.
        release: called with the id of a job on hold when the runs that it waits for have ended.
        kept: keeps runs; None if they are not kept.
    """

    def __init__(
        self,
        ledger: Ledger,
        workers: int,
        clock: Callable[[], dt.datetime],
        outage: Outage,
        release: Callable[[str], object],
        kept: KeptRuns | None = None,
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._workers = workers
        self._clock = clock
        self._outage = outage
        self._release = release
        self._kept = kept
        self._pool: ThreadPoolExecutor | None = None
        self._state = threading.Lock()
        self._busy = 0
        self._stopping = threading.Event()
        self._running: set[Pipeline] = set()
        self._when_idle: Callable[[], object] | None = None

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._stopping.clear()
        self._instances.clear()
        self._pool = ThreadPoolExecutor(self._workers, "volnux-scheduled")

    def submit_job(self, job: Any, run_times: Sequence[dt.datetime]) -> None:
        """See APScheduler's `BaseExecutor`; runs that are already in the ledger are skipped."""
        with self._lock:
            if self._instances[job.id] >= job.max_instances:
                self._ledger.claim(job.id, run_times, state=RunState.SKIPPED)
                raise MaxInstancesReachedError(job)
            work = write_work(job.args[0], job.misfire_grace_time)
            fresh = self._ledger.claim(job.id, run_times, work)
        runs = [DueRun(instant, work) for instant in fresh]
        self.take_up(job.id, runs, held=len(run_times) > 1)

    def _do_submit_job(self, job: Any, run_times: Sequence[dt.datetime]) -> None:
        """APScheduler's hook for its own `submit_job`; our `submit_job` does not call it."""
        raise NotImplementedError

    def take_up(self, job_id: str, runs: Sequence[DueRun], *, held: bool) -> None:
        """Execute runs from the ledger, one after the other.

        Args:
            job_id: the id of their job.
            runs: the runs, in order.
            held: whether the job is on hold until they have ended.
        """
        assert self._pool is not None
        with self._lock:
            self._instances[job_id] += 1
        try:
            self._pool.submit(self._work, job_id, runs, held=held)
        except RuntimeError:
            # The scheduler is ending: the runs stay in the ledger for the next scheduler.
            self._run_job_success(job_id, ())

    def cancel(self) -> int:
        """Cancel the current runs, whose running events may finish; return their number."""
        with self._state:
            running = list(self._running)
        for pipeline in running:
            pipeline.stop()
        return len(running)

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - APScheduler's signature
        """End the threads; runs that have not started stay in the ledger for the next scheduler."""
        self._stopping.set()
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Call back when no run is active, immediately if there is none now."""
        with self._state:
            if self._busy:
                self._when_idle = callback
                return
        callback()

    def _work(self, job_id: str, runs: Sequence[DueRun], *, held: bool) -> None:
        with self._state:
            self._busy += 1
        try:
            for run in runs:
                if self._stopping.is_set():
                    break
                event = self._run(job_id, run)
                if event is None:
                    break
                self._scheduler._dispatch_event(event)
        except Exception:
            log.exception(
                "the remaining runs of job %s were abandoned after an unexpected error", job_id
            )
        finally:
            # This decrements the number of instances, as in APScheduler's own executors.
            self._run_job_success(job_id, ())
            if held:
                self._release(job_id)
            with self._state:
                self._busy -= 1
                callback = self._when_idle if not self._busy else None
            if callback is not None:
                callback()

    def _run(self, job_id: str, run: DueRun) -> JobExecutionEvent | None:
        """Execute one run; return the event for listeners, or None if the run did not begin."""
        ledger, instant = self._ledger, run.instant
        try:
            target, grace = read_work(run.work)
        except Exception as error:  # noqa: BLE001 - unpickling the user's objects may raise anything
            return self._failed_to_start(job_id, instant, error)
        started = self._clock()
        late = started - instant
        if grace is not None and not run.however_late and late > dt.timedelta(seconds=grace):
            log.warning("the run of %s at %s is %s late: it is skipped", job_id, instant, late)
            message = f"{late.total_seconds():.1f} s late, at most {grace} s are allowed"
            if not self._write(lambda: ledger.skip(job_id, instant, started, message)):
                return None
            return JobExecutionEvent(EVENT_JOB_MISSED, job_id, "default", instant)
        run_id = run.run_id or uuid.uuid4().hex
        if self._kept is None:
            return self._begin(job_id, instant, target, run_id)
        repeats = run.run_id is not None
        with self._kept.turn(target, instant, run_id, repeats=repeats) as (store, taken):
            if taken is None:
                return self._begin(job_id, instant, target, run_id, store)
            log.info("the run of %s at %s is left out: %s", job_id, instant, taken)
            skipped = RunState.SKIPPED
            if not self._write(lambda: ledger.skip(job_id, instant, started, taken, skipped)):
                return None
        return JobExecutionEvent(EVENT_JOB_MISSED, job_id, "default", instant, retval=taken)

    def _begin(
        self,
        job_id: str,
        instant: dt.datetime,
        target: Target,
        run_id: str,
        store: Store | None = None,
    ) -> JobExecutionEvent | None:
        ledger, started = self._ledger, self._clock()
        if not self._write(lambda: ledger.begin(job_id, instant, started, run_id)):
            return None  # It stays in the ledger for the next scheduler.
        pipelines: list[Pipeline] = []

        def began(pipeline: Pipeline) -> None:
            pipelines.append(pipeline)
            with self._state:
                self._running.add(pipeline)

        try:
            report = run_target(target, began, run_id, instant, store)
        except RunFailedError as error:
            report = error.context.report
            if report.status is RunStatus.FAILED:
                # The log of runs already has the failed events with their tracebacks.
                log.error("the run of %s at %s failed (run %s)", job_id, instant, report.run_id)
            self._end(job_id, instant, _STATES[report.status], str(error), report)
            return _error_event(job_id, instant, error)
        except BaseException as error:  # noqa: BLE001 - code of the user may raise anything
            return self._failed_to_start(job_id, instant, error)
        finally:
            with self._state:
                self._running.difference_update(pipelines)
        self._end(job_id, instant, RunState.SUCCESS, None, report)
        return JobExecutionEvent(EVENT_JOB_EXECUTED, job_id, "default", instant, retval=report)

    def _failed_to_start(
        self, job_id: str, instant: dt.datetime, error: BaseException
    ) -> JobExecutionEvent:
        if isinstance(error, VolnuxError):
            message = str(error)
            log.error("the run of %s at %s could not be made: %s", job_id, instant, message)
        else:
            message = f"{type(error).__name__}: {error}"
            log.error("the run of %s at %s could not be made", job_id, instant, exc_info=error)
        self._end(job_id, instant, RunState.FAILED, message, None)
        return _error_event(job_id, instant, error)

    def _end(
        self,
        job_id: str,
        instant: dt.datetime,
        state: RunState,
        message: str | None,
        report: RunReport | None,
    ) -> None:
        ended = self._clock()
        if not self._write(
            lambda: self._ledger.end(job_id, instant, state, ended, message, report)
        ):
            log.error(
                "the run of %s at %s ended as %s, but this could not be recorded: "
                "the next scheduler will treat it as interrupted",
                job_id,
                instant,
                state.value,
            )

    def _write(self, write: Callable[[], None]) -> bool:
        """Write to the ledger, and retry until it works; False if the scheduler ends before.

        So no run starts before it is recorded, and no run that has ended is executed again.
        """
        wait = _FIRST_WAIT
        while True:
            stopping = self._stopping.is_set()
            try:
                write()
            except STORE_FAULTS as error:
                self._outage.began(error)
            else:
                self._outage.over()
                return True
            if stopping:
                return False
            self._stopping.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)


def _error_event(job_id: str, instant: dt.datetime, error: BaseException) -> JobExecutionEvent:
    shown = "".join(traceback.format_tb(error.__traceback__))
    return JobExecutionEvent(
        EVENT_JOB_ERROR, job_id, "default", instant, exception=error, traceback=shown
    )

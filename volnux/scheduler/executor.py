"""Runs what is due, in threads, and keeps the ledger."""

from __future__ import annotations

import datetime as dt
import logging
import pickle
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from apscheduler.executors.base import BaseExecutor, MaxInstancesReachedError

from volnux.graph.outcome import RunStatus
from volnux.graph.report import RunReport
from volnux.pipeline.base import Pipeline
from volnux.pipeline.context import RunFailedError
from volnux.scheduler.ledger import Ledger, RunRecord, RunState
from volnux.scheduler.targets import Target, to_run

__all__ = ["PipelineExecutor", "run_target"]

log = logging.getLogger("volnux.scheduler")

_STATES = {
    RunStatus.SUCCESS: RunState.SUCCESS,
    RunStatus.FAILED: RunState.FAILED,
    RunStatus.CANCELLED: RunState.CANCELLED,
}


def run_target(
    target: Target, began: Callable[[Pipeline], object] = lambda pipeline: None
) -> RunReport:
    """Run a target once, to its end.

    Args:
        target: the pipeline and its inputs.
        began: is given the instance before it starts.

    Raises:
        RunFailedError: the run failed or was cancelled.
        VolnuxError: it could not start.
    """
    pipeline = to_run(target.load())(**target.inputs)
    began(pipeline)
    context = pipeline.start()
    context.raise_for_status()
    return context.report


class PipelineExecutor(BaseExecutor):  # type: ignore[misc]  # APScheduler has no types
    """Threads that run what is due; each run is in the ledger before it is handed to one.

    Args:
        ledger: where runs are written down.
        workers: how many runs go on at once at most.
        clock: the present moment, aware.
    """

    def __init__(self, ledger: Ledger, workers: int, clock: Callable[[], dt.datetime]) -> None:
        super().__init__()
        self._ledger = ledger
        self._workers = workers
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._state = threading.Lock()
        self._busy = 0
        self._stopping = False
        self._running: set[Pipeline] = set()
        self._when_idle: Callable[[], object] | None = None

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._stopping = False
        self._pool = ThreadPoolExecutor(self._workers, "volnux-scheduled")

    def submit_job(self, job: Any, run_times: Sequence[dt.datetime]) -> None:
        """See APScheduler's `BaseExecutor`; runs that are in the ledger already are left out."""
        with self._lock:
            if self._instances[job.id] >= job.max_instances:
                self._ledger.claim(job.id, run_times, state=RunState.SKIPPED)
                raise MaxInstancesReachedError(job)
            work = pickle.dumps((job.args[0], job.misfire_grace_time, job._jobstore_alias))
            fresh = self._ledger.claim(job.id, run_times, work)
            if fresh:
                self._instances[job.id] += 1
                self._hand_over(job.id, fresh, work)

    def _do_submit_job(self, job: Any, run_times: Sequence[dt.datetime]) -> None:
        """APScheduler's hook for its own `submit_job`, which ours does without."""
        raise NotImplementedError

    def take_up(self, record: RunRecord, work: bytes, *, however_late: bool) -> None:
        """Run what an earlier scheduler left behind."""
        with self._lock:
            self._instances[record.job_id] += 1
        self._hand_over(record.job_id, [record.scheduled], work, however_late=however_late)

    def cancel(self) -> int:
        """Cancel what runs: events that have begun may finish; how many runs these are."""
        with self._state:
            running = list(self._running)
        for pipeline in running:
            pipeline.stop()
        return len(running)

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - APScheduler's signature
        """End the threads; what waits for one stays in the ledger for the next scheduler."""
        self._stopping = True
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Call back once nothing runs any more, at once if that is now."""
        with self._state:
            if self._busy:
                self._when_idle = callback
                return
        callback()

    def _hand_over(
        self,
        job_id: str,
        instants: Sequence[dt.datetime],
        work: bytes,
        *,
        however_late: bool = False,
    ) -> None:
        assert self._pool is not None
        self._pool.submit(self._work, job_id, instants, work, however_late=however_late)

    def _work(
        self, job_id: str, instants: Sequence[dt.datetime], work: bytes, *, however_late: bool
    ) -> None:
        with self._state:
            self._busy += 1
        events: list[JobExecutionEvent] = []
        try:
            target, grace, alias = pickle.loads(work)
            for instant in instants:
                if self._stopping:
                    break
                allowed = None if however_late else grace
                event = self._run(job_id, instant, target, allowed, alias)
                self._scheduler._dispatch_event(event)
        except Exception:
            log.exception("the run of %s cannot be written down", job_id)
        finally:
            # Counts the instance down, as APScheduler's own executors do.
            self._run_job_success(job_id, events)
            with self._state:
                self._busy -= 1
                callback = self._when_idle if not self._busy else None
            if callback is not None:
                callback()

    def _run(
        self, job_id: str, instant: dt.datetime, target: Target, grace: int | None, alias: str
    ) -> JobExecutionEvent:
        """Run one instant of a job; what listeners are told of it."""
        started = self._clock()
        late = started - instant
        if grace is not None and late > dt.timedelta(seconds=grace):
            log.warning("the run of %s at %s is %s late: left out", job_id, instant, late)
            message = f"{late.total_seconds():.1f} s late, {grace} s are allowed"
            self._ledger.note(job_id, instant, RunState.MISSED, ended=started, message=message)
            return JobExecutionEvent(EVENT_JOB_MISSED, job_id, alias, instant)
        self._ledger.note(job_id, instant, RunState.RUNNING, started=started)
        pipelines: list[Pipeline] = []

        def began(pipeline: Pipeline) -> None:
            pipelines.append(pipeline)
            with self._state:
                self._running.add(pipeline)

        report: RunReport | None = None
        fault: BaseException | None = None
        try:
            report = run_target(target, began)
            state = RunState.SUCCESS
        except RunFailedError as error:
            report, fault = error.context.report, error
            state = _STATES[report.status]
        except BaseException as error:  # modules and listeners of the user may raise anything
            state, fault = RunState.FAILED, error
            log.error("the run of %s at %s could not be made", job_id, instant, exc_info=error)
        finally:
            with self._state:
                self._running.difference_update(pipelines)
        self._ledger.note(
            job_id,
            instant,
            state,
            run_id=report.run_id if report else None,
            ended=self._clock(),
            message=str(fault) if fault else None,
        )
        if fault is None:
            return JobExecutionEvent(EVENT_JOB_EXECUTED, job_id, alias, instant, retval=report)
        shown = "".join(traceback.format_tb(fault.__traceback__))
        return JobExecutionEvent(
            EVENT_JOB_ERROR, job_id, alias, instant, exception=fault, traceback=shown
        )

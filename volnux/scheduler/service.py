"""Runs scheduled files in the foreground, for `volnux schedule run`."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
)

from volnux.errors import VolnuxError, pointy_error
from volnux.events.modules import forget
from volnux.graph.model import Graph
from volnux.loading import load_plan, schedule_faults
from volnux.pipeline.base import Pipeline
from volnux.programs import used_paths
from volnux.scheduler.errors import RunCutOffError, SchedulerError
from volnux.scheduler.recovery import CutOff
from volnux.scheduler.scheduler import PipelineScheduler
from volnux.scheduler.store import STORE_FAULTS
from volnux.scheduler.targets import pin
from volnux.schedules import describe

__all__ = ["Service", "job_id_of", "name_of"]

_PREFIX = "file:"
_SAID = {
    CutOff.LOST: "an interrupted run is lost, and reported at the next start",
    CutOff.REPEAT: "an interrupted run is repeated from its beginning at the next start",
}

Stamp = tuple[Path, int, int]
"""A file, with its time of change and its size."""


class Signature(NamedTuple):
    """A value that changes when a file, one that it uses, or a module beside them changes."""

    texts: tuple[Stamp, ...]
    modules: tuple[Stamp, ...]


@dataclass
class _Served:
    """A file that is served, or that has no schedule; `used` are the files that it uses."""

    signature: Signature
    used: tuple[Path, ...] = ()
    graph: Graph | None = None


class Service:
    """Keeps the jobs of a scheduler in step with the files.

    Args:
        scheduler: a scheduler that has not started yet.
        find: returns the files; called again at each check.
        say: shows a line to the user.
        complain: shows the user why a file cannot be served.
    """

    def __init__(
        self,
        scheduler: PipelineScheduler,
        find: Callable[[], Iterable[Path]],
        say: Callable[[str], object],
        complain: Callable[[VolnuxError], object],
    ) -> None:
        self._scheduler = scheduler
        self._find = find
        self._say = say
        self._complain = complain
        self._served: dict[Path, _Served] = {}
        self._tidy = False
        self._in_trouble = ""
        self._stop = threading.Event()
        scheduler.add_listener(self._submitted, EVENT_JOB_SUBMITTED)
        scheduler.add_listener(
            self._ended,
            EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES,
        )

    def serve(self, every: float) -> None:
        """Serve until `stop`, and return when the current runs have ended.

        Args:
            every: the seconds between checks for changed files.

        Later errors of a file or of the store are reported, and the operation is retried.

        Raises:
            StoreInUseError: another scheduler is using the store.
            StoreError: the store cannot be used.
        """
        scheduler = self._scheduler
        scheduler.start(paused=True)
        try:
            self.refresh()
            count = sum(1 for each in self._served.values() if each.graph)
            self._say(
                f"serving {count} file{'' if count == 1 else 's'}; {_SAID[scheduler.cut_off]}"
            )
            scheduler.resume()
            self._show_next()
            while not self._stop.wait(every):
                self.refresh()
        finally:
            self._say("stopping: current runs may finish")
            scheduler.shutdown(wait=True)
        self._say("stopped")

    def stop(self) -> None:
        """Start no more runs; safe in a signal handler and from any thread."""
        self._stop.set()

    def cancel(self) -> None:
        """Stop, and also cancel the current runs."""
        self.stop()
        self._scheduler.cancel_runs()

    def refresh(self) -> None:
        """Update the jobs from the files; a file with errors keeps its previous version."""
        try:
            found = {path: self._signature(path) for path in map(Path.absolute, self._find())}
        except OSError as error:  # the working folder is gone
            self._trouble(SchedulerError(f"the search for files failed: {error.strerror}"))
            return
        try:
            self._make(found)
        except STORE_FAULTS as error:
            # The next check finds the remaining work again.
            self._trouble(self._scheduler.store_fault(error))
        else:
            self._in_trouble = ""

    def _signature(self, path: Path) -> Signature:
        served = self._served.get(path)
        return _signature(path, served.used if served else ())

    def _make(self, found: dict[Path, Signature]) -> None:
        stale = {
            module.parent
            for path, served in self._served.items()
            if path in found
            for module, *_ in {*found[path].modules} ^ {*served.signature.modules}
        }
        for folder in stale:
            forget(folder)
        for path, signature in found.items():
            served = self._served.get(path)
            if served is None or served.signature != signature:
                self._take_in(path, signature, served)
        for path in [path for path in self._served if path not in found]:
            if self._served[path].graph is not None:
                self._drop(path)
                self._say(f"{path.name} no longer exists: its job is removed")
            del self._served[path]
        if not self._tidy:
            self._remove_others()
            self._tidy = True

    def _trouble(self, fault: VolnuxError) -> None:
        """Report what prevents the service from working, once until it changes."""
        if str(fault) != self._in_trouble:
            self._in_trouble = str(fault)
            self._complain(fault)

    def _take_in(self, path: Path, signature: Signature, before: _Served | None) -> None:
        previous = before.graph if before else None
        used = used_paths(path)
        if used != (before.used if before else ()):
            signature = _signature(path, used)
        try:
            plan = load_plan(path)
            if faults := schedule_faults(plan.graph):
                raise pointy_error(faults)
            graph = plan.graph
        except Exception as error:  # noqa: BLE001 - modules of the user may raise anything
            self._refuse(path, _Served(signature, used, previous), error)
            return
        if not graph.schedules:
            if previous is not None:
                self._drop(path)
                self._say(f"{path.name} no longer has a schedule: its job is removed")
            self._served[path] = _Served(signature, used)
            return
        pin(str(path), Pipeline.of_plan(plan))
        job_id = job_id_of(path)
        try:
            self._scheduler.add_job(path, id=job_id, name=graph.name, replace_existing=True)
        except STORE_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not affect the others
            self._refuse(path, _Served(signature, used, previous), error)
            return
        self._served[path] = _Served(signature, used, graph)
        sentences = "; ".join(describe(spec.expression) for spec in graph.schedules)
        what = "serving" if previous is None else "reloaded"
        self._say(f"{what} {path.name}: {sentences}, {graph.timezone or 'UTC'}")
        if previous is not None:
            self._show_next()

    def _refuse(self, path: Path, served: _Served, error: Exception) -> None:
        # A problem is shown once, not at each check.
        self._served[path] = served
        if not isinstance(error, VolnuxError):
            error = SchedulerError(f"{path} cannot be served: {type(error).__name__}: {error}")
        self._complain(error)
        if served.graph is not None:
            self._say(f"{path.name} keeps its previous version")

    def _drop(self, path: Path) -> None:
        pin(str(path), None)
        if self._scheduler.get_job(job_id_of(path)) is not None:
            self._scheduler.remove_job(job_id_of(path))

    def _remove_others(self) -> None:
        """Remove the jobs of files that an earlier service had and this one does not have."""
        served = {job_id_of(path) for path, each in self._served.items() if each.graph}
        for job in self._scheduler.get_jobs():
            if job.id.startswith(_PREFIX) and job.id not in served:
                if Path(job.id.removeprefix(_PREFIX)) in self._served:
                    continue  # It cannot be read at the moment: its job stays as it was.
                self._scheduler.remove_job(job.id)

    # Output for the user.

    def _show_next(self) -> None:
        try:
            jobs = [job for job in self._scheduler.get_jobs() if job.next_run_time is not None]
        except STORE_FAULTS:
            return
        for job in sorted(jobs, key=lambda job: job.next_run_time)[:5]:
            self._say(f"next  {_shown(job.next_run_time)}  {job.name}")

    def _submitted(self, event: Any) -> None:
        first, *more = event.scheduled_run_times
        missed = f": the first of {len(more) + 1} missed runs" if more else ""
        self._say(f"due   {_shown(first)}  {name_of(event.job_id)}{missed}")

    def _ended(self, event: Any) -> None:
        name = name_of(event.job_id)
        if event.code == EVENT_JOB_MAX_INSTANCES:
            for instant in event.scheduled_run_times:
                self._say(f"skip  {_shown(instant)}  {name}: it is already running")
            return
        when = _shown(event.scheduled_run_time)
        if event.code == EVENT_JOB_MISSED:
            if event.retval is None:
                self._say(f"miss  {when}  {name}: too late to run")
            else:
                self._say(f"skip  {when}  {name}: {event.retval}")
        elif event.code == EVENT_JOB_EXECUTED:
            self._say(f"done  {when}  {name}: {_took(event.retval)}")
        elif isinstance(event.exception, RunCutOffError):
            self._say(f"lost  {when}  {name}: it was interrupted")
        else:
            self._say(f"fail  {when}  {name}: {event.exception}")
        upcoming = self._upcoming(event.job_id)
        if upcoming is not None:
            self._say(f"next  {_shown(upcoming)}  {name}")

    def _upcoming(self, job_id: str) -> dt.datetime | None:
        if not self._scheduler.running:
            return None
        try:
            job = self._scheduler.get_job(job_id)
        except STORE_FAULTS:
            return None
        upcoming: dt.datetime | None = job.next_run_time if job is not None else None
        return upcoming


def job_id_of(path: Path) -> str:
    """The job id of a file."""
    return f"{_PREFIX}{path.absolute()}"


def name_of(job_id: str) -> str:
    """The name of a job for display: the name of its file, or its id."""
    return Path(job_id).stem if job_id.startswith(_PREFIX) else job_id


def _shown(moment: dt.datetime) -> str:
    zone = getattr(moment.tzinfo, "key", None)
    return f"{moment:%a %Y-%m-%d %H:%M:%S} {zone or f'{moment:%Z}'}"


def _took(report: Any) -> str:
    seconds = (report.ended_at - report.started_at).total_seconds()
    return f"success in {seconds:.2f} s, run {report.run_id}"


def _signature(path: Path, used: Sequence[Path]) -> Signature:
    """The signature of a file and of the files that it uses."""
    texts = (path, *used)
    modules = []
    for folder in dict.fromkeys(text.parent for text in texts):
        with contextlib.suppress(OSError):
            modules += sorted(folder.glob("*.py"))
    return Signature(tuple(map(_stamp, texts)), tuple(map(_stamp, modules)))


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return path, 0, 0
    return path, status.st_mtime_ns, status.st_size

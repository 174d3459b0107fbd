"""One batch, run to its end in this thread."""

from __future__ import annotations

import contextvars
import datetime as dt
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from volnux.backends.port import RunControl
from volnux.events.failures import failure_of
from volnux.graph.outcome import RunStatus
from volnux.pipeline.batch.report import BatchResult
from volnux.signal.soft import SIGNAL_PARENT, SignalParent

if TYPE_CHECKING:
    from volnux.backends.port import Backend
    from volnux.pipeline.base import Pipeline

__all__ = ["Controls", "Crew", "Job", "Settings", "ThreadCrew", "run_batch"]


class Job(NamedTuple):
    """A batch: its number and its inputs."""

    number: int
    inputs: dict[str, Any]


class Settings(NamedTuple):
    """The settings of every batch: the template, and how it is started."""

    template: type[Pipeline]
    backend: str | Backend
    workers: int | None = None
    portable: bool = False
    results: bool = True
    scheduled_at: dt.datetime | None = None


class Controls:
    """The controls of the running batches; after `stop`, no further batch begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[RunControl] = set()
        self.stopped = False

    def enter(self) -> RunControl | None:
        """The control of a batch that begins; None if it must not begin."""
        with self._lock:
            if self.stopped:
                return None
            control = RunControl()
            self._running.add(control)
            return control

    def leave(self, control: RunControl) -> None:
        """Note that the batch has ended."""
        with self._lock:
            self._running.discard(control)

    def stop(self) -> None:
        """Let running events finish, and start nothing."""
        for control in self._stop():
            control.cancel()

    def give_up(self) -> None:
        """Stop waiting for running events, and start nothing."""
        for control in self._stop():
            control.give_up()

    def _stop(self) -> list[RunControl]:
        with self._lock:
            self.stopped = True
            return list(self._running)


def run_batch(settings: Settings, job: Job, controls: Controls) -> BatchResult:
    """Run a batch. An exception is a failure of this batch only."""
    control = controls.enter()
    if control is None:
        return BatchResult(job.number, RunStatus.CANCELLED)
    try:
        pipeline = settings.template(**job.inputs)
        context = pipeline.start(
            backend=settings.backend,
            workers=settings.workers,
            portable=settings.portable,
            control=control,
            results=settings.results,
            scheduled_at=settings.scheduled_at,
        )
        return BatchResult(job.number, context.status, context.report)
    except Exception as error:  # noqa: BLE001 - inputs, fields and backends may raise anything
        return BatchResult(job.number, RunStatus.FAILED, failure=failure_of(error))
    finally:
        controls.leave(control)


class Crew(Protocol):
    """The interface for running batches."""

    def run(self, job: Job) -> BatchResult:
        """Run a batch and wait for its end; called from several threads at once."""

    def stop(self) -> None:
        """Let running events finish, and start nothing."""

    def close(self) -> None:
        """End at once."""


class ThreadCrew:
    """Runs each batch in the calling thread.

    Args:
        settings: the settings of every batch.
        parent: the parent to which listeners can connect for signals of the batches.
    """

    def __init__(self, settings: Settings, parent: SignalParent) -> None:
        self._settings = settings
        self._parent = parent
        self._controls = Controls()
        # Context variables of the starting thread, such as a trace, apply to each batch.
        self._context = contextvars.copy_context()

    def run(self, job: Job) -> BatchResult:
        """See `Crew.run`."""
        return self._context.copy().run(self._run, job)

    def _run(self, job: Job) -> BatchResult:
        token = SIGNAL_PARENT.set(self._parent)
        try:
            return run_batch(self._settings, job, self._controls)
        finally:
            SIGNAL_PARENT.reset(token)

    def stop(self) -> None:
        """See `Crew.stop`."""
        self._controls.stop()

    def close(self) -> None:
        """See `Crew.close`; threads cannot be ended, but worker processes of a batch can."""
        self._controls.give_up()

"""Pools of executor classes: one for each event class, made at first use, closed with the run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    Future,
    ThreadPoolExecutor,
)
from typing import Any, Protocol

from volnux.events.base import NotSentError, WorkerLost
from volnux.events.executors import ExecutorSpec
from volnux.events.outcome import Call, Outcome
from volnux.events.remote import RemoteTask, read_outcome, remote_task
from volnux.events.run import run_attempt
from volnux.events.spec import EventSpec

__all__ = ["Done", "Handle", "Pool", "Submitted", "Task", "hand_over"]


Done = Callable[[Outcome | BaseException], object]
"""Takes the outcome of an attempt, or the error that kept it from having one."""


class Handle(Protocol):
    """An attempt that was handed to an executor."""

    def take_back(self) -> bool:
        """Take it back; whether that came before it began."""

    def abandon(self) -> None:
        """End it, where that can be done: nobody waits for it any more."""


class Task:
    """One attempt, as it is given to an executor: called in a thread, or pickled to a process."""

    def __init__(self, spec: EventSpec, call: Call, began: Callable[[], object]) -> None:
        self.spec = spec
        self.call = call
        self._began = began

    def __call__(self) -> Outcome:
        self._began()
        return run_attempt(self.spec, self.call)

    def __reduce__(self) -> tuple[Any, ...]:
        task = remote_task(self.spec, self.call)
        return RemoteTask, (task.home, task.payload)


class Pool:
    """An executor of any class.

    Attributes:
        stoppable: whether `Handle.abandon` ends what runs.
    """

    stoppable = False

    def __init__(self, spec: ExecutorSpec) -> None:
        assert spec.pool is not None
        self._in_threads = issubclass(spec.pool, ThreadPoolExecutor)
        self._executor = spec.pool(**spec.config.settings_for(spec.pool))

    def submit(
        self, spec: EventSpec, call: Call, began: Callable[[], object], done: Done
    ) -> Handle:
        """Run one attempt.

        Args:
            spec: the event.
            call: what the attempt is given.
            began: called when the attempt begins, or when nothing better is known of it.
            done: called when it has ended, unless it was taken back.
        """
        if not self._in_threads:
            # An executor of another kind cannot tell us when it begins.
            began()
        future = self._executor.submit(Task(spec, call, began if self._in_threads else _nothing))
        return Submitted(future, lambda ended: hand_over(ended, spec, done))

    @property
    def broken(self) -> bool:
        """Whether nothing more can be run here, and a new pool is needed."""
        return False

    def close(self, *, wait: bool, cancelled: bool = False) -> None:
        """End the pool.

        Args:
            wait: wait for what still runs; else it is left behind, or killed where that can be.
            cancelled: what the attempts have left running ends as well, where that can be.
        """
        self._executor.shutdown(wait=wait, cancel_futures=True)

    def kill(self) -> None:
        """End what runs, where that can be done: a thread cannot be stopped."""


class Submitted:
    """An attempt that an executor of any class has.

    It holds the future until that has ended, and not longer: a future holds its callbacks for good,
    so its result would stay until a garbage collection.
    """

    def __init__(self, future: Future[Any], ended: Callable[[Future[Any]], object]) -> None:
        self._future: Future[Any] | None = future
        self._ended = ended
        self._unwanted = False
        future.add_done_callback(self._tell)

    def _tell(self, future: Future[Any]) -> None:
        self._future = None
        ended, self._ended = self._ended, _ignore
        # Nobody waits for what was taken back; but an executor may cancel of its own accord, too.
        if not (self._unwanted and future.cancelled()):
            ended(future)

    def take_back(self) -> bool:
        self._unwanted = True
        future = self._future
        return future is not None and future.cancel()

    def abandon(self) -> None:
        """Nothing: a thread cannot be stopped."""


def hand_over(future: Future[Any], spec: EventSpec, done: Done, hint: str = "") -> None:
    """Pass on how a future ended; `hint` is added to what is said of a worker that was lost."""
    if future.cancelled():
        done(WorkerLost(f"the executor that had {spec.name} cancelled it"))
        return
    error = future.exception()
    if isinstance(error, KeyboardInterrupt):
        done(error)
    elif isinstance(error, BrokenExecutor):
        done(WorkerLost(f"a worker process of the pool that ran {spec.name} died{hint}"))
    elif error is not None:
        done(NotSentError(f"{spec.name} cannot be sent to a worker: {error}"))
    else:
        done(read_outcome(future.result(), spec))


def _nothing() -> None:
    """For an attempt whose beginning was told already."""


def _ignore(future: Future[Any]) -> None:
    """For an attempt whose end was told already."""

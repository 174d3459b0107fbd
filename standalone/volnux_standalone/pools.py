"""Pools of executor classes: one per event class, created at first use and closed with the run."""

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

__all__ = ["Done", "Handle", "Pool", "Submitted", "Task", "hand_over", "ignore"]


Done = Callable[[Outcome | BaseException], object]
"""Called with the outcome of an attempt, or with an error if it has no outcome."""


class Handle(Protocol):
    """An attempt that was submitted to an executor."""

    def take_back(self) -> bool:
        """Withdraw the attempt. Returns whether it had not begun."""

    def abandon(self) -> None:
        """Stop the attempt if possible. Nobody waits for it any more."""


class Task:
    """The callable for one attempt: called in a thread, or pickled for a process."""

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
        stoppable: whether `Handle.abandon` can stop a running attempt.
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
            call: the arguments of the attempt.
            began: called when the attempt begins, or when it is submitted if the beginning is
                unknown.
            done: called when the attempt has ended, unless it was withdrawn.
        """
        if not self._in_threads:
            # Other kinds of executors cannot report when an attempt begins.
            began()
        future = self._executor.submit(Task(spec, call, began if self._in_threads else _nothing))
        return Submitted(future, lambda ended: hand_over(ended, spec, done))

    @property
    def broken(self) -> bool:
        """Whether this pool cannot run anything more, so that a new one is needed."""
        return False

    def close(self, *, wait: bool, cancelled: bool = False) -> None:
        """Close the pool.

        Args:
            wait: whether to wait for running attempts; otherwise they are abandoned, or killed if
                possible.
            cancelled: whether to also end what the attempts have left running, if possible.
        """
        self._executor.shutdown(wait=wait, cancel_futures=True)

    def kill(self) -> None:
        """Stop running attempts if possible. A thread cannot be stopped."""


class Submitted:
    """An attempt in an executor of any class.

    It drops the future as soon as the future has ended: a future keeps its callbacks, so its result
    would stay in memory until the next garbage collection.
    """

    def __init__(self, future: Future[Any], ended: Callable[[Future[Any]], object]) -> None:
        self._future: Future[Any] | None = future
        self._ended = ended
        self._unwanted = False
        future.add_done_callback(self._tell)

    def _tell(self, future: Future[Any]) -> None:
        self._future = None
        ended, self._ended = self._ended, ignore
        # Nobody waits for a withdrawn attempt. But an executor may also cancel an attempt by
        # itself.
        if not (self._unwanted and future.cancelled()):
            ended(future)

    def take_back(self) -> bool:
        self._unwanted = True
        future = self._future
        return future is not None and future.cancel()

    def abandon(self) -> None:
        """Do nothing: a thread cannot be stopped."""


def hand_over(future: Future[Any], spec: EventSpec, done: Done, hint: str = "") -> None:
    """Pass on how a future ended. `hint` is added to the message about a lost worker."""
    if future.cancelled():
        done(WorkerLost(f"the executor of {spec.name} cancelled it"))
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
    """Do nothing: the beginning of the attempt was already reported."""


def ignore(ended: object) -> None:
    """Do nothing: the end of the attempt was already reported."""

"""Pools of executor classes: one for each event class, made at first use, closed with the run."""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from typing import Any, NamedTuple

from volnux.events.base import NotSentError, WorkerLost
from volnux.events.executors import ExecutorSpec
from volnux.events.modules import adopt, folders
from volnux.events.run import Call, Outcome, raised, run_attempt
from volnux.events.spec import EventSpec

__all__ = ["Pool", "ProcessPool", "make_pool"]


Done = Callable[[Outcome | BaseException], object]
"""Takes the outcome of an attempt, or the error that kept it from having one."""


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
        return RemoteTask, (folders(), self.payload())

    def payload(self) -> bytes:
        """The attempt, pickled."""
        return pickle.dumps((self.spec, self.call))


class RemoteTask:
    """A `Task` on the other side; what it returns is pickled here, where a fault can be named."""

    def __init__(self, known: Mapping[str, str], payload: bytes) -> None:
        self._known = known
        self._payload = payload

    def __call__(self) -> bytes:
        adopt(self._known)
        spec, call = pickle.loads(self._payload)
        outcome = run_attempt(spec, call)
        try:
            return pickle.dumps(outcome)
        except Exception as error:  # noqa: BLE001 - a result's own __reduce__ may raise anything
            fault = NotSentError(
                f"the result of {spec.name} cannot be sent back from its worker process: {error}"
            )
            return pickle.dumps(raised(spec, call, fault, outcome.started_at))


class Pool:
    """An executor of any class."""

    def __init__(self, spec: ExecutorSpec) -> None:
        assert spec.pool is not None
        self._in_threads = issubclass(spec.pool, ThreadPoolExecutor)
        self._executor = spec.pool(**spec.config.settings_for(spec.pool))

    def submit(
        self, spec: EventSpec, call: Call, began: Callable[[], object], done: Done
    ) -> Callable[[], bool]:
        """Run one attempt.

        Args:
            spec: the event.
            call: what the attempt is given.
            began: called when the attempt begins, or when nothing better is known of it.
            done: called when it has ended, unless it was taken back.

        Returns:
            A function that tries to take the attempt back, and says whether it never began.
        """
        if not self._in_threads:
            # An executor of another kind cannot tell us when it begins.
            began()
        future = self._executor.submit(Task(spec, call, began if self._in_threads else _nothing))
        future.add_done_callback(lambda ended: _hand_over(ended, spec, done))
        return future.cancel

    def close(self, *, wait: bool) -> None:
        """End the pool; without `wait`, what still runs is left behind."""
        self._executor.shutdown(wait=wait, cancel_futures=True)

    def kill(self) -> None:
        """End what runs, where that can be done."""


class ProcessPool(Pool):
    """Worker processes, with no more attempts handed out than there are workers.

    So it is known what ran when a worker died: that is lost; the rest goes to a new pool.
    """

    def __init__(self, spec: ExecutorSpec) -> None:
        assert spec.pool is not None
        self._class = spec.pool
        self._settings = spec.config.settings_for(spec.pool)
        self._settings.setdefault("max_workers", os.cpu_count() or 1)
        self._limit = int(self._settings["max_workers"])
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._queue: deque[_Waiting] = deque()
        self._closed = False
        self._executor = self._make()

    def _make(self) -> Executor:
        # A fork would copy the locks of our other threads in whatever state they are.
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        return self._class(
            **{
                "mp_context": multiprocessing.get_context(method),
                "initializer": _begin_worker,
                **self._settings,
            }
        )

    def submit(
        self, spec: EventSpec, call: Call, began: Callable[[], object], done: Done
    ) -> Callable[[], bool]:
        """See `Pool.submit`."""
        try:
            task = RemoteTask(folders(), Task(spec, call, began).payload())
        except Exception as error:  # noqa: BLE001 - inputs and results of the user may raise anything here
            began()
            done(NotSentError(f"{spec.name} cannot be sent to a worker process: {error}"))
            return lambda: False
        waiting = _Waiting(task, spec, began, done)
        with self._lock:
            self._queue.append(waiting)
        self._fill()
        return lambda: self._take_back(waiting)

    def _take_back(self, waiting: _Waiting) -> bool:
        with self._lock:
            if waiting in self._queue:
                self._queue.remove(waiting)
                return True
        return False

    def _fill(self) -> None:
        """Hand out as many waiting attempts as there are free workers."""
        while True:
            with self._lock:
                if self._closed or not self._queue or len(self._running) >= self._limit:
                    return
                waiting = self._queue.popleft()
                try:
                    future = self._executor.submit(waiting.task)
                except BrokenExecutor:
                    # Broken since the last attempt ended: this one never began.
                    self._executor.shutdown(wait=False)
                    self._executor = self._make()
                    future = self._executor.submit(waiting.task)
                self._running.add(future)
            waiting.began()
            future.add_done_callback(functools.partial(self._ended, waiting))

    def _ended(self, waiting: _Waiting, future: Future[Any]) -> None:
        with self._lock:
            self._running.discard(future)
        _hand_over(future, waiting.spec, waiting.done)
        self._fill()

    def close(self, *, wait: bool) -> None:
        """See `Pool.close`; worker processes that would be left behind are killed."""
        with self._lock:
            self._closed = True
            self._queue.clear()
        if not wait:
            self.kill()
        self._executor.shutdown(wait=wait, cancel_futures=True)

    def kill(self) -> None:
        """Kill the worker processes."""
        # kill_workers() is new in Python 3.14; before it there is no public way.
        kill = getattr(self._executor, "kill_workers", None)
        if kill is not None:
            kill()
            return
        for process in list((getattr(self._executor, "_processes", None) or {}).values()):
            process.kill()


class _Waiting(NamedTuple):
    """An attempt that waits for a worker."""

    task: RemoteTask
    spec: EventSpec
    began: Callable[[], object]
    done: Done


def make_pool(spec: ExecutorSpec) -> Pool:
    """The pool of an event's executor class."""
    assert spec.pool is not None
    return ProcessPool(spec) if issubclass(spec.pool, ProcessPoolExecutor) else Pool(spec)


def _hand_over(future: Future[Any], spec: EventSpec, done: Done) -> None:
    """Pass on how a future ended; one that was taken back never began, and nobody waits for it."""
    if future.cancelled():
        return
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        done(WorkerLost(f"a worker process of the pool that ran {spec.name} died"))
    elif error is not None:
        done(NotSentError(f"{spec.name} cannot be sent to a worker: {error}"))
    else:
        done(_read(future.result(), spec))


def _read(result: Outcome | bytes, spec: EventSpec) -> Outcome | BaseException:
    if not isinstance(result, bytes):
        return result
    try:
        outcome: Outcome = pickle.loads(result)
    except Exception as error:  # noqa: BLE001 - what a user's class does when it is unpickled
        return NotSentError(f"the result of {spec.name} cannot be read back: {error}")
    return outcome


def _nothing() -> None:
    """For an attempt whose beginning was told already."""


def _begin_worker() -> None:
    """In a worker process: Ctrl-C is the business of the process that drives the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

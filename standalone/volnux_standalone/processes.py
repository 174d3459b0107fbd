"""Pools of worker processes: they detect lost attempts, and stop attempts that take too long."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from volnux.events.base import NotSentError
from volnux.events.executors import EMPTY, ExecutorSpec
from volnux.events.modules import at_home
from volnux.events.outcome import Call
from volnux.events.remote import RemoteTask, remote_task
from volnux.events.spec import EventSpec
from volnux.kit.processes import (
    Surroundings,
    WorkerGroup,
    begin_worker,
    made_pool,
    starting,
    takes,
    worker_context,
)
from volnux.usercode import RunThread
from volnux_standalone.pools import Done, Handle, Pool, hand_over, ignore

__all__ = ["ProcessPool"]


_NEVER_WORKED = (
    " before anything had come back from it; a script that starts a run itself does so below "
    '`if __name__ == "__main__":`, because workers import it'
)


class ProcessPool(Pool):
    """Worker processes, with at most one submitted attempt per worker.

    So the pool knows which attempt was running when a worker died. That attempt is lost; the others
    go to a new executor.
    """

    stoppable = True

    def __init__(self, spec: ExecutorSpec) -> None:
        assert spec.pool is not None
        self._class = spec.pool
        self._settings = spec.config.settings_for(spec.pool)
        self._limit = int(self._settings.pop("max_workers", os.cpu_count() or 1))
        # An executor that itself replaces its processes can hang (python/cpython#115634). So each
        # process is a separate executor here, which is replaced as a whole.
        self._settings.pop("max_tasks_per_child", None)
        tasks = spec.config.max_tasks_per_child
        self._tasks = None if tasks is EMPTY else tasks
        self._size = self._limit if self._tasks is None else 1
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._crews: list[_Crew] = []
        self._groups: list[WorkerGroup] = []
        self._ending: list[WorkerGroup] = []
        self._surroundings = Surroundings()
        told = takes(self._class, "initializer", "initargs")
        self._untold = None if told else self._surroundings
        self._closed = False
        self._filling = threading.local()

    def submit(
        self, spec: EventSpec, call: Call, began: Callable[[], object], done: Done
    ) -> Handle:
        """See `Pool.submit`."""
        waiting = _Waiting(self, spec, began, done)
        try:
            waiting.task = _WorkerTask(remote_task(spec, call), self._untold)
        except NotSentError as error:
            began()
            done(error)
            return waiting
        with self._lock:
            self._queue.append(waiting)
        self.fill()
        return waiting

    def fill(self) -> None:
        """Submit as many waiting attempts as there are free workers."""
        if getattr(self._filling, "now", False):
            # This is a nested callback: the loop in the outer call continues.
            return
        self._filling.now = True
        try:
            while True:
                with self._lock:
                    if self._closed or not self._queue or self._busy() >= self._limit:
                        return
                    waiting = self._queue.popleft()
                    try:
                        # A new process needs to know where the modules are.
                        with at_home(waiting.spec.home):
                            future = self._hand_out(waiting)
                    except Exception as error:  # noqa: BLE001 - a user's executor may raise anything
                        future = Future()
                        future.set_exception(error)
                waiting.began()
                future.add_done_callback(waiting.ended)
        finally:
            self._filling.now = False

    def _busy(self) -> int:
        return sum(len(crew.running) - len(crew.doomed) for crew in self._crews)

    def _hand_out(self, waiting: _Waiting) -> Future[Any]:
        """Submit to an executor with a free worker, or to a new one. The lock is held."""
        for crew in self._crews:
            if crew.has_room():
                try:
                    return crew.submit(waiting)
                except BrokenExecutor:
                    # It broke after the last attempt ended, so this one never began.
                    crew.retired = True
        self._ending = [group for group in self._ending if not group.ended]
        crew = _Crew(self._make(), self._size, self._tasks)
        self._crews.append(crew)
        return crew.submit(waiting)

    def _make(self) -> Executor:
        offered = {
            "max_workers": self._size,
            "mp_context": worker_context(),
            "initializer": begin_worker,
            "initargs": (self._surroundings,),
            **self._settings,
        }
        return made_pool(self._class, offered)

    def ended(self, waiting: _Waiting, future: Future[Any]) -> None:
        """Called when an attempt has ended."""
        hint = ""
        with self._lock:
            if waiting.crew is not None:
                waiting.crew.leave(future)
                hint = "" if waiting.crew.proven else _NEVER_WORKED
                self._sweep()
            done = waiting.let_go()
        hand_over(future, waiting.spec, done, hint)
        self.fill()

    def take_back(self, waiting: _Waiting) -> bool:
        """See `Handle.take_back`."""
        with self._lock:
            if waiting in self._queue:
                self._queue.remove(waiting)
                return True
        return False

    def abandon(self, waiting: _Waiting) -> None:
        """See `Handle.abandon`. The process is killed when no other attempt needs its executor."""
        if self.take_back(waiting):
            return
        with self._lock:
            if waiting.crew is not None and waiting.future in waiting.crew.running:
                waiting.crew.doomed.add(waiting.future)
                waiting.crew.retired = True
                self._sweep()
        self.fill()

    def _sweep(self) -> None:
        """End the executors that are no longer needed. The lock is held."""
        for crew in self._crews:
            if crew.retired and len(crew.running) == len(crew.doomed):
                crew.end()
                self._part_with(crew)
        self._crews = [crew for crew in self._crews if not crew.retired or crew.running]

    def _part_with(self, crew: _Crew) -> None:
        """Remember the processes of an executor that ends. The lock is held."""
        self._ending += crew.groups.values()
        self._groups += crew.groups.values()
        crew.groups = {}

    def close(self, *, wait: bool, cancelled: bool = False) -> None:
        """See `Pool.close`. Worker processes that would be abandoned are killed."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            crews, self._crews = self._crews, []
            busy = [group for crew in crews if crew.running for group in crew.groups.values()]
            for crew in crews:
                self._part_with(crew)
        for group in self._groups if cancelled or not wait else busy:
            group.kill()
        for crew in crews:
            # From here on, this only waits for idle and killed processes to end.
            crew.executor.shutdown(wait=True, cancel_futures=True)
        for group in self._ending:
            group.wait()

    def kill(self) -> None:
        """See `Pool.kill`."""
        with self._lock:
            groups = [*self._groups, *(g for crew in self._crews for g in crew.groups.values())]
        for group in groups:
            group.kill()


class _Crew:
    """One executor of worker processes, and the attempts in it.

    Attributes:
        groups: its processes, by id.
        proven: whether a worker has returned something, which proves that workers can start.
        retired: whether no more attempts are submitted to it.
        doomed: abandoned attempts, which run until the others have ended.
    """

    def __init__(self, executor: Executor, size: int, tasks: int | None) -> None:
        self.executor = executor
        self.groups: dict[int, WorkerGroup] = {}
        self.running: set[Future[Any]] = set()
        self.doomed: set[Future[Any]] = set()
        self.proven = False
        self.retired = False
        self._size = size
        self._tasks = tasks

    def has_room(self) -> bool:
        return not self.retired and len(self.running) < self._size

    def submit(self, waiting: _Waiting) -> Future[Any]:
        with starting():
            future = self.executor.submit(waiting.task)
        started = False
        for pid, process in list((getattr(self.executor, "_processes", None) or {}).items()):
            if pid not in self.groups:
                self.groups[pid] = WorkerGroup(process)
                started = True
        if started:
            self._look_again()
        self.running.add(future)
        waiting.crew, waiting.future = self, future
        if self._tasks is not None:
            self._tasks -= 1
            self.retired = self._tasks == 0
        return future

    def leave(self, future: Future[Any]) -> None:
        self.proven = self.proven or not (future.cancelled() or future.exception())
        self.running.discard(future)
        self.doomed.discard(future)

    def end(self) -> None:
        if self.doomed:
            self.kill()
        self.executor.shutdown(wait=False)

    def kill(self) -> None:
        for group in list(self.groups.values()):
            group.kill()

    def _look_again(self) -> None:
        """Make the executor watch the process that it has just started.

        `submit` first wakes the thread that watches processes, then starts a new process (seen in
        Python 3.11 to 3.13). So the thread may not notice the end of the new process until
        something else ends. There is no public method for this.
        """
        lock = getattr(self.executor, "_shutdown_lock", None)
        if lock is None:
            return
        with lock:
            thread = getattr(self.executor, "_executor_manager_thread_wakeup", None)
            if thread is not None:
                thread.wakeup()


class _Waiting:
    """An attempt in a pool."""

    def __init__(
        self, pool: ProcessPool, spec: EventSpec, began: Callable[[], object], done: Done
    ) -> None:
        self._pool = pool
        self.spec = spec
        self.began = began
        self.done = done
        self.task: Any = None
        self.crew: _Crew | None = None
        self.future: Future[Any] | None = None

    def ended(self, future: Future[Any]) -> None:
        if future.cancelled() or not isinstance(future.exception(), BrokenExecutor):
            self._pool.ended(self, future)
            return
        # Since Python 3.12, a broken executor calls this while it holds its own lock. Taking our
        # lock here could deadlock with a thread that holds ours and waits for the executor's.
        RunThread(lambda: self._broke(future), "volnux-broken").start()

    def _broke(self, future: Future[Any]) -> None:
        if self.crew is not None:
            # Do this first: the executor waits for the end of its other processes.
            self.crew.retired = True
            self.crew.kill()
        self._pool.ended(self, future)

    def let_go(self) -> Done:
        """Drop the result and the arguments: a future keeps its callbacks."""
        done, self.done = self.done, ignore
        self.future = self.task = None
        return done

    def take_back(self) -> bool:
        return self._pool.take_back(self)

    def abandon(self) -> None:
        self._pool.abandon(self)


class _WorkerTask:
    """An attempt for a process that may not be initialized as a worker yet.

    The user's executor class may not accept an initializer.
    """

    def __init__(self, task: RemoteTask, surroundings: Surroundings | None) -> None:
        self._task = task
        self._surroundings = surroundings

    def __call__(self) -> bytes:
        begin_worker(self._surroundings)
        return self._task()

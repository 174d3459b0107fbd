"""Runs events outside the run's own threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from volnux.events.executors import ExecutorKind, ExecutorSpec
from volnux.events.outcome import Call, Outcome
from volnux.events.run import run_attempt_async
from volnux.events.spec import EventSpec

__all__ = ["Elsewhere"]


class Elsewhere:
    """The event loop and the executor pools of a run, created at first use and closed with it."""

    def __init__(self) -> None:
        self._loop: Any = None
        self._pools: dict[Any, Any] = {}
        self._making = threading.Lock()

    def can_stop(self, spec: EventSpec) -> bool:
        """Whether a running attempt of this event can be stopped."""
        if spec.executor.kind is ExecutorKind.DEFAULT:
            return True
        stoppable: bool = self._pool(spec).stoppable
        return stoppable

    def send(
        self,
        spec: EventSpec,
        call: Call,
        began: Callable[[], None],
        done: Callable[[Outcome | BaseException], None],
    ) -> Any:
        """Submit an attempt, and return its handle. A user's executor may raise anything."""
        if spec.executor.kind is not ExecutorKind.DEFAULT:
            return self._pool(spec).submit(spec, call, began, done)
        return self._coroutines().run(run_attempt_async(spec, call), began, done)

    def close(self, *, wait: bool, cancelled: bool, wait_for_loop: bool) -> None:
        """Close the pools (see `Pool.close`), then the loop, and wait for it if `wait` is set."""
        with self._making:
            pools = list(self._pools.values())
        for pool in pools:
            pool.close(wait=wait, cancelled=cancelled)
        if self._loop is not None:
            self._loop.close(wait=wait_for_loop)

    def kill(self) -> None:
        """End the attempts in worker processes, and the processes that they have started."""
        with self._making:
            pools = list(self._pools.values())
        for pool in pools:
            pool.kill()

    def _coroutines(self) -> Any:
        with self._making:
            if self._loop is None:
                # asyncio is imported late: most runs need no coroutines.
                from volnux_standalone.loop import BackgroundLoop

                self._loop = BackgroundLoop()
            return self._loop

    def _pool(self, spec: EventSpec) -> Any:
        # All events with the same URL share a pool; for a class, each event has its own pool.
        key = (None if spec.executor.url else spec.event_class, spec.executor)
        with self._making:
            pool = self._pools.get(key)
            if pool is not None and pool.broken:
                del self._pools[key]
                pool.close(wait=False)
                pool = None
            if pool is None:
                pool = self._pools[key] = _pool_of(spec.executor)
            return pool


def _pool_of(spec: ExecutorSpec) -> Any:
    """The pool of an executor class or URL. Each kind is imported when it is first needed."""
    if spec.url is not None:
        from volnux_standalone.urls import UrlPool

        return UrlPool(spec)
    from concurrent.futures import ProcessPoolExecutor

    assert spec.pool is not None
    if issubclass(spec.pool, ProcessPoolExecutor):
        from volnux_standalone.processes import ProcessPool

        return ProcessPool(spec)
    from volnux_standalone.pools import Pool

    return Pool(spec)

"""The threads that run the ready events of one run, and sleep while there are none."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from volnux.backends.port import RunControl
from volnux.usercode import RunThread

__all__ = ["Workers"]


class Workers:
    """Threads that are started when there is work for them. Each sleeps on its own lock.

    Args:
        limit: the maximum number of threads.
        ready: the places that wait for a thread. `append`, `popleft` and `len` need no lock.
        run: runs one ready place, given by its index in the graph.
        fail: called with an internal error, which must end the run and not block it.
        control: the control of the run. A run that an event starts on one of the threads obeys it
            too.
    """

    def __init__(
        self,
        limit: int,
        ready: deque[int],
        run: Callable[[int], object],
        fail: Callable[[BaseException], object],
        control: RunControl,
    ) -> None:
        self._ready = ready
        self._limit = limit
        self._run = run
        self._fail = fail
        self._control = control
        self._threads: list[threading.Thread] = []
        self._parked: list[threading.Lock] = []
        self._closing = False

    def wake(self, count: int) -> None:
        """Ensure that there are threads for this many ready places. The lock of the run is held."""
        for _ in range(count):
            try:
                self._parked.pop().release()
            except IndexError:
                if len(self._threads) >= self._limit or not self._start():
                    return

    def close(self) -> None:
        """Let the threads end, and drop the ready places. The lock of the run is held."""
        self._closing = True
        self._ready.clear()
        while self._parked:
            self._parked.pop().release()

    def join(self) -> None:
        """Wait for the threads to end, after `close`."""
        for thread in self._threads:
            thread.join()

    def _start(self) -> bool:
        name = f"volnux-{len(self._threads) + 1}"
        thread = RunThread(self._serve, name)
        thread.control = self._control
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            # The system has no more threads, so continue with fewer.
            self._limit = len(self._threads)
            return False
        self._threads.append(thread)
        return True

    def _serve(self) -> None:
        try:
            while (index := self._next()) is not None:
                self._run(index)
        except BaseException as error:  # noqa: BLE001 - an internal error must end the run, not block it
            self._fail(error)

    def _next(self) -> int | None:
        """Sleep until there is a place for this thread, and return it; None at the end."""
        while not self._closing:
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            bed = threading.Lock()
            bed.acquire()
            self._parked.append(bed)
            if self._ready or self._closing:
                # Work arrived before other threads could see that this one sleeps.
                try:
                    self._parked.remove(bed)
                    continue
                except ValueError:
                    pass  # Another thread is already waking this one.
            bed.acquire()
        return None

"""Delayed callbacks for retry waits and timeouts, in one thread that sleeps in between."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from volnux.usercode import RunThread

__all__ = ["Timers"]


class Timers:
    """A timer thread, which starts at first use. All methods are thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._dropped: set[int] = set()
        self._thread: threading.Thread | None = None
        self._closed = False

    def after(self, delay: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back on the timer thread after `delay` seconds. Returns a function to cancel it."""
        due = time.monotonic() + delay
        number = next(self._numbers)
        with self._changed:
            heapq.heappush(self._heap, (due, number, callback))
            if self._thread is None and not self._closed:
                self._thread = RunThread(self._serve, "volnux-timers")
                self._thread.start()
            elif self._heap[0][1] == number:
                self._changed.notify()

        def drop() -> None:
            with self._changed:
                # Cancelled timers are removed in bulk, so cancelling one costs almost nothing.
                self._dropped.add(number)
                if len(self._dropped) > 100 and len(self._dropped) * 2 > len(self._heap):
                    self._heap = [item for item in self._heap if item[1] not in self._dropped]
                    heapq.heapify(self._heap)
                    self._dropped.clear()

        return drop

    def close(self) -> None:
        """Cancel all timers and end the thread."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _serve(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is None or wait > 0:
                    # A longer wait raises OverflowError. Waking up early does no harm.
                    self._changed.wait(None if wait is None else min(wait, threading.TIMEOUT_MAX))
                    continue
                _, number, callback = heapq.heappop(self._heap)
                if number in self._dropped:
                    self._dropped.discard(number)
                    continue
            callback()

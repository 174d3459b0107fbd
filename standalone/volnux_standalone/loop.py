"""One event loop in a thread of its own: coroutine events, retry waits and timeouts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["BackgroundLoop"]


class BackgroundLoop:
    """An asyncio loop that other threads hand work to; its thread starts at first use.

    Not thread-safe by itself in `start`: the run calls it with its lock held.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> asyncio.AbstractEventLoop:
        """The loop, started if it was not."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="volnux-loop", daemon=True
            )
            self._thread.start()
        return self._loop

    def after(self, delay: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back in `delay` seconds, on the loop's thread; the result cancels that."""
        loop = self.start()
        handle: list[asyncio.TimerHandle] = []
        cancelled = threading.Event()

        def arm() -> None:
            if not cancelled.is_set():
                handle.append(loop.call_later(delay, callback))

        def disarm() -> None:
            for timer in handle:
                timer.cancel()

        def cancel() -> None:
            cancelled.set()
            if not loop.is_closed():
                loop.call_soon_threadsafe(disarm)

        loop.call_soon_threadsafe(arm)
        return cancel

    def run(
        self,
        coroutine: Coroutine[Any, Any, Any],
        done: Callable[[Any], object],
    ) -> Callable[[], bool]:
        """Run a coroutine; hand its result, or the exception it ended with, to `done`.

        The result of this call cancels the coroutine, and always says False: it may have begun.
        """
        loop = self.start()
        tasks: list[asyncio.Task[Any]] = []

        def ended(task: asyncio.Task[Any]) -> None:
            if task.cancelled():
                coroutine.close()
                done(asyncio.CancelledError())
            else:
                done(task.exception() or task.result())

        def begin() -> None:
            task = loop.create_task(coroutine)
            task.add_done_callback(ended)
            tasks.append(task)

        def stop() -> None:
            for task in tasks:
                task.cancel()

        def cancel() -> bool:
            if not loop.is_closed():
                loop.call_soon_threadsafe(stop)
            return False

        loop.call_soon_threadsafe(begin)
        return cancel

    def close(self, *, wait: bool) -> None:
        """Cancel what still runs and end the thread; with `wait`, until it has ended."""
        if self._loop is None or self._thread is None:
            return
        loop, thread = self._loop, self._thread

        async def drain() -> None:
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            await loop.shutdown_asyncgens()
            await loop.shutdown_default_executor()
            loop.stop()

        asyncio.run_coroutine_threadsafe(drain(), loop)
        if wait and thread is not threading.current_thread():
            thread.join()
            loop.close()

"""One event loop in a thread of its own, for all coroutine events of a run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from volnux.usercode import RunThread

__all__ = ["BackgroundLoop", "Running"]

log = logging.getLogger("volnux.standalone")

_GRACE = 2.0
"""Seconds that a cancelled coroutine has for cleaning up once the run is over."""


class Running:
    """A coroutine on the loop, or on its way there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Whoever takes it decides: the loop, which begins, or who takes the coroutine back.
        self._turn = [True]
        self.begun = False
        self.task: asyncio.Task[Any] | None = None

    def begin(self) -> bool:
        """On the loop: whether the coroutine may begin."""
        self.begun = self.take_back()
        return self.begun

    def take_back(self) -> bool:
        """Keep the coroutine from beginning; whether that came in time."""
        try:
            return self._turn.pop()
        except IndexError:
            return False

    def abandon(self) -> None:
        """Cancel it; what has not begun yet never will."""
        self.take_back()
        try:
            self._loop.call_soon_threadsafe(lambda: self.task is not None and self.task.cancel())
        except RuntimeError:
            return  # The loop is closed: nothing runs there any more.


class BackgroundLoop:
    """An asyncio loop that other threads hand coroutines to."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = RunThread(self._serve, "volnux-loop")
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def run(
        self,
        coroutine: Coroutine[Any, Any, Any],
        began: Callable[[], object],
        done: Callable[[Any], object],
    ) -> Running:
        """Run a coroutine; hand its result, or the exception it ended with, to `done`.

        `began` is called on the loop, where it begins: a coroutine that blocks the loop keeps
        others from that. Neither is called for what was taken back.
        """
        running = Running(self._loop)

        async def guarded() -> Any:
            if not running.begin():
                return None
            began()
            try:
                return await coroutine
            except KeyboardInterrupt as interrupt:
                # asyncio would let it end the loop and every other coroutine with it.
                return interrupt

        def ended(task: asyncio.Task[Any]) -> None:
            if not running.begun:
                coroutine.close()
            elif task.cancelled():
                done(asyncio.CancelledError())
            else:
                done(task.exception() or task.result())

        def begin() -> None:
            running.task = self._loop.create_task(guarded())
            running.task.add_done_callback(ended)

        self._loop.call_soon_threadsafe(begin)
        return running

    def close(self, *, wait: bool) -> None:
        """Cancel what still runs and end the thread; without `wait`, leave it to itself."""

        async def drain() -> None:
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            if rest:
                _, rest_still = await asyncio.wait(rest, timeout=_GRACE)
                if rest_still:
                    log.warning("%d cancelled coroutines do not end: left behind", len(rest_still))
            await self._loop.shutdown_asyncgens()
            if not rest:
                # With something cancelled, its threads may run for ever: close() leaves those.
                await self._loop.shutdown_default_executor()
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(drain(), self._loop)
        if wait and self._thread is not threading.current_thread():
            # A coroutine that blocks its loop for good cannot be waited for.
            self._thread.join(2 * _GRACE)

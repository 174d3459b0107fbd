"""An event loop in its own thread, for all coroutine events of a run."""

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
"""How many seconds a cancelled coroutine has to clean up when the run is over."""


class Running:
    """A coroutine on the loop, or queued for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A single token. The code that takes it either begins the coroutine or withdraws it.
        self._turn = [True]
        self.begun = False
        self.task: asyncio.Task[Any] | None = None

    def begin(self) -> bool:
        """Called on the loop. Returns whether the coroutine may begin."""
        self.begun = self.take_back()
        return self.begun

    def take_back(self) -> bool:
        """Withdraw the coroutine. Returns true if it had not begun."""
        try:
            return self._turn.pop()
        except IndexError:
            return False

    def abandon(self) -> None:
        """Cancel the coroutine. If it has not begun, it never will."""
        self.take_back()
        try:
            self._loop.call_soon_threadsafe(lambda: self.task is not None and self.task.cancel())
        except RuntimeError:
            return  # The loop is closed, so nothing runs there any more.


class BackgroundLoop:
    """An asyncio loop that runs coroutines for other threads."""

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
        """Run a coroutine, and pass its result or its exception to `done`.

        `began` is called on the loop when the coroutine begins, which may be late if another one
        blocks the loop. Neither is called for a coroutine that was withdrawn.
        """
        running = Running(self._loop)

        async def guarded() -> Any:
            if not running.begin():
                return None
            began()
            try:
                return await coroutine
            except KeyboardInterrupt as interrupt:
                # Return it: if it is raised here, asyncio ends the loop and all other coroutines.
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
        """Cancel running coroutines and end the thread. Without `wait`, return at once."""

        async def drain() -> None:
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            if rest:
                _, rest_still = await asyncio.wait(rest, timeout=_GRACE)
                if rest_still:
                    log.warning(
                        "%d cancelled coroutines do not end: they are abandoned", len(rest_still)
                    )
            await self._loop.shutdown_asyncgens()
            if not rest:
                # Not after cancelling coroutines: their threads may run for ever, and close() must
                # not wait for them.
                await self._loop.shutdown_default_executor()
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(drain(), self._loop)
        if wait and self._thread is not threading.current_thread():
            # Do not wait for a coroutine that blocks the loop for ever.
            self._thread.join(2 * _GRACE)

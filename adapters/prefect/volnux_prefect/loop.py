"""The event loop of a run: all its coroutines share it, as on every backend."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future

from volnux.events.outcome import Call, Outcome
from volnux.events.run import run_attempt_async
from volnux.events.spec import EventSpec
from volnux.kit.attempt import TimeIsOver
from volnux.usercode import RunThread

__all__ = ["RunLoop"]

_GRACE = 2.0
"""Seconds that cancelled coroutines have to clean up."""


class _Attempt(Future[Outcome]):
    """An attempt on the loop, as the thread that waits for it sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.task: asyncio.Task[None] | None = None


class RunLoop:
    """An asyncio loop in a thread of its own, which the threads of tasks hand attempts to.

    Both are made for the first attempt.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: set[_Attempt] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = RunThread(self._serve, "volnux-prefect-loop")

    def run(self, spec: EventSpec, call: Call) -> Outcome:
        """Run one attempt on the loop, in the caller's context, and wait for its end.

        The limit counts from where the coroutine begins: another one may block the loop until then.

        Raises:
            TimeIsOver: it took too long, and is cancelled.
            asyncio.CancelledError: the loop was closed.
            KeyboardInterrupt: the event raised it.
        """
        attempt = _Attempt()
        with self._lock:
            if self._closed:
                raise asyncio.CancelledError
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread.start()
            loop = self._loop
            self._attempts.add(attempt)
            # A task has the context of whoever creates it.
            context = contextvars.copy_context()
            loop.call_soon_threadsafe(self._begin, loop, spec, call, attempt, context=context)
        attempt.begun.wait()
        try:
            return attempt.result(spec.timeout)
        except TimeoutError:
            # It is the wait's: what the event raises is in its outcome.
            raise TimeIsOver from None
        finally:
            with self._lock:
                self._attempts.discard(attempt)
                if not (attempt.done() or self._closed) and attempt.task is not None:
                    loop.call_soon_threadsafe(attempt.task.cancel)

    def close(self) -> None:
        """Cancel what still runs, let it clean up, and end the thread; nothing begins any more."""
        with self._lock:
            if self._loop is not None and not self._closed:
                asyncio.run_coroutine_threadsafe(self._drain(self._loop), self._loop)
            self._closed = True
        if self._loop is not None:
            # A coroutine that blocks the loop for good cannot be waited for.
            self._thread.join(2 * _GRACE)

    def _begin(
        self, loop: asyncio.AbstractEventLoop, spec: EventSpec, call: Call, attempt: _Attempt
    ) -> None:
        attempt.task = loop.create_task(self._run(spec, call, attempt))

    async def _run(self, spec: EventSpec, call: Call, attempt: _Attempt) -> None:
        attempt.begun.set()
        try:
            attempt.set_result(await run_attempt_async(spec, call))
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            # On the loop, KeyboardInterrupt would end every other coroutine.
            attempt.set_exception(error)

    def _serve(self) -> None:
        loop = self._loop
        assert loop is not None
        try:
            loop.run_forever()
        finally:
            with self._lock:
                self._closed = True
                for attempt in self._attempts:
                    if not attempt.done():
                        attempt.set_exception(asyncio.CancelledError())
                    attempt.begun.set()
            loop.close()

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_GRACE)
        await loop.shutdown_asyncgens()
        loop.stop()

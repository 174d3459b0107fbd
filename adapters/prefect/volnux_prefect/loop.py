"""The event loop of a run. All its coroutines share the loop, as on every backend."""

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
"""The time limit for the cleanup of cancelled coroutines, in seconds."""


class _Attempt(Future[Outcome]):
    """An attempt on the loop, as seen by the thread that waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.task: asyncio.Task[None] | None = None


class RunLoop:
    """An asyncio loop in its own thread. The threads of tasks pass attempts to it.

    Loop and thread are created for the first attempt.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: set[_Attempt] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = RunThread(self._serve, "volnux-prefect-loop")

    def run(self, spec: EventSpec, call: Call, limit: float | None) -> Outcome:
        """Run one attempt on the loop, in the caller's context, and wait until it ends.

        Args:
            spec: the event.
            call: the arguments of the event.
            limit: its time limit in seconds, or None. The time starts when the coroutine starts,
                because another coroutine may block the loop before that.

        Raises:
            TimeIsOver: it took too long, and was cancelled.
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
            # A task takes the context of the code that creates it.
            context = contextvars.copy_context()
            loop.call_soon_threadsafe(self._begin, loop, spec, call, attempt, context=context)
        attempt.begun.wait()
        try:
            return attempt.result(limit)
        except TimeoutError:
            # Only the wait can raise this: an exception of the event is in the outcome.
            raise TimeIsOver from None
        finally:
            with self._lock:
                self._attempts.discard(attempt)
                if not (attempt.done() or self._closed) and attempt.task is not None:
                    loop.call_soon_threadsafe(attempt.task.cancel)

    def close(self) -> None:
        """Cancel running attempts, let them clean up, and end the thread. Refuse new attempts."""
        with self._lock:
            if self._loop is not None and not self._closed:
                asyncio.run_coroutine_threadsafe(self._drain(self._loop), self._loop)
            self._closed = True
        if self._loop is not None:
            # Do not wait for a coroutine that blocks the loop for ever.
            self._thread.join(2 * _GRACE)

    def _begin(
        self, loop: asyncio.AbstractEventLoop, spec: EventSpec, call: Call, attempt: _Attempt
    ) -> None:
        attempt.task = loop.create_task(self._run(spec, call, attempt))

    async def _run(self, spec: EventSpec, call: Call, attempt: _Attempt) -> None:
        attempt.begun.set()
        try:
            attempt.set_result(await run_attempt_async(spec, call))
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            # On the loop, KeyboardInterrupt would end all other coroutines.
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

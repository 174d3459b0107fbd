"""Runs in programs with an event loop: a thread waits for the run, so the loop is not blocked."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import TypeVar

__all__ = ["in_thread", "warn_of_blocked_loop"]

_T = TypeVar("_T")

_OURS = ("volnux.pipeline.", "volnux.calling")
_NOTEBOOKS = ("IPython.", "ipykernel.")


async def in_thread(work: Callable[[], _T], cancel: Callable[[], object]) -> _T:
    """Call `work` in a new thread and await it; returns or raises what it does.

    Args:
        work: the function to call.
        cancel: called when the awaiting task is cancelled. The task then still waits for the work;
            after a second cancellation, it does not.
    """
    ended: Future[_T] = Future()
    context = contextvars.copy_context()

    def serve() -> None:
        try:
            ended.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised where the work is awaited
            ended.set_exception(error)

    ended.set_running_or_notify_cancel()
    threading.Thread(target=serve, name="volnux-start").start()
    waiting = asyncio.wrap_future(ended)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        cancel()
        await asyncio.wait([waiting])
        waiting.exception()  # The cancellation counts, whatever the outcome of the work.
        raise


def warn_of_blocked_loop() -> None:
    """Warn if a run is started in a running event loop, which it blocks.

    A plain cell of a notebook runs in the loop of the kernel, and is allowed to block it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    frame: FrameType | None = sys._getframe(1)
    level, called = 2, ""
    while frame is not None and _module(frame).startswith(_OURS):
        level, called, frame = level + 1, frame.f_code.co_name, frame.f_back
    while frame is not None and not frame.f_code.co_flags & inspect.CO_COROUTINE:
        frame = frame.f_back
    if frame is not None and _module(frame).startswith(_NOTEBOOKS):
        return
    what = "batches" if called == "__call__" else called
    warnings.warn(
        f"{what}() blocks the event loop until the run ends: use `{_INSTEAD[called]}`",
        RuntimeWarning,
        stacklevel=level,
    )


_INSTEAD = {
    "start": "await pipeline.astart()",
    "run": "await volnux.arun(…)",
    "execute": "await asyncio.to_thread(batches.execute)",
    "__call__": "await asyncio.to_thread(batches)",
}


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))

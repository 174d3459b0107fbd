"""Runs for programs that have an event loop: awaited in a thread, so that the loop goes on."""

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
    """What `work` returns or raises; it runs in a thread of its own.

    Args:
        work: what to do.
        cancel: called when the task that awaits this is cancelled. The work is then waited for; a
            second cancellation leaves it to itself.
    """
    ended: Future[_T] = Future()
    context = contextvars.copy_context()

    def serve() -> None:
        try:
            ended.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - it is raised where the work is awaited
            ended.set_exception(error)

    ended.set_running_or_notify_cancel()
    threading.Thread(target=serve, name="volnux-start").start()
    waiting = asyncio.wrap_future(ended)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        cancel()
        await asyncio.wait([waiting])
        waiting.exception()  # The cancellation counts, whatever came of the work.
        raise


def warn_of_blocked_loop() -> None:
    """Warn if a run is started where an event loop runs, which stands still meanwhile.

    A plain cell of a notebook runs in the loop of the kernel, and may block it.
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

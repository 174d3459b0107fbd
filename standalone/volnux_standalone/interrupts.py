"""Ctrl-C during a run: calls a function instead of raising an exception inside our own code."""

from __future__ import annotations

import _thread
import functools
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from volnux import usercode
from volnux.backends.port import RunControl

__all__ = ["Interrupts", "obey"]

_Run = TypeVar("_Run")


def obey(
    control: RunControl,
    run: weakref.ref[_Run],
    cancel: Callable[[_Run], object],
    give_up: Callable[[_Run], object],
) -> None:
    """Call methods of a run when its control requests it. A control may outlive its run by far."""
    control.on_cancel(functools.partial(_if_alive, run, cancel))
    control.on_give_up(functools.partial(_if_alive, run, give_up))


def _if_alive(run: weakref.ref[_Run], method: Callable[[_Run], object]) -> None:
    alive = run()
    if alive is not None:
        method(alive)


class Interrupts:
    """A context manager in which each Ctrl-C calls a function on a separate thread.

    It works only on the main thread, and only if Ctrl-C would raise `KeyboardInterrupt`: if the
    handler is Python's own, or has the attribute `only_raises`, which means that it only raises
    this. Otherwise this does nothing, and other code handles the signal.

    Args:
        callback: called on a separate thread for each Ctrl-C.
        note: called at once, in the signal handler. It must not block.
    """

    def __init__(self, callback: Callable[[], object], note: Callable[[], object]) -> None:
        self._callback = callback
        self._note = note
        self._before: Any = None
        self._generation = usercode.generation

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGINT)
        if handler is signal.default_int_handler or getattr(handler, "only_raises", False):
            self._before = handler
            signal.signal(signal.SIGINT, self._interrupted)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if usercode.generation != self._generation:
            # This is a child process that an event has forked.
            signal.default_int_handler(number, frame)
        self._note()
        # The main thread may hold a lock that the callback needs, so never call it from here.
        _thread.start_new_thread(self._callback, ())

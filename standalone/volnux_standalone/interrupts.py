"""Ctrl-C while a run goes on: a call, not an exception in the middle of our own work."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

__all__ = ["Interrupts"]


class Interrupts:
    """As a context: Ctrl-C calls back, on a thread of its own, as often as it is pressed.

    Only on the main thread, and only where nobody else has taken over SIGINT; elsewhere it does
    nothing, and a `KeyboardInterrupt` comes as ever.
    """

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self._installed = False

    def __enter__(self) -> None:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._interrupted)
            self._installed = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        # The main thread may hold a lock that the callback needs: never call it from here.
        _thread.start_new_thread(self._callback, ())

"""How the process of the tool ends: the effect of signals, and what the exit waits for.

Ctrl-C (SIGINT), SIGTERM and SIGHUP have the same effect, with the exit codes 130, 143 and 129. The
effect depends on what the tool is doing:

| the tool | first signal | next |
| --- | --- | --- |
| starts | ends | |
| works (for example, imports modules of the user) | raises `KeyboardInterrupt` | ends at once |
| runs a pipeline | starts nothing more | gives up running events, then ends at once |
| shows the result | is noted, for the exit code | ends at once |
| leaves, waiting for exit handlers | ends at once | |

SIGTERM and SIGHUP do not need a second signal: after a while, the next step follows automatically.
A signal that is ignored when the tool starts stays ignored, as with `nohup`. A signal that arrives
twice at once, for the process and for its group, counts once: `timeout` sends it that way.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

__all__ = [
    "GRACE",
    "came_too_late",
    "cancelled",
    "leave",
    "leave_behind",
    "on_thread",
    "received",
    "seen",
    "showing",
    "steps",
    "take_signals",
    "working",
]

GRACE = 5.0
"""The default time in seconds for running events to finish after SIGTERM."""

LIMIT = 10.0
"""The time in seconds for the remaining work when the process has to end."""

received = 0
"""The first signal that ends the process; 0 if there was none yet."""

_TOGETHER = 0.05
"""The seconds for which a repeated signal is ignored if the first has not taken effect yet."""

_acting: list[float] = []
"""The time of the latest step if its effect was not shown yet, else None."""

_due: list[int] = []
"""Signals that this process sent to itself and has not handled yet; each is a separate step."""

_left_behind = False
_said = False
_taken = False

_Handler = Callable[[int, FrameType | None], object]


def take_signals() -> None:
    """Handle the signals that end a process; until `working`, each ends it at once."""
    global _taken
    _taken = True
    sys.unraisablehook = _unraisable
    _handle_with(_end_at_once)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_give_back)


def working() -> None:
    """Let the first signal raise `KeyboardInterrupt` in the main thread."""
    _handle_with(_raise)


def showing() -> None:
    """Only note the first signal: the result of the work is being shown."""
    _handle_with(_note)
    if received not in (0, signal.SIGINT):
        _again(received, LIMIT)


@contextmanager
def steps(
    *actions: Callable[[], object], grace: float | None, orderly: bool = False
) -> Iterator[None]:
    """Let each signal take the next of some steps; a signal after the last step ends the process.

    Args:
        actions: the steps as functions. They are called in the signal handler; see `on_thread`.
        grace: the seconds from SIGTERM or SIGHUP to the next step; None for no limit.
        orderly: whether a signal is the normal end of the command and does not set the exit code.
    """
    global _said
    if not _taken:
        yield
        return
    left = list(actions)

    def step(number: int, frame: FrameType | None) -> None:
        global received
        if number in _due:
            _due.remove(number)
        elif _acting and time.monotonic() - _acting[0] < _TOGETHER and number == received:
            return
        if not left:
            _exit_at_once(number)
        if not orderly:
            received = received or number
        action = left.pop(0)
        if number != signal.SIGINT:
            rest = len(left)
            due = grace if left else LIMIT
            _again(number, due, lambda: len(left) == rest and signal.getsignal(number) is step)
        action()

    _handle_with(step)
    try:
        yield
    except BaseException:
        showing()
        raise
    # The following output shows that the run was cancelled.
    _said = bool(received)
    showing()


def seen() -> None:
    """Note that the user has seen the effect of the latest signal: the next one is a new step."""
    _acting.clear()


def on_thread(action: Callable[[], object]) -> Callable[[], object]:
    """A step on a separate thread, because the main thread may hold a lock that it needs."""

    def act() -> None:
        try:
            action()
        finally:
            seen()

    def start() -> None:
        _acting[:] = [time.monotonic()]
        _thread.start_new_thread(act, ())

    return start


def came_too_late() -> None:
    """Note that the shown result is not that of a cancelled run: the run had already ended."""
    global _said
    _said = False


def cancelled() -> int:
    """Print that the command was cancelled, unless that was shown; return the exit code."""
    global _said
    if not _said:
        _said = True
        with suppress(OSError):
            os.write(2, b"cancelled\n")
    return 128 + (received or signal.SIGINT)


def leave_behind() -> None:
    """Note that code of the user still runs in threads, which must not keep the process alive."""
    global _left_behind
    _left_behind = True


def leave(code: int) -> NoReturn:
    """End the process with an exit code, or with that of the signal that ended it."""
    if received or code == 128 + signal.SIGINT:
        code = cancelled()
    _handle_with(_end_at_once)
    if _left_behind:
        _leave_threads_behind(code)
    _wait_for_threads_of_the_user()
    sys.exit(code)


# Signal handlers.


def _numbers() -> Iterator[signal.Signals]:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            yield signal.Signals[name]


def _handle_with(handler: _Handler | signal.Handlers) -> None:
    if _taken:
        for number in _numbers():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)


_held: dict[int, set[int]] = {}
"""The signals that were already blocked, by forking thread."""


def _hold() -> None:
    """Block the signals while a thread forks: Python would lose early signals to the child."""
    _held[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, set(_numbers()))


def _let_go() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _held.pop(_thread.get_ident()))


def _give_back() -> None:
    """In a child that the user's code forked, signals have Python's default effect.

    The child is not the tool: for example, a process pool ends its workers with SIGTERM.
    """
    global _taken, received
    _handle_with(signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _taken, received = False, 0
    _let_go()


def _end_at_once(number: int, frame: FrameType | None) -> None:
    _exit_at_once(number)


def _exit_at_once(number: int) -> NoReturn:
    global received
    received = received or number
    with suppress(OSError):
        if os.isatty(1):
            os.write(1, b"\x1b[?25h")  # a live display hides the cursor
    os._exit(cancelled())


def _raise(number: int, frame: FrameType | None) -> None:
    global received
    received = received or number
    for each in _numbers():
        # Except SIGINT if a run handles it: for the run, it means Ctrl-C.
        if signal.getsignal(each) is _raise:
            signal.signal(each, _end_at_once)
    if number != signal.SIGINT:
        _again(number, GRACE)
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler) and handler is not _end_at_once:
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt


# For a run that handles Ctrl-C itself, unless other code does.
_raise.only_raises = True  # type: ignore[attr-defined]  # see above


def _note(number: int, frame: FrameType | None) -> None:
    global received
    if received:
        _exit_at_once(number)
    received = number
    _again(number, LIMIT)


def _again(number: int, seconds: float | None, wanted: Callable[[], bool] = lambda: True) -> None:
    """Send a signal to this process again after a while, if that is still needed then."""

    def send() -> None:
        if wanted():
            _due.append(number)
            os.kill(os.getpid(), number)

    if seconds is not None:
        _later(seconds, send)


def _later(seconds: float, action: Callable[[], object]) -> None:
    """Call a function after a while, on a separate daemon thread.

    A signal handler may call this: a `threading.Thread` takes locks that the main thread may hold.
    """
    import _thread
    import time

    def wait() -> None:
        time.sleep(seconds)
        action()

    _thread.start_new_thread(wait, ())


def _unraisable(unraisable: Any) -> None:
    """Handle unraisable exceptions: otherwise a `KeyboardInterrupt` there would be lost."""
    if received and issubclass(unraisable.exc_type, KeyboardInterrupt):
        _exit_at_once(received)
    sys.__unraisablehook__(unraisable)


# Leaving threads running at the end.


def _leave_threads_behind(code: int) -> NoReturn:
    """End the process as Python does, but without waiting for the threads of given-up events.

    It waits for threads of the user, runs exit handlers (such as those of publishers and logging)
    and flushes buffers. Then the process ends, even if other threads still run.
    """
    import atexit

    def end() -> None:
        with suppress(OSError):
            os.write(2, b"warning: exit handlers do not end: left behind\n")
        os._exit(code)

    if received:
        _later(LIMIT, end)
    _wait_for_threads_of_the_user()
    if not received:
        _later(LIMIT, end)
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def _wait_for_threads_of_the_user() -> None:
    for thread in _threads_of_the_user():
        # Do not wait forever: Python does not notice a signal that arrives just before the wait
        # begins.
        while thread.is_alive():
            thread.join(_GLANCE)


_GLANCE = 0.5
"""The interval in seconds at which a wait checks for signals."""


def _threads_of_the_user() -> list[Any]:
    """The threads that Python would wait for, except those of a run or of pools."""
    from volnux.imported import imported

    threading: Any = imported("threading")
    if threading is None:
        return []
    from volnux.usercode import RunThread

    pooled = getattr(imported("concurrent.futures.thread"), "_threads_queues", {})
    return [
        thread
        for thread in threading.enumerate()
        if not (thread.daemon or isinstance(thread, RunThread) or thread in pooled)
        and thread is not threading.main_thread()
    ]


def _flush() -> None:
    """Flush buffers, including those of files that were not closed, as Python would."""
    import gc
    import io

    files = [each for each in gc.get_objects() if issubclass(type(each), io.TextIOWrapper)]
    files += [each for each in gc.get_objects() if issubclass(type(each), io.BufferedWriter)]
    for file in files:
        with suppress(OSError, ValueError):
            file.flush()

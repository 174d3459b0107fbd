"""Handles effects of the user's code beyond its event: threads, forks, `exit()`.

They work in an event as in any program, and the run continues.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any, NoReturn, TypeVar

from volnux.imported import imported

__all__ = [
    "RunThread",
    "end_child",
    "generation",
    "interruptions",
    "keep_stdin_open",
    "runs_user_code",
    "unless_interrupted_by",
]


# Threads.


class RunThread(threading.Thread):
    """A daemon thread whose child threads are not daemons.

    It is a daemon thread, so that stuck code cannot prevent a script from ending. But threads
    inherit this from their creator, and Python would kill the user's own threads at exit. So
    `daemon` is False as soon as the thread runs; Python itself reads it only before that.
    """

    control: Any = None
    """The control of the run to which the thread belongs."""

    _runs = False

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)

    @property
    def daemon(self) -> bool:
        """Whether threads created by this one are daemon threads by default."""
        return not self._runs

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        raise RuntimeError("the daemon status of a thread that belongs to a run cannot be changed")

    def run(self) -> None:
        self._runs = True
        super().run()


# Forks.

generation = 0
"""The number of forks from the first process to this one; callers of user code compare it.

`os.fork()` copies only the calling thread. A child that returned into a run would continue it as if
it were the parent, but without the threads, locks and connections of the parent.
"""


def end_child(error: BaseException | None = None) -> NoReturn:
    """End a forked child as Python does, but without exit handlers, which belong to the parent.

    Args:
        error: the exception of the user's code, or None; it is shown unless it is `SystemExit`.
    """
    code = 0
    if isinstance(error, SystemExit):
        given = error.code
        code = given & 0xFF if isinstance(given, int) else int(given is not None)
        if given is not None and not isinstance(given, int):
            with suppress(Exception):
                sys.stderr.write(f"{given}\n")
    elif error is not None:
        code = 1
        with suppress(Exception):
            sys.excepthook(type(error), error, error.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)


def _count() -> None:
    global generation
    generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count)


# Exceptions that are not errors of the user's code, and must not be suppressed.

_INTERRUPTIONS: list[type[BaseException]] = [KeyboardInterrupt]


def unless_interrupted_by(kind: type[BaseException]) -> None:
    """Let exceptions pass that a host raises in running code, such as its timeout.

    They are not errors of the module that is being imported.
    """
    if kind not in _INTERRUPTIONS:
        _INTERRUPTIONS.append(kind)


def interruptions() -> tuple[type[BaseException], ...]:
    """The exceptions that come from outside: `KeyboardInterrupt` and those of the host."""
    return tuple(_INTERRUPTIONS)


# exit() and quit().

_OURS: set[CodeType] = set()

_F = TypeVar("_F", bound=Callable[..., Any])


def runs_user_code(function: _F) -> _F:
    """A decorator for our functions that call the user's code."""
    _OURS.add(function.__code__)
    return function


def keep_stdin_open() -> None:
    """Let `exit()` and `quit()` keep standard input open in functions called by `runs_user_code`.

    Python's own versions close it, for interactive shells. In a run, it is the input of the whole
    process: of the other events, and on Airflow the connection to the supervisor. Elsewhere they
    work as usual, and other objects with these names are not changed.
    """
    sitebuiltins = imported("_sitebuiltins")
    if sitebuiltins is None:  # python -S
        return
    quitter = sitebuiltins.Quitter
    original = quitter.__call__
    if getattr(original, "_keeps_stdin", False):
        return

    def __call__(self: Any, code: Any = None) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code in _OURS:
                raise SystemExit(code)
            frame = frame.f_back
        original(self, code)

    __call__._keeps_stdin = True  # type: ignore[attr-defined]  # see above
    quitter.__call__ = __call__

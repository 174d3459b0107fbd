"""What the user's code may do with effects beyond its event: start threads, fork, call `exit()`.

Each works in an event as it does elsewhere, and the run continues.
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

    Code that is stuck in it must not keep a script from ending, so it is a daemon thread. A
    thread inherits that from the thread that makes it, though, and Python would kill the user's
    own threads at exit. So `daemon` reads False once the thread runs: all that Python itself does
    with it is done before that.
    """

    control: Any = None
    """The control of the run whose thread it is."""

    _runs = False

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)

    @property
    def daemon(self) -> bool:
        """Whether threads that this one makes are daemon threads by default."""
        return not self._runs

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        raise RuntimeError("the daemon status of a run's own thread is not for others to set")

    def run(self) -> None:
        self._runs = True
        super().run()


# Forks.

generation = 0
"""How often this process and its ancestors were forked: callers of user code compare it.

`os.fork()` copies the calling thread only. A child that came back into a run would go on with it as
if it were the parent, without the threads, locks and connections that the parent has.
"""


def end_child(error: BaseException | None = None) -> NoReturn:
    """End a forked child as Python would, short of exit handlers, which are the parent's.

    Args:
        error: what the user's code raised; anything but `SystemExit` is shown.
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


# Exceptions that are not errors of the user's code, which must not swallow them.

_INTERRUPTIONS: list[type[BaseException]] = [KeyboardInterrupt]


def unless_interrupted_by(kind: type[BaseException]) -> None:
    """Let an exception pass that a host raises in the middle of whatever runs, such as its timeout.

    It is not an error of the module that was being imported.
    """
    if kind not in _INTERRUPTIONS:
        _INTERRUPTIONS.append(kind)


def interruptions() -> tuple[type[BaseException], ...]:
    """The exceptions that come from outside: `KeyboardInterrupt`, and those of the host."""
    return tuple(_INTERRUPTIONS)


# exit() and quit().

_OURS: set[CodeType] = set()

_F = TypeVar("_F", bound=Callable[..., Any])


def runs_user_code(function: _F) -> _F:
    """Decorator for our functions that call the user's code."""
    _OURS.add(function.__code__)
    return function


def keep_stdin_open() -> None:
    """Have `exit()` and `quit()` leave standard input alone below what `runs_user_code` marks.

    Python's own close it, for the sake of shells. In a run it is the input of the whole process: of
    the other events, and under Airflow the line to the supervisor. Elsewhere they do as ever, and
    whatever else goes by these names is not touched.
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

"""Detects code that currently reads from the terminal: `input`, a debugger, a password prompt.

Python reports `input`, `breakpoint` and opened files by audit events, in whatever way they are
called. `sys.stdin` is replaced by an object that reports its reads.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

__all__ = ["Readers", "reading"]

_HOLD = 0.5
"""How many seconds a reader counts as active after a read: a debugger reads again at once."""

_READS = frozenset({"read", "readline", "readlines"})


class _Reader(NamedTuple):
    """A thread that started to read in `frame`, at the instruction `position`.

    Attributes:
        whole: whether it reads as long as `frame` runs, and not only during that one call.
        since: when the read began; just after that, `frame` may not have reached the call that
            waits.
    """

    thread: int
    frame: FrameType
    position: int
    whole: bool
    since: float


class Readers:
    """Detects reads from the terminal inside the context.

    Args:
        begins: called in the thread that is about to read.
    """

    def __init__(self, begins: Callable[[], object]) -> None:
        self._begins = begins
        self._readers: list[_Reader] = []
        self._direct = 0
        self._last = 0.0
        self._lock = threading.Lock()
        self._stdin: Any = None

    def __enter__(self) -> Readers:
        global _current, _hooked
        _current = self
        if not _hooked:
            # An audit hook cannot be removed; without a current object, it does nothing.
            sys.addaudithook(_heard)
            _hooked = True
        if sys.stdin is not None:
            self._stdin, sys.stdin = sys.stdin, _Stdin(sys.stdin, self)
            _kept.append(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        global _current
        _current = None
        if isinstance(sys.stdin, _Stdin):
            sys.stdin = self._stdin

    @property
    def any(self) -> bool:
        """Whether a reader is active, or was until a moment ago."""
        with self._lock:
            now = time.monotonic()
            running = sys._current_frames()
            self._readers = [
                each for each in self._readers if now - each.since < _HOLD or _reads(each, running)
            ]
            if self._readers or self._direct:
                self._last = now
            return now - self._last < _HOLD

    def note(self, frame: FrameType, *, whole: bool) -> None:
        """Note that the function of a frame of this thread is about to read."""
        now = time.monotonic()
        reader = _Reader(threading.get_ident(), frame, frame.f_lasti, whole, now)
        with self._lock:
            self._readers.append(reader)
            self._last = now
        _kept.extend((sys.stdout, sys.stderr))
        self._begins()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Count the calling thread as a reader for as long as the block runs."""
        with self._lock:
            self._direct += 1
        self._begins()
        try:
            yield
        finally:
            with self._lock:
                self._direct -= 1
                self._last = time.monotonic()


def reading() -> contextlib.AbstractContextManager[None]:
    """Count the calling thread as a reader of the terminal for as long as the block runs."""
    return contextlib.nullcontext() if _current is None else _current.reading()


_kept: list[Any] = []
"""Streams that were `sys.stdin` or `sys.stdout`: `input` uses them without holding a reference, so
Python would crash if they were freed meanwhile.
"""

_current: Readers | None = None
_hooked = False


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: it is called very often, so it checks the name first."""
    if _current is None:
        return
    if event == "builtins.input":
        _current.note(sys._getframe(1), whole=False)
    elif event == "builtins.breakpoint" or (event == "open" and arguments[0] == "/dev/tty"):
        _current.note(sys._getframe(1), whole=True)


def _reads(reader: _Reader, running: dict[int, FrameType]) -> bool:
    frame = running.get(reader.thread)
    if not reader.whole:
        return frame is reader.frame and frame.f_lasti == reader.position
    while frame is not None and frame is not reader.frame:
        frame = frame.f_back
    # A debugger traces the frame until it continues; a password prompt does not trace, and ends
    # with its function.
    return frame is not None and (frame.f_trace is not None or "getpass" in frame.f_code.co_name)


class _Stdin:
    """Standard input that reports when it is read."""

    def __init__(self, stream: Any, readers: Readers) -> None:
        self._stream = stream
        self._readers = readers

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        if name not in _READS:
            return found

        def read(*arguments: Any) -> Any:
            with self._readers.reading():
                return found(*arguments)

        return read

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        with self._readers.reading():
            line: str = next(self._stream)
            return line

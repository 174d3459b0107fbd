"""Which code reads from the terminal right now: `input`, a debugger, a password prompt.

Python tells of `input`, of `breakpoint` and of files that are opened by audit events, wherever and
under whatever name they are called. Reads of `sys.stdin` go through a stand-in for it.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

__all__ = ["Readers"]

_HOLD = 0.5
"""Seconds that a reader counts after its last read: a debugger asks again at once."""

_READS = frozenset({"read", "readline", "readlines"})


class _Reader(NamedTuple):
    """A thread that has asked for something: in `frame`, at the instruction `position`.

    Attributes:
        whole: it reads as long as `frame` runs, and not only during that one call.
        since: when it asked; while it still asks, `frame` is not yet where it waits.
    """

    thread: int
    frame: FrameType
    position: int
    whole: bool
    since: float


class Readers:
    """Notices reads from the terminal while it is entered.

    Args:
        begins: called in the thread that is about to read, before it does.
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
            # A hook cannot be taken away again; without a current object it does nothing.
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
        """Whether a reader is active, or was a moment ago."""
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
        """The function of a frame of this thread is about to read."""
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


_kept: list[Any] = []
"""Streams that were `sys.stdin` or `sys.stdout` for a while: `input` uses what it found there at
first, without holding it, so that Python crashes where it is freed meanwhile."""

_current: Readers | None = None
_hooked = False


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: called for very much, so it looks at names first."""
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
    # A debugger traces the frame until it is told to go on; a password prompt traces nothing, and
    # is over when the function is.
    return frame is not None and (frame.f_trace is not None or "getpass" in frame.f_code.co_name)


class _Stdin:
    """Standard input that says when it is read."""

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

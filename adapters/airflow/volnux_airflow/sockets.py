"""Protects the sockets and the exit of a process that parses files for Airflow.

The process needs both to send its result, so imported user code must not reach them.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

__all__ = ["MOST_OUTPUT", "crashes_end_the_process", "own_sockets"]

MOST_OUTPUT = 2**16
"""The maximum number of characters that the modules of one file may print to Airflow's log.

A socket accepts that many at once, even if nobody reads.
"""


@contextlib.contextmanager
def crashes_end_the_process() -> Iterator[None]:
    """Let a segmentation fault end the process.

    Airflow's handler for it is written in Python, which never gets to run: the process would hang
    at full load until Airflow kills it.
    """
    try:
        before = signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        # None means a handler that was not set from Python, such as that of faulthandler.
        signal.signal(signal.SIGSEGV, signal.SIG_DFL if before is None else before)


@contextlib.contextmanager
def own_sockets() -> Iterator[None]:
    """Hide the sockets to Airflow from processes that imports start, and limit what imports print.

    Airflow waits until no process has its sockets open.
    """
    sockets = _sockets()
    if not {1, 2} <= sockets:
        yield
        return
    _close_in_children(sockets)
    streams = sys.stdout, sys.stderr
    kept: list[int] = []
    for stream in streams:
        stream.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        kept.append(os.dup(number))
        os.dup2(nowhere, number)
    os.close(nowhere)
    sockets.update(kept)
    is_inherited = os.get_inheritable(0)
    os.set_inheritable(0, False)
    limited = [
        _Limited(open(mine, "w", errors="replace", closefd=False), number)  # noqa: SIM115 - closed below
        for mine, number in zip(kept, (1, 2), strict=True)
    ]
    sys.stdout, sys.stderr = limited
    try:
        yield
    finally:
        # Airflow must be able to send the DAGs, even if imports have changed the streams and file
        # descriptors.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        sockets.clear()
        sys.stdout, sys.stderr = streams
        for stream, mine, original in zip(limited, kept, streams, strict=True):
            stream.end(original)
            with contextlib.suppress(OSError):
                os.dup2(mine, stream.fileno())
            with contextlib.suppress(OSError):
                os.close(mine)
        with contextlib.suppress(OSError):
            os.set_inheritable(0, is_inherited)


def _sockets() -> set[int]:
    found = set()
    for number in range(256):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                found.add(number)
    return found


def _close_in_children(sockets: set[int]) -> None:
    def close() -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in sockets:
            with contextlib.suppress(OSError):
                os.dup2(nowhere, number)
        os.close(nowhere)

    os.register_at_fork(after_in_child=close)


class _Limited:
    """A stream that accepts `MOST_OUTPUT` characters, then notes that it discards the rest.

    Args:
        stream: where the characters go.
        number: the file descriptor for programs that use the stream as their output.
    """

    def __init__(self, stream: TextIO, number: int) -> None:
        self._stream = stream
        self._buffer = stream.buffer
        self._number = number
        self._left: float = MOST_OUTPUT

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def fileno(self) -> int:
        """The file descriptor of standard output or error, never Airflow's own socket."""
        return self._number

    def write(self, text: str) -> int:
        """Write the part of a text that is within the limit."""
        if self._left > 0:
            self._stream.write(text[: int(min(self._left, len(text)))])
            self._left -= len(text)
            if self._left <= 0:
                self._stream.write("\n… further output is discarded\n")
                self._stream.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def end(self, original: TextIO) -> None:
        """From now on, write to another stream without a limit: log handlers may still write."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()
        # After this, no other object can write to this file descriptor, whose number will be reused
        # for another file.
        with contextlib.suppress(OSError, ValueError):
            self._buffer.close()
        self._stream = original
        self._left = math.inf

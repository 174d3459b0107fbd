"""In Airflow's DAG processor: what a module of events does when it is imported hides no other file.

Airflow parses each Python file in a process of its own, which sends its result when all is done. A
module that ends that process, crashes it or never returns takes every DAG of the file with it, and
Airflow shows no import error. Two things prevent that:

- A parse leaves a mark on disk until it is done. The next one finds the mark of one that did not
  come back, and first *tries* the modules, in processes that may die. What failed there becomes an
  import error, and the others are imported as ever. A folder without such modules pays nothing.
- Meanwhile the modules do not get at Airflow's own sockets: what they print is limited, and a
  process that they start and leave behind cannot keep Airflow waiting for the end of the parse.

Elsewhere (a worker, a `DagBag` in a test) all of this does nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO, TypeVar

from volnux_airflow import compat

__all__ = ["MOST_OUTPUT", "Fault", "Guard", "guarded", "try_out"]

log = logging.getLogger(__name__)

_Name = TypeVar("_Name")

MOST_OUTPUT = 2**16
"""The characters of output of one file's modules that reach Airflow's log.

A socket takes them at once, also while nobody reads.
"""

_SHARE = 0.6
"""The part of Airflow's limit for an import that a trial may take, before the import itself."""

_IMPORT_TIMEOUT = 30.0
"""Airflow's default limit, where it has set no alarm."""


_LATE = "late"
"""In a mark: an import was late once, so the next parse makes it as ever."""

_LATE_AGAIN = "late again"
"""In a mark: and that parse did not come back, so that an import that is late hangs."""


class Guard:
    """How the modules of one parse are imported.

    Attributes:
        careful: the last parse did not come back, so modules are tried out first.
    """

    def __init__(self, mark: Path | None) -> None:
        self._mark = mark
        self._said = mark.read_text() if mark is not None and mark.exists() else None
        self.careful = self._said is not None and self._said != _LATE
        self._found: list[Fault] = []

    def faults(self, imports: Mapping[_Name, Callable[[], object]]) -> dict[_Name, str]:
        """What is wrong with those imports that must not be made in this process.

        Args:
            imports: a function for each import, by any key.
        """
        if not self.careful:
            return {}
        with _without_alarm() as left:
            found = try_out(imports, _SHARE * (left or _IMPORT_TIMEOUT))
        self._found = list(found.values())
        return {name: fault.text for name, fault in found.items()}

    def give_up(self) -> None:
        """Leave this parse without a result, if it was not a careful one; the next one will be.

        For where the time for an import is over. Airflow would store that the file has no DAGs;
        without a result it keeps what it has.
        """
        if self._mark is not None and not self.careful:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(1)

    def _begin(self) -> None:
        if self._mark is not None and not self.careful:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            self._mark.write_text(_LATE_AGAIN if self._said == _LATE else "")

    def _end(self) -> None:
        if self._mark is None:
            return
        # While there is an import that ends the process or hangs, every parse is careful.
        if not self._found:
            self._mark.unlink(missing_ok=True)
        elif self._said != _LATE_AGAIN and not any(each.ends_process for each in self._found):
            # It may be slow and healthy, and the parse before may have been stopped.
            self._mark.write_text(_LATE)


@contextlib.contextmanager
def guarded(file: str | os.PathLike[str]) -> Iterator[Guard]:
    """While the context is entered, code of the user is imported for a file of Airflow's.

    Args:
        file: the Python file that Airflow parses, or the `.pty` where there is none.
    """
    if not compat.parses_for_the_processor():
        yield Guard(None)
        return
    name = hashlib.sha256(os.fsencode(file)).hexdigest()[:32]
    try:
        guard = Guard(compat.storage() / "_volnux" / name)
        guard._begin()
    except OSError as error:
        log.debug("no mark can be left, so a parse that dies is not noticed: %s", error)
        guard = Guard(None)
    try:
        with _own_sockets(), _crashes_end_the_process():
            yield guard
    finally:
        with contextlib.suppress(OSError):
            guard._end()


# Trying out.


class Fault(NamedTuple):
    """Why an import must not be made.

    Attributes:
        text: what is wrong, for a person.
        ends_process: whether it ends the process; otherwise it took too long.
    """

    text: str
    ends_process: bool = False


def try_out(imports: Mapping[_Name, Callable[[], object]], seconds: float) -> dict[_Name, Fault]:
    """Make each import in a process that may die; what is wrong with those that must not be made.

    One process makes them all, one after the other, and ends. Where it dies the next one goes on
    after the import that killed it. Where it stays at one import for long, another one goes on
    meanwhile, so that the time is enough for many that hang.

    Args:
        imports: a function for each import, by any key. What it raises does not matter here.
        seconds: how long all of it may take.
    """
    names = list(imports)
    faults: dict[_Name, Fault] = {}
    end = time.monotonic() + seconds
    patience = min(1.0, seconds / 20)
    running: list[_Trial] = []
    waiting = 0  # the first import that no process has begun
    newest: _Trial | None = None
    try:
        while True:
            if newest is None and waiting < len(names) and time.monotonic() < end:
                newest = _Trial(list(imports.values()), waiting, end)
                running.append(newest)
            if not running:
                break
            _listen(running, min(0.05, max(0.0, end - time.monotonic())))
            now = time.monotonic()
            for trial in list(running):
                if trial is newest:
                    waiting = min(trial.at + 1, len(names))
                if trial.fault is not None:
                    faults[names[trial.at]] = Fault(trial.fault, ends_process=True)
                elif now >= end and not trial.is_over:
                    faults[names[trial.at]] = Fault(_late(seconds))
                elif not trial.is_over:
                    if trial is newest and now - trial.since > patience:
                        trial.last = trial.at
                        newest = None
                        patience = max(0.05, patience / 2)
                    continue
                trial.stop()
                running.remove(trial)
                if trial is newest:
                    newest = None
    finally:
        for trial in running:
            trial.stop()
    for name in names[waiting:]:
        faults[name] = Fault(
            f"it was not imported: imports of other files took the {seconds:.0f} s that there are"
        )
    return faults


def _late(seconds: float) -> str:
    return (
        f"its import did not end within {seconds:.0f} s (the limit is "
        f"{_SHARE:.0%} of [core] dagbag_import_timeout)"
    )


class _Trial:
    """A process that makes one import after the other, and says which.

    Attributes:
        at: the import that it makes.
        since: when that began.
        last: the last import that it is to make, if another process goes on with the rest.
        is_over: there is nothing to wait for any more.
        fault: what is wrong with the import that it makes, if that is known.
    """

    def __init__(self, imports: list[Callable[[], object]], first: int, end: float) -> None:
        self.at = first
        self.since = time.monotonic()
        self.last = len(imports) - 1
        self.is_over = False
        self.fault: str | None = None
        self.progress, progress = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _work(imports[first:], progress, end)
        os.close(progress)
        os.set_blocking(self.progress, False)

    def read(self) -> None:
        """Take in what the process has done since."""
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        with contextlib.suppress(BlockingIOError):
            while steps := os.read(self.progress, 2**10):
                self.at += len(steps)
                self.since = time.monotonic()
        if self.at > self.last:
            self.is_over = True
        elif ended:
            self.fault = _ending(os.waitstatus_to_exitcode(status))

    def stop(self) -> None:
        """End the process, and whatever its imports have started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        os.close(self.progress)


def _listen(trials: list[_Trial], seconds: float) -> None:
    select.select([each.progress for each in trials], [], [], seconds)
    for each in trials:
        each.read()


def _work(imports: list[Callable[[], object]], progress: int, end: float) -> None:
    """The life of the process of a trial; it never returns."""
    try:
        # Airflow may kill the process that made this one, which then nobody ends.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(0.0, end - time.monotonic()) + 1)
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115 - for as long as it lives
        logging.disable()
        for make in imports:
            with contextlib.suppress(BaseException):
                make()
            os.write(progress, b"n")
    finally:
        os._exit(0)


def _ending(code: int) -> str:
    if code >= 0:
        return f"its import ends the whole process, with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"its import ends the whole process, with {signal.Signals(-code).name}"
    return f"its import ends the whole process, with signal {-code}"


# What belongs to Airflow.


@contextlib.contextmanager
def _without_alarm() -> Iterator[float]:
    """Stop Airflow's alarm meanwhile; the seconds that are left of it, 0 if there is none."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield left
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)


@contextlib.contextmanager
def _crashes_end_the_process() -> Iterator[None]:
    """Let a segmentation fault end the process.

    Airflow's handler for it is written in Python, which never gets to run: the process would spin
    until Airflow kills it.
    """
    try:
        before = signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        # None: a handler that is not Python's, such as that of faulthandler.
        signal.signal(signal.SIGSEGV, signal.SIG_DFL if before is None else before)


@contextlib.contextmanager
def _own_sockets() -> Iterator[None]:
    """Keep the sockets to Airflow from processes that imports start, and limit what they print.

    Airflow waits until nobody holds its sockets any more.
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
        # Whatever the imports have done to the streams and the numbers, the DAGs are sent.
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
    """A stream that takes `MOST_OUTPUT` characters, says so, and then takes no more.

    Args:
        stream: where the characters go.
        number: the file descriptor for programs that are given the stream as their output.
    """

    def __init__(self, stream: TextIO, number: int) -> None:
        self._stream = stream
        self._buffer = stream.buffer
        self._number = number
        self._left: float = MOST_OUTPUT

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def fileno(self) -> int:
        """The number of standard output or error: never Airflow's own socket."""
        return self._number

    def write(self, text: str) -> int:
        """Write a text, or nothing."""
        if self._left > 0:
            self._stream.write(text[: int(min(self._left, len(text)))])
            self._left -= len(text)
            if self._left <= 0:
                self._stream.write("\n… and more, which is not kept\n")
                self._stream.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def end(self, original: TextIO) -> None:
        """Write to another stream from now on, without a limit: log handlers may have kept this."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()
        # What else was made of it can no longer write: its number will be that of another file.
        with contextlib.suppress(OSError, ValueError):
            self._buffer.close()
        self._stream = original
        self._left = math.inf

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
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from volnux_airflow import compat
from volnux_airflow.sockets import crashes_end_the_process, own_sockets
from volnux_airflow.trial import SHARE, Fault, try_out

__all__ = ["Guard", "guarded"]

log = logging.getLogger(__name__)

_Name = TypeVar("_Name")

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
            found = try_out(imports, SHARE * (left or _IMPORT_TIMEOUT))
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
        with own_sockets(), crashes_end_the_process():
            yield guard
    finally:
        with contextlib.suppress(OSError):
            guard._end()


@contextlib.contextmanager
def _without_alarm() -> Iterator[float]:
    """Stop Airflow's alarm meanwhile; the seconds that are left of it, 0 if there is none."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield left
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)

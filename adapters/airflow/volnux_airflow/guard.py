"""Guards imports in Airflow's DAG processor: a module that breaks does not hide other files.

Airflow parses each Python file in its own process, which sends its result at the end. If a module
ends that process, crashes it or never returns, every DAG of the file is lost, and Airflow shows no
import error. Two things prevent that:

- A parse keeps a mark on disk until it is done. If the next parse finds a mark, the previous one
  did not finish. Then it first *tries* the modules in processes that may die. A module that fails
  there becomes an import error, and the others are imported as usual. A folder without such modules
  has no extra cost.
- During imports, modules have no access to Airflow's own sockets: their output is limited, and a
  process that they leave behind cannot make Airflow wait for the end of the parse.

Elsewhere (a worker, a `DagBag` in a test) this module does nothing.
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
"""Airflow's default time limit, used if Airflow has set no alarm."""

_LATE = "late"
"""The text of a mark after an import was too slow once: the next parse imports as usual."""

_LATE_AGAIN = "late again"
"""The text of a mark if the next parse did not finish either: a slow import is now an error."""


class Guard:
    """How the modules of one parse are imported.

    Attributes:
        careful: whether modules are tried out first, because the last parse did not finish.
    """

    def __init__(self, mark: Path | None) -> None:
        self._mark = mark
        self._said = mark.read_text() if mark is not None and mark.exists() else None
        self.careful = self._said is not None and self._said != _LATE
        self._found: list[Fault] = []

    def faults(self, imports: Mapping[_Name, Callable[[], object]]) -> dict[_Name, str]:
        """The imports that must not be made in this process, and the reason for each.

        Args:
            imports: for each import, a function that makes it; the keys may be anything.
        """
        if not self.careful:
            return {}
        with _without_alarm() as left:
            found = try_out(imports, SHARE * (left or _IMPORT_TIMEOUT))
        self._found = list(found.values())
        return {name: fault.text for name, fault in found.items()}

    def give_up(self) -> None:
        """End this parse without a result, unless it is careful; the next one will be careful.

        Called when the time for an import is over. With a result, Airflow would store that the file
        has no DAGs. Without one, it keeps the DAGs that it has.
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
        # As long as some import ends the process or hangs, every parse is careful.
        if not self._found:
            self._mark.unlink(missing_ok=True)
        elif self._said != _LATE_AGAIN and not any(each.ends_process for each in self._found):
            # The import may just be slow, and the previous parse may have been stopped by something
            # else.
            self._mark.write_text(_LATE)


@contextlib.contextmanager
def guarded(file: str | os.PathLike[str]) -> Iterator[Guard]:
    """A context manager for importing user code for a file that Airflow parses.

    Args:
        file: the Python file that Airflow parses, or the `.pty` if there is none.
    """
    if not compat.parses_for_the_processor():
        yield Guard(None)
        return
    name = hashlib.sha256(os.fsencode(file)).hexdigest()[:32]
    try:
        guard = Guard(compat.storage() / "_volnux" / name)
        guard._begin()
    except OSError as error:
        log.debug(
            "cannot write the mark of this parse, so a parse that dies will not be noticed: %s",
            error,
        )
        guard = Guard(None)
    try:
        with own_sockets(), crashes_end_the_process():
            yield guard
    finally:
        with contextlib.suppress(OSError):
            guard._end()


@contextlib.contextmanager
def _without_alarm() -> Iterator[float]:
    """Pause Airflow's alarm. Yields the seconds that are left, or 0 if no alarm is set."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield left
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)

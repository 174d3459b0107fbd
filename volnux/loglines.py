"""Log lines of attempts: who takes those of a run, and how they come from other processes."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, NamedTuple

from volnux.here import CURRENT, Here
from volnux.shown import shown

__all__ = [
    "MOST_OF_PLACE",
    "NO_MORE",
    "LogLine",
    "Take",
    "collecting",
    "forget",
    "give",
    "is_taken",
    "take",
]

MOST_OF_PLACE: Final = 1_000
"""How many lines of a place are taken."""

_MOST_CHARACTERS: Final = 1_000_000
"""How many characters of the lines of an attempt are sent from another process."""

NO_MORE: Final = "further log lines are not kept"
"""The text of the last line, if there are too many."""


class LogLine(NamedTuple):
    """A log record as text.

    Attributes:
        created: when it was made, in seconds since the epoch.
        level: the name of its level.
        logger: the name of its logger.
        text: its message, with the traceback if there is one.
    """

    created: float
    level: str
    logger: str
    text: str


Take = Callable[[Here, Callable[[], LogLine]], object]
"""Called for each line with the attempt that made it, and with a function that returns the line."""

_lock = threading.Lock()
_taken: dict[str, Take] = {}
"""What takes the lines of each run, by its id."""

_COLLECTED: ContextVar[_Collected | None] = ContextVar("volnux_collected", default=None)
"""Takes the lines of this attempt for another process."""

_installed = False


def take(run_id: str, by: Take) -> None:
    """Call a function for each line of a run from now on.

    A record counts for the attempt in whose thread or coroutine it was made, if the levels of its
    logger let it through. Handlers do not matter, and see the records as before.
    """
    with _lock:
        _taken[run_id] = by
        _install()


def forget(by: Take) -> None:
    """Take no more lines with a function."""
    with _lock:
        for run_id in [known for known, each in _taken.items() if each == by]:
            del _taken[run_id]


def is_taken(run_id: str) -> bool:
    """Whether the lines of a run are taken in this process."""
    return run_id in _taken


@contextlib.contextmanager
def collecting(*, wanted: bool) -> Iterator[list[tuple[Here, LogLine]]]:
    """Collect the lines of the attempt that runs inside, unless this process takes them itself.

    Args:
        wanted: if not, none are collected.
    """
    if not wanted:
        yield []
        return
    if not _installed:
        with _lock:
            _install()
    collected = _Collected()
    token = _COLLECTED.set(collected)
    try:
        yield collected.lines
    finally:
        _COLLECTED.reset(token)


def give(lines: list[tuple[Here, LogLine]]) -> None:
    """Pass on lines that another process has collected."""
    for here, line in lines:
        by = _taken.get(here.run_id)
        if by is not None:
            by(here, partial(LogLine._make, line))


def _install() -> None:
    """Let `_see` see every record from now on."""
    global _installed
    if not _installed:
        _installed = True
        made = logging.getLogRecordFactory()

        def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = made(*args, **kwargs)
            here = CURRENT.get()
            # `makeLogRecord` fills in a record afterwards, and nothing has been logged yet.
            if here is not None and record.name is not None:
                _see(here, record)
            return record

        logging.setLogRecordFactory(make)


def _see(here: Here, record: logging.LogRecord) -> None:
    by = _taken.get(here.run_id)
    if by is not None:
        by(here, partial(_line_of, record))
        return
    collected = _COLLECTED.get()
    if collected is not None:
        collected.add(here, record)


class _Collected:
    """The lines of an attempt, as far as they are sent to another process."""

    def __init__(self) -> None:
        self.lines: list[tuple[Here, LogLine]] = []
        self._left = _MOST_CHARACTERS

    def add(self, here: Here, record: logging.LogRecord) -> None:
        """Add a line, unless there are too many."""
        # One more than is kept shows that there were more.
        if self._left < 0 or len(self.lines) > MOST_OF_PLACE:
            return
        line = _line_of(record)
        self._left -= len(line.text)
        self.lines.append((here, line if self._left >= 0 else line._replace(text=NO_MORE)))


def _line_of(record: logging.LogRecord) -> LogLine:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - `logging` itself reports a message that has wrong arguments
        text = record.msg if isinstance(record.msg, str) else shown(record.msg)
    if record.exc_info and record.exc_info[1] is not None:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    elif record.exc_text:
        text += "\n" + record.exc_text
    return LogLine(record.created, str(record.levelname), str(record.name), text)

"""Log lines of events, for the runs that are kept in this process."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from volnux.events.portable import unstorable
from volnux.here import CURRENT, Here
from volnux.masking import hide
from volnux.shown import shown

__all__ = ["Lines", "storable"]

_MOST_OF_PLACE: Final = 1_000
_MOST_OF_RUN: Final = 20_000
"""How many lines are kept."""

_LONGEST: Final = 10_000
"""The maximum characters of a line with its traceback."""

_lock = threading.Lock()
_watched: dict[str, Lines] = {}
"""What takes the lines of each run, by its id."""

_installed = False


class Lines:
    """Takes the log lines of the events of one run.

    A record counts for the attempt in whose thread or coroutine it was made, if the levels of its
    logger let it through. Handlers do not matter, and see the records as before.

    Args:
        write: called with the columns of a line.
    """

    def __init__(self, write: Callable[[tuple[Any, ...]], object]) -> None:
        self._write = write
        self._counts: Counter[str] = Counter()
        self._count = 0

    def begin(self, run_id: str) -> None:
        """Take lines of a run from now on."""
        with _lock:
            _watched[run_id] = self
            _install()

    def end(self) -> None:
        """Take no more lines."""
        with _lock:
            for run_id in [known for known, lines in _watched.items() if lines is self]:
                del _watched[run_id]

    def take(self, here: Here, record: logging.LogRecord) -> None:
        """Take a line, unless there are too many."""
        of_place, of_run = self._counts[here.place], self._count
        if of_place > _MOST_OF_PLACE or of_run > _MOST_OF_RUN:
            return
        self._counts[here.place] += 1
        self._count += 1
        if of_place == _MOST_OF_PLACE or of_run == _MOST_OF_RUN:
            text = "further log lines are not kept"
        else:
            text = _text_of(record)
        level, logger = storable(str(record.levelname)), storable(str(record.name))
        self._write((here.place, here.attempt, record.created, level, logger, text))


def storable(text: str, longest: int = _LONGEST) -> str:
    """A text without secrets, cut, and with escapes for characters that a database cannot store."""
    text = hide(text)
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text):,} characters)"
    if unstorable(text) is not None:
        text = text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    return text


def _install() -> None:
    """Let `_take` see every record from now on."""
    global _installed
    if not _installed:
        _installed = True
        made = logging.getLogRecordFactory()

        def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = made(*args, **kwargs)
            here = CURRENT.get()
            # `makeLogRecord` fills in a record afterwards, and nothing has been logged yet.
            if here is not None and here.run_id in _watched and record.name is not None:
                _take(here, record)
            return record

        logging.setLogRecordFactory(make)


def _take(here: Here, record: logging.LogRecord) -> None:
    lines = _watched.get(here.run_id)
    if lines is not None:
        lines.take(here, record)


def _text_of(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - `logging` itself reports a message that has wrong arguments
        text = record.msg if isinstance(record.msg, str) else shown(record.msg)
    if record.exc_info and record.exc_info[1] is not None:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    elif record.exc_text:
        text += "\n" + record.exc_text
    return storable(text)

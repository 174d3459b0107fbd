"""Log lines of events, for the runs that are kept in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from volnux import loglines
from volnux.events.portable import unstorable
from volnux.here import Here
from volnux.loglines import LogLine
from volnux.masking import hide

__all__ = ["Lines", "storable"]

_MOST_OF_RUN: Final = 20_000
"""How many lines of a run are kept."""

_LONGEST: Final = 10_000
"""The maximum characters of a line with its traceback."""


class Lines:
    """Takes the log lines of the events of one run; see `loglines.take`.

    Args:
        write: called with the columns of a line.
    """

    def __init__(self, write: Callable[[tuple[Any, ...]], object]) -> None:
        self._write = write
        self._counts: Counter[str] = Counter()
        self._count = 0

    def begin(self, run_id: str) -> None:
        """Take lines of a run from now on."""
        loglines.take(run_id, self.take)

    def end(self) -> None:
        """Take no more lines."""
        loglines.forget(self.take)

    def take(self, here: Here, made: Callable[[], LogLine]) -> None:
        """Take a line, unless there are too many."""
        of_place, of_run = self._counts[here.place], self._count
        if of_place > loglines.MOST_OF_PLACE or of_run > _MOST_OF_RUN:
            return
        self._counts[here.place] += 1
        self._count += 1
        created, level, logger, text = made()
        if of_place == loglines.MOST_OF_PLACE or of_run == _MOST_OF_RUN:
            text = loglines.NO_MORE
        columns = created, storable(level), storable(logger), storable(text)
        self._write((here.place, here.attempt, *columns))


def storable(text: str, longest: int = _LONGEST) -> str:
    """A text without secrets, cut, and with escapes for characters that a database cannot store."""
    text = hide(text)
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text):,} characters)"
    if unstorable(text) is not None:
        text = text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    return text

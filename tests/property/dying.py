"""Events that write down each time they run, and that may kill their process."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

from volnux.testing import playing
from volnux.testing.playing import typed

__all__ = ["Dying", "play", "typed"]


class Dying:
    """When and how this process is killed.

    Args:
        journal: the file to which each attempt adds the name of its place.
        source: the source of random numbers.
        after: the number of attempts after which the process is killed; None for never.
    """

    now: Dying

    def __init__(self, journal: Path, source: random.Random, after: int | None) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._source = source
        self._after = after
        self._how = source.choice(["before", "after", "outside", "outside"])
        self._counter = itertools.count(1)
        Dying.now = self

    def play(self, event: Any, script: Any, arguments: dict[str, Any]) -> Any:
        """Run an event."""
        os.write(self._journal, f"{event.task_id}\n".encode())
        dies = next(self._counter) == self._after
        if dies and self._how == "before":
            die()
        if dies and self._how == "outside":
            # At any moment of the next events, or of what the store writes about them.
            threading.Timer(self._source.random() * 0.08, die).start()
        time.sleep(self._source.random() * 0.015)
        try:
            return playing.play(event, script, **arguments)
        finally:
            if dies and self._how == "after":
                die()


def die() -> None:
    """Kill this process, as a machine without power would."""
    os.kill(os.getpid(), signal.SIGKILL)


def play(event: Any, script: Any, **arguments: Any) -> Any:
    """In place of `volnux.testing.playing.play`."""
    return Dying.now.play(event, script, arguments)

"""The time limit of a whole run, `@run-timeout`."""

from __future__ import annotations

import time
from typing import NamedTuple

from volnux.graph.outcome import run_too_long

__all__ = ["TimeLimit"]


class TimeLimit(NamedTuple):
    """When a run has to have ended; it goes with each attempt, into whatever process that is.

    Attributes:
        seconds: how long the run may take.
        until: when its time is over, seconds since the epoch.
    """

    seconds: float
    until: float

    @staticmethod
    def of(seconds: float | None) -> TimeLimit | None:
        """The limit of a run that begins now."""
        return None if seconds is None else TimeLimit(seconds, time.time() + seconds)

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self.until - time.time())

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.time() >= self.until

    def ends_before(self, wait: float | None) -> bool:
        """Whether the time is over before a wait of so many seconds. If so, it waits for that."""
        if self.left > (wait or 0):
            return False
        while not self.is_over:
            time.sleep(self.left)
        return True

    def error(self) -> TimeoutError:
        """Why an attempt is given up when the time is over."""
        return TimeoutError(run_too_long(self.seconds).message)

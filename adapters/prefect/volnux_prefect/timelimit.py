"""The time limit of a whole run, `@run-timeout`."""

from __future__ import annotations

import time
from typing import NamedTuple

from volnux.graph.outcome import run_too_long

__all__ = ["TimeLimit"]


class TimeLimit(NamedTuple):
    """The deadline of a run. It is passed with each attempt, also to other processes.

    Attributes:
        seconds: the time limit of the run, in seconds.
        until: the deadline, in seconds since the epoch.
    """

    seconds: float
    until: float

    @staticmethod
    def of(seconds: float | None) -> TimeLimit | None:
        """The deadline of a run that begins now; None if it has no time limit."""
        return None if seconds is None else TimeLimit(seconds, time.time() + seconds)

    @property
    def left(self) -> float:
        """The number of seconds left; 0 after the deadline."""
        return max(0.0, self.until - time.time())

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.time() >= self.until

    def ends_before(self, wait: float | None) -> bool:
        """Whether a wait of this many seconds would pass the deadline. If so, wait until then."""
        if self.left > (wait or 0):
            return False
        while not self.is_over:
            time.sleep(self.left)
        return True

    def error(self) -> TimeoutError:
        """The error of an attempt that is abandoned at the deadline."""
        return TimeoutError(run_too_long(self.seconds).message)

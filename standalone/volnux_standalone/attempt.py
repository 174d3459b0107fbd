"""One attempt of an event that a run has submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from volnux.events.outcome import Call

__all__ = ["Attempt"]

_NO_CALL: Final = Call()


class Attempt:
    """One submitted attempt, until some thread claims its end.

    Attributes:
        index: the index of the place in the graph.
        number: the number of the attempt, starting at 1.
        call: its arguments, without a scope, until it has ended.
        started: when it began, in seconds since the epoch; 0.0 until then.
        drop_timer: cancels its timeout.
        handle: the attempt in its executor; None on our own workers.
        stoppable: whether `handle.abandon` can end it.
        expired: whether its end was claimed while it still ran.
        stuck: whether it continues in a thread that cannot be stopped.
    """

    __slots__ = (
        "call",
        "drop_timer",
        "expired",
        "handle",
        "index",
        "number",
        "started",
        "stoppable",
        "stuck",
    )

    def __init__(self, index: int, number: int) -> None:
        self.index = index
        self.number = number
        self.call = _NO_CALL
        self.started = 0.0
        self.drop_timer: Callable[[], None] | None = None
        self.handle: Any = None
        self.stoppable = False
        self.expired = False
        self.stuck = False

    def drop_call(self) -> None:
        """Let go of the arguments, because their values may be large."""
        self.call = _NO_CALL

    def expire(self) -> None:
        """Record that the attempt continues although its end has been claimed."""
        self.expired = True
        self.stuck = bool(self.started) and not self.stoppable

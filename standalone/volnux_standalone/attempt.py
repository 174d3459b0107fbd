"""One attempt at an event that a run has handed out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Attempt"]


class Attempt:
    """One attempt that was handed out, until somebody claims its end.

    Attributes:
        node: the place, by its index in the graph.
        number: counts from 1.
        started: when it began, seconds since the epoch; 0.0 before.
        drop_timer: takes back its timeout.
        handle: the attempt at its executor; None on our own workers.
        stoppable: whether `handle.abandon` ends it.
        expired: its end was claimed while it still ran.
        stuck: it runs on in a thread that nobody can stop.
    """

    __slots__ = (
        "drop_timer",
        "expired",
        "handle",
        "node",
        "number",
        "started",
        "stoppable",
        "stuck",
    )

    def __init__(self, node: int, number: int) -> None:
        self.node = node
        self.number = number
        self.started = 0.0
        self.drop_timer: Callable[[], None] | None = None
        self.handle: Any = None
        self.stoppable = False
        self.expired = False
        self.stuck = False

    def expire(self) -> None:
        """Note that it runs on although its end has been claimed."""
        self.expired = True
        self.stuck = bool(self.started) and not self.stoppable

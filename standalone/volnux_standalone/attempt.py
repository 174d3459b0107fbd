"""One attempt at an event, and what a run notes about the attempts at each place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from volnux.events.run import Outcome

__all__ = ["Attempt", "Notes", "moment"]


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


class Notes:
    """What a run report says of each place beyond its state, by the place's index in the graph.

    Attributes:
        made: how many attempts have begun.
        first: when the first of them began, seconds since the epoch.
        last: how the last of them ended.
        received: the piped result.
    """

    __slots__ = ("first", "last", "made", "received")

    def __init__(self, size: int) -> None:
        self.made = [0] * size
        self.first: list[float | None] = [None] * size
        self.last: list[Outcome | None] = [None] * size
        self.received: list[Any] = [None] * size

    def details(self, node: int) -> dict[str, Any]:
        """The fields of a place in a `RunReport`."""
        first, last, made = self.first[node], self.last[node], self.made[node]
        return {
            "attempts": made,
            "received": self.received[node] if made else None,
            "started_at": None if first is None else _AT(first, _UTC),
            "ended_at": _AT(last.ended_at, _UTC) if last else None,
            "bypassed": last.bypassed if last else False,
        }


def moment(seconds: float | None) -> dt.datetime | None:
    """Seconds since the epoch as a moment in UTC."""
    return None if seconds is None else _AT(seconds, _UTC)


# Twice for every place of a report.
_AT = dt.datetime.fromtimestamp
_UTC = dt.UTC

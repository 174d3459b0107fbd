"""The attempts of one task run of a printed flow, and their outcome."""

from __future__ import annotations

import asyncio
from typing import Any

from prefect.client.schemas.objects import State

from volnux.events.outcome import Call, Outcome
from volnux.hooks import About, hooks_of
from volnux_prefect.loop import RunLoop
from volnux_prefect.plain.places import Place
from volnux_prefect.work import outcome_of

__all__ = ["Listener", "read"]


class Listener:
    """Counts the attempts of one task run, and has the run's event loop."""

    def __init__(self, earlier: int, loop: RunLoop, stopped: asyncio.Event, run_id: str) -> None:
        self.attempts = earlier
        self.hooks = hooks_of(About("", "prefect", run_id))
        self.loop = loop
        self._stopped = stopped

    @property
    def ends(self) -> bool:
        return self._stopped.is_set()

    def began(self, node: int, attempt: int) -> None:
        self.attempts = attempt

    def repeats(self, node: int, outcome: Outcome) -> None:
        pass


def read(
    place: Place, ended: State[Any] | BaseException, listener: Listener, started: float
) -> Outcome:
    """The outcome of a place, from the state of its task run."""
    call = Call(place.name, attempt=max(1, listener.attempts))
    return outcome_of(place.spec, call, ended, started)

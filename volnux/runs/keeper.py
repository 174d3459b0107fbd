"""Keeps one run in a store while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux.hooks import Listener
from volnux.runs.model import KeptPlace

if TYPE_CHECKING:
    from volnux.events.outcome import Call, Outcome
    from volnux.events.spec import EventSpec
    from volnux.graph.report import RunReport

__all__ = ["Keeper"]


class Keeper(Listener):
    """Writes what happens in a run, in the background; `Store.begin` makes one.

    It never raises: if the store cannot be written, it warns once, and the run goes on unkept.
    """

    def reuse(self, place: KeptPlace) -> None:
        """Keep a place whose outcome is that of the run that this one resumes."""
        raise NotImplementedError

    def began(self, spec: EventSpec, call: Call) -> None:
        raise NotImplementedError

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        raise NotImplementedError

    def run_ended(self, report: RunReport | None, error: BaseException | None) -> None:
        """Write everything that is left, and return when it is committed."""
        raise NotImplementedError

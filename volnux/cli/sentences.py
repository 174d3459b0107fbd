"""What the progress of a run says about an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volnux.cli.summary import seconds
from volnux.errors import shortened
from volnux.graph.outcome import Failure

if TYPE_CHECKING:
    from volnux.events import Outcome

__all__ = ["cancelling", "reason", "waits"]


def reason(result: Any) -> str:
    """Why an event failed: its failure, or what it returned."""
    if isinstance(result, Failure):
        return shortened(str(result))
    from volnux.shown import shown

    return f"returned {shortened(shown(result))}"


def waits(outcome: Outcome) -> str:
    """What an event waits for, and when it is called again."""
    assert isinstance(outcome.result, Failure)
    said = shortened(outcome.result.message)
    if outcome.result.type == "Asks":
        return f"asks: {said}"
    wait = seconds(outcome.retry_after or 0)
    return f"not yet{f': {said}' if said else ''} (next call in {wait})"


def cancelling(running: int) -> str:
    """That a run was cancelled while so many places run."""
    if not running:
        return "cancelled"
    places = f"{running} place{'' if running == 1 else 's'}"
    return f"cancelling: {places} may still finish (Ctrl-C again to give up)"

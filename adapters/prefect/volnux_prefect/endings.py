"""How things end for Prefect: a flow, the future of a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from volnux.events.base import WorkerLost
from volnux.graph.outcome import RunStatus
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import PlaceReport, RunReport
from volnux.redaction import redacted
from volnux.shown import shown
from volnux_prefect.compat import WorkerInterrupted

__all__ = ["HANDLED", "SKIPPED", "final_state", "state_of"]

SKIPPED = "Skipped"
"""The name of the state of a place that was not reached because another branch was taken."""

HANDLED = "Handled"
"""The name of the state of an event that failed, where the flow takes the failure."""


def final_state(report: RunReport, result: Any) -> State[Any]:
    """The state that a flow returns, always in so many words."""
    if report.status is RunStatus.CANCELLED:
        return Cancelled(message="the run was cancelled")
    if report.status is RunStatus.SUCCESS:
        return Completed(message=_counts(report), data=result)
    return Failed(message="; ".join(_failures(report)))


def _counts(report: RunReport) -> str:
    """How many places ended in which way, as the page of the run shows them."""
    counts: dict[str, int] = {}
    for place in report.places.values():
        if place.handled:
            how = "handled"
        elif place.state is PlaceState.FAILED:
            how = "not reached"  # a failure before it, which a group handles
        else:
            how = place.state.value
        counts[how] = counts.get(how, 0) + 1
    order = ("done", "handled", "skipped", "not reached")
    return ", ".join(f"{counts[how]} {how}" for how in order if how in counts)


def _failures(report: RunReport) -> Iterator[str]:
    for name, place in report.places.items():
        if place.state is PlaceState.FAILED and place.attempts and not place.handled:
            yield f"{name} failed: {_reason(place)}"


def _reason(place: PlaceReport) -> str:
    if place.failure is None:
        return f"it returned {shown(place.result, 300)}"
    said = str(place.failure)
    return said if len(said) <= 300 else said[:300] + "…"


def state_of(future: Any) -> State[Any] | BaseException:
    """The final state of a future that is done, or what kept it from having one.

    That is `KeyboardInterrupt` where the event raised it, and else `WorkerLost`.
    """
    try:
        future.wait()
        wrapped = getattr(future, "wrapped_future", None)
        final = getattr(future, "_final_state", None)
        if final is None and wrapped is not None:
            result = wrapped.result()
            final = result if isinstance(result, State) else None
    except WorkerLost as lost:
        return lost
    except (KeyboardInterrupt, WorkerInterrupted):
        return KeyboardInterrupt()
    except BaseException as error:  # noqa: BLE001 - a worker that died, or whatever its cluster says
        said = redacted(f"{type(error).__name__}: {error}")
        return WorkerLost(f"the worker process was lost: {said}")
    if final is None:
        return WorkerLost("the task run came back without a state")
    state: State[Any] = final
    return state

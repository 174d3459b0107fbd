"""How a run ends for Prefect: the final state of its flow, and what came of a future."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from volnux.events.base import WorkerLost
from volnux.graph.outcome import RunStatus
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import PlaceReport, RunReport

__all__ = ["final_state", "state_of"]


def final_state(report: RunReport, result: Any) -> State[Any]:
    """The state that a flow returns, always in so many words."""
    if report.status is RunStatus.CANCELLED:
        return Cancelled(message="the run was cancelled")
    if report.status is RunStatus.SUCCESS:
        return Completed(message=_counts(report), data=result)
    return Failed(message="; ".join(_failures(report)))


def _counts(report: RunReport) -> str:
    states = [place.state for place in report.places.values()]
    shown = [f"{states.count(state)} {state.value}" for state in PlaceState if states.count(state)]
    return ", ".join(shown)


def _failures(report: RunReport) -> Iterator[str]:
    for name, place in report.places.items():
        if place.state is PlaceState.FAILED and place.attempts:
            yield f"{name} failed: {_reason(place)}"


def _reason(place: PlaceReport) -> str:
    said = str(place.failure) if place.failure else f"it returned {place.result!r}"
    return said if len(said) <= 300 else said[:300] + "…"


def state_of(future: Any) -> State[Any] | BaseException:
    """The final state of a future that is done, or what kept it from having one."""
    try:
        future.wait()
        wrapped = getattr(future, "wrapped_future", None)
        final = getattr(future, "_final_state", None)
        if final is None and wrapped is not None:
            result = wrapped.result()
            final = result if isinstance(result, State) else None
    except BaseException as error:  # noqa: BLE001 - a worker that died, or whatever its cluster says
        return WorkerLost(f"the worker process was lost: {type(error).__name__}: {error}")
    if final is None:
        return WorkerLost("the task run came back without a state")
    state: State[Any] = final
    return state

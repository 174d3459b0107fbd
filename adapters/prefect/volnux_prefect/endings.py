"""How things end for Prefect: a flow, the future of a task, a place that is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Failed

from volnux.events.base import WorkerLost
from volnux.graph.outcome import RunStatus
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import PlaceReport, RunReport
from volnux.shown import shown
from volnux_prefect import compat

__all__ = ["SKIPPED", "final_state", "show_skipped", "state_of"]

SKIPPED = "Skipped"
"""The name of the state of a place that was not reached because another branch was taken."""


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
    if place.failure is None:
        return f"it returned {shown(place.result, 300)}"
    said = str(place.failure)
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


def show_skipped(task: Task[Any, Any], **run: Any) -> None:
    """Make a task run that is skipped from the first; nothing runs in it."""
    state: State[Any] = Completed(name=SKIPPED, message="another branch was taken")
    try:
        # The flow's own client: to make another one takes seconds.
        context = FlowRunContext.get()
        client: Any = context.client if context else None
        client.create_task_run(task, state=state, **run)
    except Exception:  # noqa: BLE001 - a picture of the run is worth less than the run
        compat.logger().exception("the skipped place %s cannot be shown", run["name"])

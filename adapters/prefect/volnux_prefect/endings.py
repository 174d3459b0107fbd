"""The final states of flows and task runs on Prefect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from volnux.events.base import WorkerLost
from volnux.graph.outcome import Failure, RunStatus, run_too_long
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import RunReport
from volnux.redaction import redacted
from volnux.shown import cut, shown
from volnux_prefect.compat import WorkerInterrupted

__all__ = [
    "ASKS",
    "HANDLED",
    "NOT_YET",
    "SKIPPED",
    "counts",
    "final_state",
    "out_of_time",
    "reason",
    "state_of",
    "summary",
    "why",
]

SKIPPED = "Skipped"
"""The state name of a place that was not reached because another branch was taken."""

RUN_TIMEOUT = run_too_long(0).type
"""The failure type of a run that exceeded its time limit."""

_MOST_NAMED = 20
"""The maximum number of failures in the message of a state."""

HANDLED = "Handled"
"""The state name of a failed event whose failure the flow handles."""

NOT_YET = "NotYet"
"""The state name of an event that said "not yet", until its next call."""

ASKS = "Asks"
"""The state name of an event that waits for the answer of a person."""


def final_state(report: RunReport, result: Any) -> State[Any]:
    """Return the final state of a flow, so that Prefect does not derive it from a result."""
    if report.status is RunStatus.CANCELLED:
        return Cancelled(message=summary(report))
    if report.status is RunStatus.SUCCESS:
        return Completed(message=summary(report), data=result)
    failure = report.failure
    if failure is not None and failure.type == RUN_TIMEOUT:
        return out_of_time(failure.message)
    return Failed(message=summary(report))


def summary(report: RunReport) -> str:
    """How many places of a successful run ended in each way, or why the run failed."""
    if report.status is RunStatus.CANCELLED:
        return "the run was cancelled"
    if report.status is RunStatus.SUCCESS:
        return counts(_ends(report))
    failure = report.failure
    said = [*_failures(report), *([failure.message] if failure is not None else ())]
    before = [*_handled(report)] if failure is not None else []
    return why(said, before)


def out_of_time(message: str) -> State[Any]:
    """The final state of a flow that exceeded its time limit."""
    return Failed(name="TimedOut", message=message)


def why(failures: Iterable[str], handled: Iterable[str] = ()) -> str:
    """Why a run failed.

    Args:
        failures: the failures that nothing handled.
        handled: the failures that were handled, if the flow failed at a `!`.
    """
    said, before = _joined(failures), _joined(handled)
    return f"{said}, after {before}" if before else said


def _joined(failures: Iterable[str]) -> str:
    every = list(failures)
    if len(every) > _MOST_NAMED:
        every[_MOST_NAMED:] = [f"and {len(every) - _MOST_NAMED} more"]
    return "; ".join(every)


def counts(ends: Iterable[str]) -> str:
    """Return how many places ended in each way, as text for the page of the run.

    Args:
        ends: for each place, "done", "handled", "skipped" or "not reached".
    """
    found = Counter(ends)
    order = ("done", "handled", "skipped", "not reached")
    return ", ".join(f"{found[how]} {how}" for how in order if how in found)


def _ends(report: RunReport) -> Iterator[str]:
    for place in report.places.values():
        if place.handled:
            yield "handled"
        elif place.state is PlaceState.FAILED:
            yield "not reached"  # after an earlier failure that a group handles
        else:
            yield place.state.value


def _failures(report: RunReport) -> Iterator[str]:
    for name, place in report.places.items():
        # A place without both was abandoned when the run was stopped. One with a failure only is
        # the first place of an `each` that received no list.
        finished = place.descriptor is not None or place.failure is not None
        if place.state is PlaceState.FAILED and finished and not place.handled:
            yield f"{name} failed: {reason(place.failure or place.result)}"


def _handled(report: RunReport) -> Iterator[str]:
    for name, place in report.places.items():
        if place.handled:
            yield f"{name} failed: {reason(place.failure or place.result)}"


def reason(result: Any) -> str:
    """Why an event failed, from its result, in at most about 300 characters."""
    if not isinstance(result, Failure):
        return f"it returned {shown(result, 300)}"
    return cut(str(result), 300)


def state_of(future: Any) -> State[Any] | BaseException:
    """The final state of a future that is done, or the reason why it has none.

    The reason is `KeyboardInterrupt` if the event raised it, otherwise `WorkerLost`.
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
    except BaseException as error:  # noqa: BLE001 - a worker died, or its cluster raised any error
        said = redacted(f"{type(error).__name__}: {error}")
        return WorkerLost(f"the worker process was lost: {said}")
    if final is None:
        return WorkerLost("the task run returned no state")
    state: State[Any] = final
    return state

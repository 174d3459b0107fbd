"""The states of the task runs of events, and what their logs say about failures."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import cloudpickle
from prefect.client.schemas.objects import State, StateType, TaskRun
from pydantic import PrivateAttr

from volnux.events.modules import at_home
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.shown import cut, shown
from volnux_prefect import compat
from volnux_prefect.endings import ASKS, HANDLED, NOT_YET

__all__ = [
    "TIMED_OUT",
    "EventState",
    "cancelled_state",
    "log_failure",
    "log_wait",
    "state_of_outcome",
    "waiting_state",
]

_LONGEST = 500
"""The maximum length of the message of a state."""

TIMED_OUT = "TimedOut"
"""Prefect's name for the state of a run that exceeded its time limit."""


class EventState(State[Any]):
    """The state of an event's task run. It also has the outcome, without the result."""

    _outcome: Outcome | None = PrivateAttr(default=None)
    _task_run: TaskRun | None = PrivateAttr(default=None)
    _home: str | None = PrivateAttr(default=None)

    def __reduce__(self) -> tuple[Any, ...]:
        # The result may be of a class whose name means something only in the folder of the event.
        with at_home(self._home):
            return _read_state, (self._home, cloudpickle.dumps(self.__getstate__()))

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the attempt, without its result."""
        return self._outcome

    @property
    def task_run(self) -> TaskRun | None:
        """The task run as it was before a failure, or while it waits; otherwise None."""
        return self._task_run

    @classmethod
    def of(
        cls, spec: EventSpec, outcome: Outcome, kind: StateType, *, name: str, message: str | None
    ) -> EventState:
        """Make the state of an outcome of an event."""
        state = cls(type=kind, name=name, message=message, data=outcome.result)
        state._home = spec.home
        state._outcome = outcome._replace(result=None)
        if kind is StateType.FAILED:
            state._task_run = compat.current_task_run()
        elif kind is StateType.PAUSED:
            state._task_run = compat.paused_task_run(state)
        return state


def _read_state(home: str | None, parts: bytes) -> EventState:
    state = EventState.__new__(EventState)
    with at_home(home):
        state.__setstate__(cloudpickle.loads(parts))
    return state


def log_failure(
    place: str, judged: Outcome, state: EventState, *, again: bool, handled: bool
) -> None:
    """Log what Prefect does not log about a failure, mainly the traceback.

    A handled failure is logged as a single warning, which is easy to find on the page.
    """
    result = judged.result
    traceback = ""
    if isinstance(result, Failure) and "  File " in result.traceback:
        traceback = "\n" + result.traceback.rstrip()
    if handled:
        said = traceback or f" {state.message}"
        compat.run_logger().warning("%s failed, and the flow handles it:%s", place, said)
    elif traceback:
        level = logging.WARNING if again else logging.ERROR
        compat.run_logger().log(level, "%s failed:%s", place, traceback)


def state_of_outcome(spec: EventSpec, outcome: Outcome, judged: Outcome, failed: str) -> EventState:
    """Make the state of a task run.

    Args:
        spec: the event.
        outcome: the outcome of the attempt, which the state contains.
        judged: the same outcome, as a failure if its descriptor has no branch.
        failed: the state name to use for a failure.
    """
    descriptor, result = judged.descriptor, judged.result
    if descriptor != FAILURE:
        name = "Completed" if descriptor == SUCCESS else f"Outcome {descriptor}"
        return EventState.of(spec, outcome, StateType.COMPLETED, name=name, message=None)
    if judged is not outcome:
        said = result.message
    elif isinstance(result, Failure):
        said = str(result)
    else:
        said = f"returned a failure: {shown(result, _LONGEST)}"
    kind = StateType.COMPLETED if failed == HANDLED else StateType.FAILED
    return EventState.of(spec, outcome, kind, name=failed, message=cut(said, _LONGEST))


def cancelled_state(spec: EventSpec, outcome: Outcome) -> EventState:
    """The state of a task run whose event said "not yet" when the run had ended."""
    said = "the run has ended"
    return EventState.of(spec, outcome, StateType.CANCELLED, name="Cancelled", message=said)


def waiting_state(spec: EventSpec, call: Call, outcome: Outcome) -> EventState:
    """The state of a task run whose event said "not yet", or asks a person."""
    said = log_wait(spec, call.task_id, outcome)
    name = ASKS if spec.asks else NOT_YET
    return EventState.of(spec, outcome, StateType.PAUSED, name=name, message=said)


def log_wait(spec: EventSpec, place: str, outcome: Outcome) -> str:
    """Log why a place waits, and until when. Returns this text."""
    assert outcome.retry_after is not None
    until = dt.datetime.fromtimestamp(outcome.ended_at + outcome.retry_after).astimezone()
    reason = cut(outcome.result.message or "not yet", _LONGEST)
    when = f"{until:%Y-%m-%d %H:%M:%S %Z}"
    said = f"{reason}; the next call is at {when}"
    if spec.asks:
        event: Any = spec.event_class
        said = f"{reason} ({', '.join(event.options)}), until {when}"
    compat.run_logger().info("%s %s: %s", place, "asks" if spec.asks else "waits", said)
    return said

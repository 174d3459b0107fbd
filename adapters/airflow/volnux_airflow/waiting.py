"""How the task of an event that says "not yet" waits, and what it keeps until the next call."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from volnux.errors import shortened
from volnux.events.outcome import Outcome, Polls
from volnux.events.spec import EventSpec
from volnux.graph.outcome import Failure
from volnux.graph.places import place_name
from volnux.strictjson import FormatError, built
from volnux_airflow import compat
from volnux_airflow.outcomes import NOT_STARTED, TaskOutcome

__all__ = ["after", "is_short", "keep", "kept", "so_far", "told", "wait"]

_SHORTEST = 20.0
"""The shortest wait, in seconds, during which a task gives up its slot.

The scheduler fails a task that starts again before it knows that the last start has ended, which
can take seconds.
"""

_LONGEST_REASON = 120
"""Airflow's page shows at most 250 characters in the list of task instances."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a task keeps from one call of its event to the next, in Airflow's task state store.

    Airflow's page shows it. The store outlives retries, and also a clear, after which the event
    starts anew.

    Attributes:
        max_tries: Airflow's number that a clear of the task changes; of a running one, not always.
        try_number: the try in which the call was made.
        since, polls, under_way: see `Polls`.
        reason: what the event waits for.
        next_call: when it is called again, in ISO format.
        clears: how often tasks of the run had been cleared when this start of the task began.
    """

    max_tries: int
    try_number: int
    since: float
    polls: int = 0
    under_way: bool = False
    reason: str = ""
    next_call: str = ""
    clears: int = 0


def kept(context: Mapping[str, Any]) -> Polls | None:
    """The calls before this start of the task; None for the first start, also after a clear."""
    ti = context["ti"]
    data = compat.kept_state(context)
    try:
        last = None if data is None else built(_Kept, data, what="not written by volnux")
    except FormatError as error:
        ti.log.warning("volnux in the task state store was ignored: %s", error)
        return None
    if last is None or last.max_tries != ti.max_tries:
        return None
    under_way = last.under_way and last.try_number == ti.try_number
    # If a later call did not end, either the task was cleared, or its worker died and this is the
    # next attempt.
    cleared = last.under_way and not under_way and last.clears != _clears(context)
    return None if cleared else Polls(last.since, last.polls, under_way)


def keep(
    context: Mapping[str, Any],
    outcome: Outcome,
    again: dt.datetime,
    leaving: BaseException | None = None,
) -> None:
    """Keep the calls so far for the next one.

    Args:
        context: the context of the task.
        outcome: the outcome after which another call follows.
        again: when it follows.
        leaving: what the task raises in order to wait.
    """
    ti, polls, failure = context["ti"], outcome.polls, outcome.result
    assert polls is not None
    reason = shortened(failure.message) if isinstance(failure, Failure) else ""
    next_call = again.isoformat(timespec="seconds")
    last = _Kept(ti.max_tries, ti.try_number, *polls, reason, next_call, _clears(context))
    compat.keep_state(context, asdict(last), leaving)


def wait(
    task: Any, context: Mapping[str, Any], outcome: Outcome, number: int, *, keeps_slot: bool
) -> None:
    """Wait for the next call: without a slot if possible.

    Args:
        task: the task of the event.
        context: the context of the task.
        outcome: the outcome after which another call follows.
        number: the number of the attempt to which the next call belongs.
        keeps_slot: whether the task must keep its slot.

    Raises:
        AirflowRescheduleException, TaskDeferred: Airflow starts the task again.
    """
    assert outcome.retry_after is not None
    seconds = task.seconds_to_wait(context, outcome.retry_after)
    again = after(seconds)
    leaving = compat.start_again(context, again, number=number)
    keep(context, outcome, again, leaving)
    said = _not_yet(outcome.result) if outcome.waits else told(task.spec, outcome)
    task.outcome = f"{said}; next call at {again:%Y-%m-%d %H:%M:%S} UTC"
    index = context["ti"].map_index
    place = place_name(task.task_id, () if index < 0 else (index,))
    (task.log.info if outcome.waits else task.log.warning)("%s: %s", place, task.outcome)
    if is_short(seconds) or (keeps_slot and not compat.is_dag_test()):
        time.sleep(seconds)
        return
    task.show(context, task.outcome)
    raise leaving


def is_short(seconds: float) -> bool:
    """Whether a task keeps its slot while it waits so long.

    With `dag.test()` it never does: the other tasks of the run would not run meanwhile.
    """
    return seconds < _SHORTEST and not compat.is_dag_test()


def after(seconds: float) -> dt.datetime:
    """The time so many seconds from now."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


def so_far(number: int, polls: Polls | None) -> TaskOutcome:
    """The outcome of a task that may not go on with the attempt with this number."""
    if polls is None:
        return replace(NOT_STARTED, attempts=number - 1)
    attempts = number if polls.under_way else number - 1
    return replace(NOT_STARTED, attempts=attempts, polls=polls.number, started_at=polls.since)


def told(spec: EventSpec, outcome: Outcome) -> str:
    """Describe in one line an attempt that is followed by another."""
    most = spec.retry.max_attempts
    return f"attempt {outcome.attempts} of {most} failed: {outcome.result}"


def _not_yet(failure: Any) -> str:
    """What a waiting event waits for, in one line."""
    assert isinstance(failure, Failure)
    reason = shortened(failure.message, _LONGEST_REASON)
    return f"not yet: {reason}" if reason else "not yet"


def _clears(context: Mapping[str, Any]) -> int:
    number: int | None = context["dag_run"].clear_number
    return number or 0

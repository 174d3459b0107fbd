"""How the task of an event that says "not yet" waits, and what it keeps until the next call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from volnux.errors import shortened
from volnux.events.outcome import Outcome, Polls
from volnux.graph.outcome import Failure
from volnux.strictjson import FormatError, built
from volnux_airflow import compat
from volnux_airflow.outcomes import NOT_STARTED, TaskOutcome

__all__ = ["SHORTEST", "keep", "keeps_slot", "kept", "so_far", "told"]

SHORTEST = 20.0
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
    wait: float,
    leaving: BaseException | None = None,
) -> dt.datetime:
    """Keep the calls so far for the next one, and return when that one follows.

    Args:
        context: the context of the task.
        outcome: the outcome after which another call follows.
        wait: seconds until then.
        leaving: what an operator raised in order to wait.
    """
    ti, polls, failure = context["ti"], outcome.polls, outcome.result
    assert polls is not None
    reason = shortened(failure.message) if isinstance(failure, Failure) else ""
    again = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=wait)
    next_call = again.isoformat(timespec="seconds")
    last = _Kept(ti.max_tries, ti.try_number, *polls, reason, next_call, _clears(context))
    compat.keep_state(context, asdict(last), leaving)
    return again


def keeps_slot(seconds: float, *, always: bool = False) -> bool:
    """Whether a task keeps its slot while it waits.

    Args:
        seconds: how long it waits.
        always: whether it must keep its slot. With `dag.test()` it never does: the other tasks of
            the run would not run meanwhile.
    """
    return (always or seconds < SHORTEST) and not compat.is_dag_test()


def so_far(number: int, polls: Polls | None) -> TaskOutcome:
    """The outcome of a task that may not go on with the attempt with this number."""
    if polls is None:
        return replace(NOT_STARTED, attempts=number - 1)
    attempts = number if polls.under_way else number - 1
    return replace(NOT_STARTED, attempts=attempts, polls=polls.number, started_at=polls.since)


def told(outcome: Outcome, again: dt.datetime) -> str:
    """What a waiting event waits for, and when it is called again, in one line."""
    assert isinstance(outcome.result, Failure)
    reason = shortened(outcome.result.message, _LONGEST_REASON)
    return f"not yet{f': {reason}' if reason else ''}; next call at {again:%Y-%m-%d %H:%M:%S} UTC"


def _clears(context: Mapping[str, Any]) -> int:
    number: int | None = context["dag_run"].clear_number
    return number or 0

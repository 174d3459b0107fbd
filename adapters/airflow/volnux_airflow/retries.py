"""How Airflow repeats an attempt exactly as the retry policy of the event says.

With a retry policy of its own, Airflow waits as long as ours says. Without one, it waits equally
long before each attempt: the shortest of the waits, and the next attempt begins with the rest.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from volnux.events.base import EventBase
from volnux.events.outcome import Outcome
from volnux.events.spec import EventSpec
from volnux_airflow import compat, waiting

__all__ = [
    "EXACT",
    "AttemptFailedError",
    "ExactRetryPolicy",
    "in_same_try",
    "prepare_dag_test",
    "sets_waits",
    "settings_of",
    "wait_for_rest",
]


class AttemptFailedError(compat.AirflowException):
    """An attempt failed and will be repeated. The retry policy takes the delay from this error."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ExactRetryPolicy(compat.RetryPolicy):
    """Retries when the event's own policy does, after exactly its wait (Airflow's adds jitter)."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> compat.RetryDecision:
        """See Airflow's `RetryPolicy.evaluate`."""
        if isinstance(exception, AttemptFailedError):
            return compat.RetryDecision.retry(dt.timedelta(seconds=exception.retry_after))
        # The worker died or Airflow itself failed: the task's own `retries` decide.
        return compat.RetryDecision.default()


EXACT = None if compat.RetryPolicy is object else ExactRetryPolicy()
"""The policy of all tasks; None if Airflow has no retry policies."""


def settings_of(spec: EventSpec) -> dict[str, Any]:
    """The arguments of `BaseOperator` that make Airflow repeat the attempts of an event."""
    settings: dict[str, Any] = {
        "retries": spec.retry.max_attempts - 1,
        "retry_delay": dt.timedelta(seconds=spec.retry.backoff_factor),
        "retry_exponential_backoff": 0,
        "max_retry_delay": None,
    }
    if EXACT is None:
        settings["retry_delay"] = dt.timedelta(seconds=spec.retry.wait(1))
        # Airflow 3.1 takes a bool, newer ones a number.
        settings["retry_exponential_backoff"] = False
    else:
        settings["retry_policy"] = EXACT
    return settings


def prepare_dag_test(dag: Any) -> None:
    """Let each attempt of a `dag.test()` make the whole wait before it, which a cancel can end."""
    if EXACT is None:
        for task in dag.tasks:
            task.retry_delay = dt.timedelta()


def wait_for_rest(task: Any, context: Mapping[str, Any], number: int) -> None:
    """Wait before an attempt for what is left after Airflow's own wait: without a slot if possible.

    Args:
        task: the task of the event.
        context: the context of the task.
        number: the number of the attempt.

    Raises:
        AirflowRescheduleException: Airflow starts the task again when the attempt begins.
    """
    if EXACT is not None or number == 1:
        return
    rest = task.spec.retry.wait(number - 1) - task.retry_delay.total_seconds()
    seconds = task.seconds_to_wait(context, max(rest, 0.0))
    if waiting.is_short(seconds):
        time.sleep(seconds)
    elif seconds:
        again = waiting.after(seconds)
        raise compat.AirflowRescheduleException(again)  # type: ignore[no-untyped-call]  # untyped there


def in_same_try(task: Any, context: Mapping[str, Any], outcome: Outcome) -> bool:
    """Whether the next attempt belongs to the same try of Airflow.

    That is so if Airflow would start a new try too late, or would forget what it must know.

    Args:
        task: the task of the event.
        context: the context of the task.
        outcome: the outcome of an attempt.
    """
    if outcome.retry_after is None or not task.runs_process:
        return False
    wait = task.seconds_to_wait(context, outcome.retry_after)
    is_too_late = EXACT is None and wait < task.retry_delay.total_seconds()
    return is_too_late or _is_forgotten(task.spec, context, outcome)


def _is_forgotten(spec: EventSpec, context: Mapping[str, Any], outcome: Outcome) -> bool:
    """Whether a new try would not know since when an event waits, and how often it said so."""
    if compat.keeps_state(context):
        return False
    says_not_yet = outcome.polls is not None and outcome.polls.number > 0
    return says_not_yet or sets_waits(spec)


def sets_waits(spec: EventSpec) -> bool:
    """Whether an event or its place sets `every` or `within`."""
    return (spec.every, spec.within) != (EventBase.every, EventBase.within)

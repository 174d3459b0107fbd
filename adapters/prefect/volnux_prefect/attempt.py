"""One attempt of an event in a task run, within the time limits of the event and of the run."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import cloudpickle
from prefect.serializers import Serializer

from volnux.events.base import NotSentError
from volnux.events.modules import at_home
from volnux.events.outcome import Call, Outcome
from volnux.events.portable import Carrier
from volnux.events.run import raised, run_attempt, too_long
from volnux.events.spec import EventSpec
from volnux.kit.attempt import TimeIsOver, in_time
from volnux_prefect import compat
from volnux_prefect.loop import RunLoop
from volnux_prefect.serializer import ValueSerializer, keep_packed
from volnux_prefect.timelimit import TimeLimit

__all__ = ["attempt", "picklable", "stored_attempt"]


def attempt(
    spec: EventSpec, call: Call, loop: RunLoop | None, limit: TimeLimit | None
) -> tuple[Outcome, bool]:
    """Run an attempt; return its outcome, and whether it reached its time limit.

    Args:
        spec: the event.
        call: its arguments.
        loop: the event loop of the run; None in another process.
        limit: the time limit of the run, or None.
    """
    started = time.time()
    longest = spec.timeout
    if limit is not None:
        longest = limit.left if longest is None else min(limit.left, longest)
    try:
        if spec.is_async:
            return _on_loop(spec, call, loop, longest), False
        if longest is not None:
            return _in_time(spec, call, longest), False
        return run_attempt(spec, call), False
    except TimeIsOver:
        if limit is None or longest == spec.timeout:
            return raised(spec, call, too_long(spec), started), True
        limit.ends_before(limit.left)
        return raised(spec, call, limit.error(), started), True


def stored_attempt(
    spec: EventSpec, call: Call, loop: RunLoop | None, limit: TimeLimit | None
) -> tuple[Outcome, bool]:
    """The same for a task run whose result Prefect stores.

    A result that its serializer cannot write is a failure of the attempt.
    """
    serializer = compat.result_serializer()
    if not isinstance(serializer, ValueSerializer):
        outcome, late = attempt(spec, call, loop, limit)
        return _checked(spec, call, outcome, serializer), late
    if call.carrier is None:
        from volnux.kit.codec import store_of_environment
        from volnux.values.folders import StoreError

        try:
            call = call._replace(carrier=Carrier(store_of_environment(), keeps=True))
        except StoreError as error:
            return raised(spec, call, error, time.time()), False
    outcome, late = attempt(spec, call, loop, limit)
    keep_packed(outcome.result, outcome.packed)
    return outcome._replace(packed=None), late


def picklable(spec: EventSpec, call: Call, outcome: Outcome) -> Outcome:
    """The outcome, or a failure that names the event if its result cannot be pickled."""
    try:
        with at_home(spec.home):
            cloudpickle.dumps(outcome.result)
    except Exception as error:  # noqa: BLE001 - the __reduce__ of a result may raise anything
        return _refused(spec, call, outcome, f"cannot be pickled: {error}")
    return outcome


def _checked(spec: EventSpec, call: Call, outcome: Outcome, serializer: Serializer[Any]) -> Outcome:
    try:
        serializer.dumps(outcome.result)
    except Exception as error:  # noqa: BLE001 - the result and the serializer may be the user's
        problem = f"cannot be stored with the serializer '{serializer.type}': {error}"
        return _refused(spec, call, outcome, problem)
    return outcome


def _refused(spec: EventSpec, call: Call, outcome: Outcome, problem: str) -> Outcome:
    kind = type(outcome.result).__name__
    fault = NotSentError(f"the result of {spec.name}, of type {kind}, {problem}")
    return raised(spec, call, fault, outcome.started_at)


def _on_loop(spec: EventSpec, call: Call, loop: RunLoop | None, longest: float | None) -> Outcome:
    if loop is None:
        with closing(RunLoop()) as own:
            return own.run(spec, call, longest)
    return loop.run(spec, call, longest)


def _in_time(spec: EventSpec, call: Call, limit: float) -> Outcome:
    """Run the attempt in a thread that is abandoned after a timeout, as on other backends."""

    def late() -> None:
        compat.logger().warning(
            "%s ended after it was abandoned: its result is discarded", call.task_id
        )

    return in_time(spec, call, limit, late)

"""Runs all attempts of an event, with the waits between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from volnux.events import base
from volnux.events.base import EventBase, EventDefinitionError
from volnux.events.outcome import Call, Outcome
from volnux.events.run import run_attempt
from volnux.events.spec import EventSpec, spec_of
from volnux.hooks import About, hooks_of

__all__ = ["run_event"]


def run_event(
    spec: EventSpec,
    call: Call,
    *,
    sleep: Callable[[float], object] = time.sleep,
    context: Any = None,
    polls: bool = True,
) -> Outcome:
    """Run an event with all the attempts that its policy allows, and wait between them.

    With `polls=False`, an event that says "not yet" is not called again: see `Outcome.waits`.
    An `async def process` runs on a new event loop. `KeyboardInterrupt` is passed on.
    Signal listeners receive `context` as `execution_context`.
    """
    hooks = hooks_of(About(spec.name, "", call.run_id, context=context))
    first: float | None = None
    while True:
        hooks.began(spec, call)
        outcome = run_attempt(spec, call)
        hooks.attempt_ended(spec, call, outcome)
        first = outcome.started_at if first is None else first
        if outcome.retry_after is None or (outcome.waits and not polls):
            return outcome._replace(started_at=first)
        wait, call = outcome.retry_after, call.after(outcome)
        del outcome  # Its exception would keep the local variables of the event alive.
        sleep(wait)


def _try_out(event_class: type[EventBase], previous_result: Any, inputs: dict[str, Any]) -> Outcome:
    """See `EventBase.try_out`."""
    name = event_class.__name__
    spec = spec_of(name, event_class)
    missing = [argument for argument in spec.requires if argument not in inputs]
    if missing:
        raise EventDefinitionError(
            f"process of {name} requires the argument '{missing[0]}': "
            f"{name}.try_out({missing[0]}=…)"
        )
    if previous_result is not None:
        spec = spec.receives_from("try_out")
    call = Call(name, "try-out", inputs, previous_result)
    return run_event(spec, call, sleep=lambda seconds: None, polls=False)


base.try_out = _try_out

"""Settings of one event for Prefect: `prefect = {…}` on its class, or in `@event`."""

from __future__ import annotations

import copy
import inspect
import string
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prefect import Task

from volnux.errors import did_you_mean
from volnux.events.given import ArgumentError
from volnux.events.outcome import Call
from volnux.events.spec import EventSpec
from volnux_prefect.completionhooks import CompletionHooks
from volnux_prefect.tasktargets import OwnName, is_native, target_of

__all__ = ["OptionFault", "named", "option_faults", "options_of"]

_OWNED = {
    "fn": "put the code into `process`",
    "name": "the task has the name of the event; use task_run_name for its runs",
    "retries": "set the attempts in the flow, as in `Load * 3`, or in retry_policy",
    "retry_delay_seconds": "set backoff_factor and max_backoff in retry_policy",
    "retry_condition_fn": "set retry_on_exceptions or exclude_exceptions in retry_policy",
    "timeout_seconds": "set `timeout` on the event, or [timeout=30] in the flow",
    "cache_policy": "use can_bypass to skip the event if there is nothing to do",
    "cache_key_fn": "use can_bypass to skip the event if there is nothing to do",
    "cache_expiration": "use can_bypass to skip the event if there is nothing to do",
    "refresh_cache": "results of events are never read from a cache",
    "result_storage_key": "each run has its own key",
    "viz_return_value": "draw the flow with `volnux graph`",
}
"""Options of `@task` that the translation sets itself, and what to do instead."""

_ALLOWED = [
    name for name in inspect.signature(Task.__init__).parameters if name not in {"self", *_OWNED}
]


class OptionFault(NamedTuple):
    """A setting that is not allowed for an event."""

    message: str
    hint: str | None = None


def options_of(spec: EventSpec) -> dict[str, Any]:
    """The arguments of `Task` that an event sets, without those that `option_faults` reports."""
    options = dict(spec.event_class.prefect)
    options.pop("task_run_name", None)
    failed, completed = options.get("on_failure") or (), options.get("on_completion") or ()
    # Any other value is left for Prefect to reject.
    if isinstance(failed, Collection) and isinstance(completed, Collection):
        options["on_completion"] = CompletionHooks(failed, completed)
    return options


def option_faults(
    spec: EventSpec, inputs: Iterable[str], make: Callable[[], object]
) -> Iterator[OptionFault]:
    """The faults in the settings of an event.

    Args:
        spec: the event.
        inputs: the names of the flow's inputs.
        make: a function that creates the task, so that Prefect checks the values.
    """
    options: Mapping[str, Any] = spec.event_class.prefect
    wrong = False
    for name in options:
        if name in _ALLOWED:
            continue
        wrong = True
        if name in _OWNED:
            yield OptionFault(f"prefect of {spec.name} cannot set {name!r}", _OWNED[name])
            continue
        hint = did_you_mean(name, _ALLOWED, f"known: {', '.join(_ALLOWED)}")
        yield OptionFault(f"prefect's tasks have no option {name!r} ({spec.name})", hint)
    if isinstance(options.get("tags"), str):
        wrong = True
        yield OptionFault(f"tags of {spec.name} must be a list of strings", "write ['a', 'b']")
    template = options.get("task_run_name")
    if isinstance(template, str):
        yield from _name_faults(spec, template, inputs)
    elif template is not None and not callable(template):
        yield OptionFault(f"task_run_name of {spec.name} must be a string or a function")
    if wrong or not options:
        return
    try:
        make()
    except Exception as error:  # noqa: BLE001 - Prefect may raise any exception here
        yield OptionFault(f"prefect of {spec.name}: {_first_line(error)}")


def named(spec: EventSpec, task: Task[Any, Any], call: Call) -> Task[Any, Any]:
    """Return the task of a place, with the task run name that the event sets for this run.

    Args:
        spec: the event.
        task: the task. Its runs have the name of the place.
        call: the attempt that the task will make.
    """
    name: Any = spec.event_class.prefect.get("task_run_name")
    native = target_of(spec).task if is_native(spec) else None
    if native is not None and native.task_run_name is not None:
        own = copy.copy(task)
        vars(own)["task_run_name"] = OwnName(native.task_run_name, str(task.task_run_name))
        return own
    if name is None:
        return task
    if not callable(name):
        try:
            inputs = spec.inputs(call)
        except ArgumentError:
            return task  # the attempt fails with this error
        name = name.format(**{**inputs, "place": task.task_run_name})
        # Prefect formats the name again.
        name = name.replace("{", "{{").replace("}", "}}")
    own = copy.copy(task)
    own.task_run_name = name
    return own


def _name_faults(spec: EventSpec, template: str, inputs: Iterable[str]) -> Iterator[OptionFault]:
    known = {*inputs, "place"}
    said = f"task_run_name of {spec.name}"
    try:
        fields = [
            field for _, field, _, _ in string.Formatter().parse(template) if field is not None
        ]
    except ValueError as error:
        yield OptionFault(f"{said}: {error}", "write {{ and }} for braces")
        return
    for field in fields:
        name = field.partition(".")[0].partition("[")[0]
        if name not in known:
            hint = f"names: {', '.join(sorted(known))}"
            yield OptionFault(f"{said} uses a name that the flow does not have: {name!r}", hint)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__

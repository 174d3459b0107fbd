"""What an event of `task_event` runs on Prefect: a task run of that task, or a run of that flow."""

from __future__ import annotations

import copy
import inspect
import weakref
from dataclasses import dataclass, field
from typing import Any

from prefect import Flow, Task
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.exceptions import CancelledRun, CrashedRun, FailedRun

from volnux.events.base import EventDefinitionError
from volnux.events.given import NOTHING
from volnux.events.native import NativeEvent
from volnux.events.outcome import Call, Outcome
from volnux.events.parameters import Parameters, parameters_of
from volnux.events.run import run_attempt
from volnux.events.spec import EventSpec
from volnux.masking import hide
from volnux_prefect import compat
from volnux_prefect.completionhooks import CompletionHooks
from volnux_prefect.taskevents import load_target

__all__ = [
    "OwnName",
    "Target",
    "cached_outcome",
    "is_native",
    "native_spec",
    "own_task",
    "target_of",
]


@dataclass(frozen=True)
class Target:
    """A task or flow that an event runs.

    Attributes:
        found: the task or flow.
        event_class: the class of the event, whose `process` calls its function.
        parameters: the parameters of its function.
    """

    found: Task[Any, Any] | Flow[Any, Any]
    event_class: type[NativeEvent]
    parameters: Parameters

    @property
    def task(self) -> Task[Any, Any] | None:
        """The task; None for a flow."""
        return self.found if isinstance(self.found, Task) else None


_TARGETS: weakref.WeakKeyDictionary[type, Target] = weakref.WeakKeyDictionary()


def is_native(spec: EventSpec) -> bool:
    """Whether an event runs a task or flow of Prefect."""
    native = getattr(spec.event_class, "native", None)
    return native is not None and native.backend == "prefect"


def target_of(spec: EventSpec) -> Target:
    """The task or flow that an event runs.

    Raises:
        EventDefinitionError: there is none, or it cannot be an event.
    """
    event_class: Any = spec.event_class
    if event_class not in _TARGETS:
        _TARGETS[event_class] = _target(event_class)
    return _TARGETS[event_class]


def _target(event_class: type[NativeEvent]) -> Target:
    where = event_class.native.target
    found = load_target(event_class)
    if not isinstance(found, Task | Flow):
        raise EventDefinitionError(
            f"{where} is not a task or flow: decorate it with `@task` or `@flow` of Prefect"
        )
    function = found.fn
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise EventDefinitionError(f"{where} yields, and an event cannot do this: return a list")
    call: Any = function if isinstance(found, Task) else found
    if inspect.iscoroutinefunction(function):

        async def process_async(self: Any, **arguments: Any) -> tuple[bool, Any]:
            return True, _value(await call(**arguments))

        process: Any = process_async
    else:

        def process_here(self: Any, **arguments: Any) -> tuple[bool, Any]:
            return True, _value(call(**arguments))

        process = process_here
    made = type(event_class.__name__, (event_class,), {"process": process})
    return Target(found, made, parameters_of(made, function, bound=False))


def native_spec(spec: EventSpec) -> EventSpec:
    """The spec with a `process` that calls the task or flow; the same spec for other events."""
    if not is_native(spec):
        return spec
    target = target_of(spec)
    made = spec.copy()
    made.event_class = target.event_class
    made.is_async = inspect.iscoroutinefunction(target.event_class.process)
    named = target.parameters
    made.named, made._previous, made.extra, made.requires = named
    if made.timeout is None and target.task is not None:
        made.timeout = target.task.timeout_seconds
    return made


def own_task(spec: EventSpec) -> Task[Any, Any] | None:
    """A copy of the task that an event runs, without its own retries; None for other events."""
    task = target_of(spec).task if is_native(spec) else None
    if task is None:
        return None
    own = copy.copy(task)
    # These are what Prefect reads from the function; the event calls it.
    own.isasync = own.isgenerator = False
    own.timeout_seconds = own.retry_jitter_factor = None
    policy = task.cache_policy
    vars(own)["cache_policy"] = OfTarget.around(policy if isinstance(policy, CachePolicy) else None)
    own.on_completion_hooks = CompletionHooks(task.on_failure_hooks, task.on_completion_hooks)
    return own


def cached_outcome(spec: EventSpec, call: Call, result: Any) -> Outcome:
    """The outcome of an event whose task run had a cached result, which its conditions judge."""

    def process(self: Any, **_: Any) -> tuple[bool, Any]:
        return True, result

    made = native_spec(spec).copy()
    made.event_class = type(spec.event_class.__name__, (made.event_class,), {"process": process})
    made.is_async = False
    return run_attempt(made, call._replace(carrier=None))._replace(retry_after=None, bypassed=True)


def _value(returned: Any) -> Any:
    """The result of a function that may return a state, as those of Prefect may."""
    if not isinstance(returned, State):
        return returned
    value = compat.result_of(returned)
    kinds = (
        (returned.is_failed(), FailedRun),
        (returned.is_crashed(), CrashedRun),
        (returned.is_cancelled(), CancelledRun),
    )
    for ended, error in kinds:
        if ended:
            if isinstance(value, BaseException):
                raise value
            raise error(returned.message or f"it returned the state {returned.name}")
    return value


@dataclass
class OfTarget(compat.OwnKey):
    """The cache policy of a task with the arguments of its function, not those of our task."""

    own: CachePolicy | None = field(default=None)

    @classmethod
    def around(cls, own: CachePolicy | None) -> OfTarget:
        """Wrap the policy of a task; None if it has none."""
        made = cls(own=own)
        if own is not None:
            made.key_storage = own.key_storage
            made.isolation_level = own.isolation_level
            made.lock_manager = own.lock_manager
        return made

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """The key of the task's own policy."""
        if self.own is None:
            return None
        return self.own.compute_key(task_ctx, _arguments(inputs), flow_parameters, **kwargs)


class OwnName:
    """The `task_run_name` of a task, with the arguments of its function.

    Args:
        name: a template or a function.
        place: the place, if the name cannot be made.
    """

    def __init__(self, name: Any, place: str) -> None:
        self._name = name
        self._place = place

    def __call__(self, parameters: dict[str, Any]) -> str:
        """The name of a task run with these parameters."""
        try:
            arguments = _arguments(parameters)
            if isinstance(self._name, str):
                return hide(self._name.format(**arguments))
            takes = inspect.signature(self._name).parameters
            return hide(str(self._name(parameters=arguments) if takes else self._name()))
        except Exception as error:  # noqa: BLE001 - the name is the user's code
            compat.run_logger().warning("%s has no other name: %s", self._place, error)
            return self._place


def _arguments(parameters: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the function of an event, from the parameters of its task run."""
    work = parameters["upstream"].open()
    spec, call = native_spec(work.spec), work.call
    inputs = spec.inputs(call)
    resolved = NOTHING if spec.given is None else spec.given.resolve(call, inputs, spec.reader)
    previous = call.previous_result
    if spec.receiver is not None:
        previous = spec.receiver.read(previous)
    return spec.keywords(inputs, previous, resolved)

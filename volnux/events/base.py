"""Events: the classes and functions that do a pipeline's work."""

from __future__ import annotations

import copyreg
import datetime as dt
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, cast, overload

from volnux.errors import VolnuxError, nearest
from volnux.events.executors import DefaultExecutor
from volnux.imported import imported
from volnux.pointy.tree import Evaluation

if TYPE_CHECKING:
    from volnux.events.outcome import Outcome

__all__ = [
    "EVENT_ATTRIBUTE",
    "EventBase",
    "EventDefinitionError",
    "EventExecutionEvaluationState",
    "EventReturnError",
    "FunctionEvent",
    "Goto",
    "NotPortableError",
    "NotSentError",
    "WorkerLost",
    "check_init",
    "event",
    "event_class_of",
]

EventExecutionEvaluationState = Evaluation
"""When the parallel group that an event ends is done (the name of the reference texts)."""

EVENT_ATTRIBUTE = "__volnux_event__"
"""The attribute of a decorated function that holds its event class."""


class EventDefinitionError(VolnuxError, TypeError):
    """An event class or function is defined in a way that cannot work."""


class WorkerLost(VolnuxError):
    """The worker that ran an event died, or the way to it; retried as the event's policy says."""

    __module__ = "volnux"


class NotSentError(VolnuxError, TypeError):
    """An event, its inputs or its result cannot be sent to or from a worker process."""

    __module__ = "volnux"


class EventReturnError(VolnuxError, TypeError):
    """`process` did not return a pair `(descriptor, result)`, or `can_bypass` none of its own."""

    __module__ = "volnux"


class NotPortableError(VolnuxError, TypeError):
    """A result is not JSON, in a run that passes results as JSON."""

    __module__ = "volnux"


class Goto(BaseException):
    """How `self.goto(…)` leaves `process`; no `except Exception` of an event stops it."""

    def __init__(self, descriptor: int, result: Any) -> None:
        super().__init__(descriptor, result)
        self.descriptor = descriptor
        self.result = result


class EventBase:
    """Base class of events: override `process`.

    Class attributes (all optional):
        executor: where it runs: a `concurrent.futures.Executor` class, or a name or URL.
        executor_config: an `ExecutorInitializerConfig`, or a dict of its fields.
        retry_policy: a `RetryPolicy`, or a dict of its fields.
        execution_evaluation_state: when the parallel group that this event ends is done.
        conditions: `{3: predicate}`: after a success the first predicate, in ascending order,
            that is true of the result makes its number the descriptor.
        timeout: how many seconds one attempt may take; `[timeout=]` in the flow replaces it.
        stop_on_exception: an exception left after the last attempt ends the whole run.
        airflow: arguments for the operator of this event's tasks on Airflow, such as
            `{"owner": "data", "queue": "large"}`. Other backends ignore them.
        prefect: the same for its tasks on Prefect, such as `{"log_prints": True}`.

    Inside `process` an event knows `task_id` (its place in the flow), `run_id`, `attempt`
    (1, 2, …), `inputs` (all inputs of the run, by name), `previous_result` (what was piped),
    `arguments` (what the flow gives it at this place, by name) and `scheduled_at` (the instant that
    the run stands for, aware, in the pipeline's time zone).
    """

    executor: ClassVar[Any] = DefaultExecutor
    executor_config: ClassVar[Any] = None
    retry_policy: ClassVar[Any] = None
    execution_evaluation_state: ClassVar[Evaluation] = Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS
    conditions: ClassVar[Mapping[int, Callable[[Any], bool]]] = {}
    timeout: ClassVar[float | None] = None
    stop_on_exception: ClassVar[bool] = False
    airflow: ClassVar[Mapping[str, Any]] = {}
    prefect: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        task_id: str = "",
        run_id: str = "",
        attempt: int = 1,
        inputs: Mapping[str, Any] | None = None,
        previous_result: Any = None,
        scheduled_at: dt.datetime | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.task_id = task_id
        self.run_id = run_id
        self.attempt = attempt
        self.inputs = {} if inputs is None else inputs
        self.previous_result = previous_result
        self.scheduled_at = dt.datetime.now(dt.UTC) if scheduled_at is None else scheduled_at
        self.arguments = {} if arguments is None else arguments

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_init(cls)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.task_id} attempt {self.attempt}>"

    def process(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; return `(descriptor, result)`, where True is 1 and False is 0.

        Arguments that bear the names of inputs receive those values; one named
        `previous_result` receives what was piped. May be a coroutine function.
        """
        raise NotImplementedError

    def can_bypass(self) -> tuple[bool, Any]:
        """Whether `process` is not needed: `(True, result)` skips it and succeeds with result."""
        return False, None

    def goto(self, descriptor: int, result: Any = None) -> NoReturn:
        """End this event now with a descriptor and a result; never returns."""
        raise Goto(descriptor, result)

    @classmethod
    def try_out(cls, /, *, previous_result: Any = None, **inputs: Any) -> Outcome:
        """Run this event alone, with all its attempts but without the waits between them.

        Args:
            previous_result: what is piped to it.
            inputs: the inputs of the run, by name.

        Raises:
            EventDefinitionError: the class makes no sense, or `process` requires an argument that
                is not among the inputs.
        """
        assert try_out is not None
        return try_out(cls, previous_result, inputs)


try_out: Callable[[type[EventBase], Any, dict[str, Any]], Outcome] | None = None
"""Runs an event alone; set by `volnux.events.trying`, which needs this module."""


def check_init(event_class: type[EventBase]) -> None:
    """Refuse a class whose `__init__`, or that of a mixin, would run in place of ours or never.

    A decorator such as `@dataclass` adds one after the class is made, so linking checks again.

    Raises:
        EventDefinitionError: there is such an `__init__`.
    """
    for owner in event_class.__mro__:
        own = vars(owner)
        if owner in (EventBase, object) or "__init__" not in own or own.get("_is_protocol"):
            continue
        advice = (
            "volnux creates an event anew for each attempt. Use class attributes for settings, and "
            "arguments of process for what differs from run to run"
        )
        if "__dataclass_fields__" in own or "__attrs_attrs__" in own:
            kind = "a dataclass" if "__dataclass_fields__" in own else "an attrs class"
            what = f"must not be {kind}"
        elif owner is event_class:
            what = "must not define __init__"
        else:
            what = f"must not inherit __init__ from {owner.__name__}"
        raise EventDefinitionError(f"event {event_class.__name__} {what}: {advice}")


class _FunctionEventType(type):
    """The type of the classes of functions, which are pickled by way of their functions."""


def _class_and_function(class_: Any) -> tuple[Any, ...]:
    if class_ is FunctionEvent:
        return getattr, (imported(__name__), "FunctionEvent")
    return event_class_of, (class_.function,)


copyreg.pickle(_FunctionEventType, _class_and_function)


class FunctionEvent(EventBase, metaclass=_FunctionEventType):
    """Base of the class that `@event` makes of a function."""

    function: ClassVar[Callable[..., Any]]
    attributes: ClassVar[Mapping[str, Any]]


_F = TypeVar("_F", bound=Callable[..., Any])


@overload
def event(function: _F, /) -> _F: ...
@overload
def event(
    *,
    executor: Any = ...,
    max_workers: int | None = ...,
    max_tasks_per_child: int | None = ...,
    thread_name_prefix: str | None = ...,
    retry_policy: Any = ...,
    timeout: float | None = ...,
    stop_on_exception: bool = ...,
    execution_evaluation_state: Evaluation | None = ...,
    conditions: Mapping[int, Callable[[Any], bool]] | None = ...,
    airflow: Mapping[str, Any] | None = ...,
    prefect: Mapping[str, Any] | None = ...,
) -> Callable[[_F], _F]: ...


def event(
    function: Any = None,
    /,
    *,
    executor: Any = None,
    max_workers: int | None = None,
    max_tasks_per_child: int | None = None,
    thread_name_prefix: str | None = None,
    retry_policy: Any = None,
    timeout: float | None = None,
    stop_on_exception: bool = False,
    execution_evaluation_state: Evaluation | None = None,
    conditions: Mapping[int, Callable[[Any], bool]] | None = None,
    airflow: Mapping[str, Any] | None = None,
    prefect: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> Any:
    """Make an event of a function; the function stays callable as it is.

    Use it as `@event` or `@event(…)`. The arguments are the class attributes of `EventBase`, with
    the fields of `executor_config` on their own. A first parameter named `self` receives the
    event, with `goto`, `attempt` and the rest.

    Raises:
        EventDefinitionError: an argument is unknown, or this is not a function.
    """
    settings = {
        "max_workers": max_workers,
        "max_tasks_per_child": max_tasks_per_child,
        "thread_name_prefix": thread_name_prefix,
    }
    attributes = {
        "executor": executor,
        "executor_config": {k: v for k, v in settings.items() if v is not None} or None,
        "retry_policy": retry_policy,
        "timeout": timeout,
        "stop_on_exception": stop_on_exception,
        "conditions": conditions or {},
        "airflow": {} if airflow is None else airflow,
        "prefect": {} if prefect is None else prefect,
    }
    for name in unknown:
        known = [*settings, *attributes, "execution_evaluation_state"]
        close = nearest(name, known)
        hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(sorted(known))}"
        raise EventDefinitionError(f"@event has no argument {name!r}; {hint}")
    if execution_evaluation_state is not None:
        attributes["execution_evaluation_state"] = execution_evaluation_state

    def decorate(function: _F) -> _F:
        if not inspect.isfunction(function):
            raise EventDefinitionError(f"@event must decorate a function, not {function!r}")
        setattr(function, EVENT_ATTRIBUTE, _class_for(function, attributes))
        return function

    return decorate if function is None else decorate(function)


def _class_for(function: Callable[..., Any], attributes: Mapping[str, Any]) -> type[FunctionEvent]:
    bound = next(iter(inspect.signature(function).parameters), None) == "self"
    class_: Any = _FunctionEventType(
        function.__name__,
        (FunctionEvent,),
        {
            **attributes,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
            "function": staticmethod(function),
            "attributes": attributes,
            "process": function if bound else staticmethod(function),
        },
    )
    return cast("type[FunctionEvent]", class_)


def event_class_of(target: object) -> type[EventBase] | None:
    """The event class that an object of a module stands for; None where it is no event."""
    if isinstance(target, type):
        if issubclass(target, EventBase) and target not in (EventBase, FunctionEvent):
            return target
        return None
    if not inspect.isfunction(target):
        return None
    class_ = target.__dict__.get(EVENT_ATTRIBUTE)
    if not (isinstance(class_, type) and issubclass(class_, FunctionEvent)):
        return None
    if class_.function is not target:
        # A decorator above @event that copied the marks of what it wraps: it is part of the event.
        class_ = _class_for(target, class_.attributes)
        setattr(target, EVENT_ATTRIBUTE, class_)
    return class_

"""Events: the classes and functions that do the work of a pipeline."""

from __future__ import annotations

import copyreg
import datetime as dt
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, cast, overload

from volnux.errors import VolnuxError, did_you_mean
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
    "NotSentError",
    "NotYet",
    "WorkerLost",
    "check_init",
    "event",
    "event_class_of",
    "not_yet",
]

EventExecutionEvaluationState = Evaluation
"""The rule by which a parallel group is done; another name of `Evaluation`."""

EVENT_ATTRIBUTE = "__volnux_event__"
"""The attribute of a decorated function that holds its event class."""


class EventDefinitionError(VolnuxError, TypeError):
    """An event class or function is defined in a way that cannot work."""


class WorkerLost(VolnuxError):
    """The worker of an event died or became unreachable; the event's retry policy applies."""

    __module__ = "volnux"


class NotSentError(VolnuxError, TypeError):
    """An event, its inputs or its result cannot be sent to or from a worker process."""

    __module__ = "volnux"


class EventReturnError(VolnuxError, TypeError):
    """The value that `process` or `can_bypass` returned is not a valid pair."""

    __module__ = "volnux"


class Goto(BaseException):
    """Raised by `self.goto(…)` to leave `process`; `except Exception` does not catch it."""

    def __init__(self, descriptor: int, result: Any) -> None:
        super().__init__(descriptor, result)
        self.descriptor = descriptor
        self.result = result


class NotYet(BaseException):
    """Raised by an event that waits for something: it is called again after `every` seconds.

    `self.not_yet(…)` and `not_yet(…)` raise it; `except Exception` does not catch it.
    """

    __module__ = "volnux"

    is_poll: ClassVar[bool] = True
    """Whether reports count the call as a poll."""

    def __init__(self, reason: object = "") -> None:
        super().__init__(reason)
        self.reason = reason


def not_yet(reason: object = "") -> NoReturn:
    """Leave the event now, and have it called again after `every` seconds; never returns.

    Args:
        reason: what it waits for. It is shown while the event waits, and in the failure if the
            event still waits after `within` seconds.
    """
    raise NotYet(reason)


class EventBase:
    """Base class of events: override `process`.

    Class attributes (all optional):
        executor: where the event runs: a `concurrent.futures.Executor` class, a name or a URL.
        executor_config: an `ExecutorInitializerConfig`, or a dict of its fields.
        retry_policy: a `RetryPolicy`, or a dict of its fields.
        execution_evaluation_state: the rule by which a parallel group is done if this event is the
            last one in it.
        conditions: `{3: predicate}`. After a success, the predicates are called with the result, in
            ascending order of their numbers; the first that returns true sets the descriptor.
        timeout: the maximum duration of one call in seconds; `[timeout=]` in the flow overrides
            it.
        every: seconds between two calls of an event that says "not yet"; `[every=]` in the flow
            overrides it.
        within: seconds from the first call after which an event that still says "not yet" has
            failed; `[within=]` in the flow overrides it.
        stop_on_exception: if true, the whole run ends when the last attempt raises an exception.
        airflow: arguments for the operator of this event's tasks on Airflow, such as
            `{"owner": "data", "queue": "large"}`. Other backends ignore them.
        prefect: arguments for this event's tasks on Prefect, such as `{"log_prints": True}`. Other
            backends ignore them.

    Inside `process`, these attributes are set: `task_id` (the place in the flow), `run_id`,
    `attempt` (1, 2, …), `inputs` (all inputs of the run, by name), `previous_result` (the piped
    value), `arguments` (the arguments in the flow, by name), `scheduled_at` (the instant of the
    run, aware, in the pipeline's time zone), `index` (in a unit with `each`, the indices of the
    items, starting with the outermost `each`; otherwise empty) and `polls` (how many calls of this
    event have said "not yet").
    """

    executor: ClassVar[Any] = DefaultExecutor
    executor_config: ClassVar[Any] = None
    retry_policy: ClassVar[Any] = None
    execution_evaluation_state: ClassVar[Evaluation] = Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS
    conditions: ClassVar[Mapping[int, Callable[[Any], bool]]] = {}
    timeout: ClassVar[float | None] = None
    every: ClassVar[float] = 60.0
    within: ClassVar[float] = 86_400.0
    stop_on_exception: ClassVar[bool] = False
    airflow: ClassVar[Mapping[str, Any]] = {}
    prefect: ClassVar[Mapping[str, Any]] = {}
    index: tuple[int, ...] = ()
    polls: int = 0
    asks_a_person: ClassVar[bool] = False

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
        """Do the work and return `(descriptor, result)`; True means 1 and False means 0.

        An argument with the name of an input receives that input. An argument named
        `previous_result` receives the piped value. It may be a coroutine function.
        """
        raise NotImplementedError

    def can_bypass(self) -> tuple[bool, Any]:
        """Whether to skip `process`: `(True, result)` skips it and succeeds with that result."""
        return False, None

    def goto(self, descriptor: int, result: Any = None) -> NoReturn:
        """End this event now with a descriptor and a result; never returns."""
        raise Goto(descriptor, result)

    def not_yet(self, reason: object = "") -> NoReturn:
        """Leave `process` now, and have it called again after `every` seconds; never returns.

        Args:
            reason: what the event waits for; see `volnux.not_yet`.
        """
        raise NotYet(reason)

    @classmethod
    def try_out(cls, /, *, previous_result: Any = None, **inputs: Any) -> Outcome:
        """Run this event alone, with all its attempts, without waiting between them.

        An event that says "not yet" is not called again: see `Outcome.waits`.

        Args:
            previous_result: the piped value.
            inputs: the inputs of the run, by name.

        Raises:
            EventDefinitionError: the class is not valid, or `process` requires an argument that is
                not among the inputs.
        """
        assert try_out is not None
        return try_out(cls, previous_result, inputs)


try_out: Callable[[type[EventBase], Any, dict[str, Any]], Outcome] | None = None
"""Runs an event alone; set by `volnux.events.trying`, which needs this module."""


def check_init(event_class: type[EventBase]) -> None:
    """Refuse a class that defines or inherits another `__init__` than that of `EventBase`.

    A decorator such as `@dataclass` adds one after the class is made, so linking checks again.

    Raises:
        EventDefinitionError: the class has such an `__init__`.
    """
    for owner in event_class.__mro__:
        own = vars(owner)
        if owner in (EventBase, object) or "__init__" not in own or own.get("_is_protocol"):
            continue
        advice = (
            "volnux creates a new object for each attempt. Use class attributes for settings, and "
            "arguments of process for values that differ from run to run"
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
    """The metaclass of events made from functions; it lets them be pickled as their functions."""


def _class_and_function(class_: Any) -> str | tuple[Any, ...]:
    if class_ is FunctionEvent:
        return getattr, (imported(__name__), "FunctionEvent")
    if "function" not in vars(class_):
        # It derives from the class of a function, and has a name of its own.
        return str(class_.__qualname__)
    return event_class_of, (class_.function,)


copyreg.pickle(_FunctionEventType, _class_and_function)


class FunctionEvent(EventBase, metaclass=_FunctionEventType):
    """Base class of the event classes that `@event` creates."""

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
    every: float = ...,
    within: float = ...,
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
    every: float = EventBase.every,
    within: float = EventBase.within,
    stop_on_exception: bool = False,
    execution_evaluation_state: Evaluation | None = None,
    conditions: Mapping[int, Callable[[Any], bool]] | None = None,
    airflow: Mapping[str, Any] | None = None,
    prefect: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> Any:
    """Turn a function into an event; the function itself can still be called as before.

    Use it as `@event` or `@event(…)`. The arguments are the class attributes of `EventBase`; the
    fields of `executor_config` are separate arguments. If the first parameter is named `self`, it
    receives the event object, with `goto`, `attempt` and so on.

    Raises:
        EventDefinitionError: an argument is unknown, or the decorated object is not a function.
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
        "every": every,
        "within": within,
        "stop_on_exception": stop_on_exception,
        "conditions": conditions or {},
        "airflow": {} if airflow is None else airflow,
        "prefect": {} if prefect is None else prefect,
    }
    for name in unknown:
        known = [*settings, *attributes, "execution_evaluation_state"]
        hint = did_you_mean(name, known, f"it takes {', '.join(sorted(known))}")
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
    """The event class of an object in a module, or None if the object is not an event."""
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
        # A decorator above @event copied the function's attributes: it becomes part of the event.
        class_ = _class_for(target, class_.attributes)
        setattr(target, EVENT_ATTRIBUTE, class_)
    return class_

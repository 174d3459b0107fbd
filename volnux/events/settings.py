"""Reads the settings of an event class, and refuses those that cannot work."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from volnux.errors import nearest
from volnux.events.base import EventBase, EventDefinitionError, FunctionEvent, check_init
from volnux.pointy.options import LONGEST_TIMEOUT
from volnux.pointy.tree import Evaluation

__all__ = [
    "check_bypass",
    "check_class",
    "check_index",
    "check_settings",
    "conditions_of",
    "seconds_of",
    "timeout_of",
    "without_effect",
]

_HOSTS = ("airflow", "prefect")
_SETTINGS = (
    "executor",
    "executor_config",
    "retry_policy",
    "execution_evaluation_state",
    "conditions",
    "timeout",
    "every",
    "within",
    "stop_on_exception",
    *_HOSTS,
)
_METHODS = ("process", "can_bypass")
_ELSEWHERE = {
    "retries": "retry_policy = {'max_attempts': …}",
    "max_retries": "retry_policy = {'max_attempts': …}",
    "execution_timeout": "timeout = …",
    "poke_interval": "every = …",
    "poll_interval": "every = …",
    "timeout_seconds": "timeout = …",
    **dict.fromkeys(
        ("max_attempts", "backoff_factor", "max_backoff", "retry_on_exceptions"),
        "retry_policy = {'NAME': …}",
    ),
    **dict.fromkeys(
        ("max_workers", "max_tasks_per_child", "thread_name_prefix"),
        "executor_config = {'NAME': …}",
    ),
}
"""Names from other tools, or of nested settings, with the setting to use instead."""

_checked: weakref.WeakSet[type[EventBase]] = weakref.WeakSet()
"""The classes that passed the check: one class may be at many places of many flows."""

_SET_ON_INSTANCES = ("task_id", "run_id", "attempt", "inputs", "previous_result")


def check_class(event_class: type[EventBase]) -> None:
    """Refuse a class whose instances volnux cannot create or set attributes on.

    Raises:
        EventDefinitionError: the message says what is wrong.
    """
    if event_class in _checked:
        return
    check_init(event_class)
    name = event_class.__name__
    for attribute in _SET_ON_INSTANCES:
        if inspect.getattr_static(event_class, attribute, None) is not None:
            raise EventDefinitionError(
                f"event {name} defines {attribute}, which volnux sets on every event: rename it"
            )
    if _defines(event_class, "polls"):
        raise EventDefinitionError(
            f"event {name} defines polls, which volnux sets on every event that waits: rename it"
        )
    missing = sorted(getattr(event_class, "__abstractmethods__", ()))
    if missing:
        raise EventDefinitionError(
            f"event {name} is abstract: it does not define {', '.join(missing)}"
        )
    if event_class.__new__ is not object.__new__:
        raise EventDefinitionError(
            f"event {name} must not define __new__, nor inherit from a class that does (Enum, "
            "tuple, …): volnux creates a new object for each attempt"
        )
    try:
        event_class("", "", 1, {}, None)
    except Exception as error:
        # A metaclass, or a base such as pydantic's BaseModel, may raise anything.
        raise EventDefinitionError(
            f"event {name} cannot be created ({type(error).__name__}: {error}): derive it from "
            "EventBase alone, and keep models and other classes in attributes"
        ) from error
    _checked.add(event_class)


def check_index(event_class: type[EventBase]) -> None:
    """Refuse a class in an `each` that uses the name `index` for something of its own.

    Raises:
        EventDefinitionError: the class, or a class that it inherits from, defines `index`.
    """
    if _defines(event_class, "index"):
        raise EventDefinitionError(
            f"event {event_class.__name__} defines index, which volnux sets on every event in an "
            "'each': rename it"
        )


def _defines(event_class: type[EventBase], attribute: str) -> bool:
    """Whether a class, or one that it inherits from, overrides an attribute of `EventBase`."""
    return any(attribute in vars(base) for base in event_class.__mro__ if base is not EventBase)


def check_settings(name: str, event_class: type[EventBase]) -> None:
    """Refuse settings with a wrong type that no other function here checks.

    Raises:
        EventDefinitionError: the message calls the event `name`, as in the flow.
    """
    state = event_class.execution_evaluation_state
    if not isinstance(state, Evaluation):
        raise EventDefinitionError(
            f"execution_evaluation_state of {name} must be a member of "
            f"EventExecutionEvaluationState, found {state!r}"
        )
    if not isinstance(event_class.stop_on_exception, bool):
        raise EventDefinitionError(
            f"stop_on_exception of {name} must be True or False, "
            f"found {event_class.stop_on_exception!r}"
        )
    for host in _HOSTS:
        _check_host_settings(event_class, host)


def check_bypass(event_class: type[EventBase]) -> None:
    """Refuse a `can_bypass` that is a coroutine function."""
    if event_class.can_bypass is EventBase.can_bypass:
        return
    bypass = inspect.getattr_static(event_class, "can_bypass")
    if inspect.iscoroutinefunction(getattr(bypass, "__func__", bypass)):
        raise EventDefinitionError(
            f"event {event_class.__name__}: can_bypass must be a plain method, because nothing "
            "awaits it: write `def can_bypass(self)`, or do the check in process"
        )


def timeout_of(event_class: type[EventBase]) -> float | None:
    """The timeout of a class in seconds; None if there is no limit."""
    return None if event_class.timeout is None else seconds_of(event_class, "timeout")


def seconds_of(event_class: type[EventBase], name: str) -> float:
    """The value of `timeout`, `every` or `within` of a class, in seconds."""
    value = getattr(event_class, name)
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not 0 < value <= LONGEST_TIMEOUT
    ):
        raise EventDefinitionError(
            f"{name} of {event_class.__name__} must be a number of seconds above 0, such as 30 or "
            f"2.5, and at most {LONGEST_TIMEOUT}, found {value!r}"
        )
    return float(value)


def conditions_of(
    event_class: type[EventBase],
) -> tuple[tuple[int, Callable[[Any], bool]], ...]:
    """The conditions as pairs `(descriptor, predicate)`, in ascending order of descriptors."""
    conditions = event_class.conditions
    if not isinstance(conditions, Mapping):
        raise EventDefinitionError(
            f"conditions of {event_class.__name__} must be a dict {{3: predicate}}, "
            f"found {conditions!r}"
        )
    for number, predicate in conditions.items():
        if type(number) is not int or not 3 <= number <= 9:
            raise EventDefinitionError(
                f"conditions of {event_class.__name__}: a key must be a descriptor from 3 to 9, "
                f"found {number!r}"
            )
        if not callable(predicate):
            raise EventDefinitionError(
                f"conditions of {event_class.__name__}: the condition {number} must be a function "
                f"of the result, found {predicate!r}"
            )
        if inspect.iscoroutinefunction(predicate):
            raise EventDefinitionError(
                f"conditions of {event_class.__name__}: the condition {number} must be a plain "
                "function: nothing awaits an `async def` there"
            )
    return tuple(sorted(conditions.items()))


def without_effect(event_class: type[EventBase]) -> list[tuple[str, str]]:
    """Attributes of an event class that look like misspelt settings or methods.

    Returns:
        Each name with the most likely correct name or line.
    """
    if issubclass(event_class, FunctionEvent):
        return []  # @event has already checked its arguments
    bases = event_class.__mro__[: event_class.__mro__.index(EventBase)]
    own = {name: value for base in reversed(bases) for name, value in vars(base).items()}
    found = []
    for name, value in own.items():
        if name.startswith("_") or hasattr(EventBase, name):
            continue
        known = _METHODS if callable(value) and not isinstance(value, type) else _SETTINGS
        # If there is a `process` too, `processor` is not a misspelling. Names that cannot be
        # similar are left out first: comparing the rest imports a module that most runs do not
        # need.
        alike = [
            each
            for each in known
            if each not in own and each[0] == name[0].casefold() and abs(len(each) - len(name)) <= 2
        ]
        close = nearest(name, alike, most=1, cutoff=0.85) if alike else []
        if close:
            found.append((name, close[0]))
        elif name in _ELSEWHERE and known is _SETTINGS:
            found.append((name, _ELSEWHERE[name].replace("NAME", name)))
    return found


def _check_host_settings(event_class: type[EventBase], host: str) -> None:
    """Refuse host settings that are not a dict with names as keys; the adapter checks the names."""
    settings = getattr(event_class, host)
    if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
        raise EventDefinitionError(
            f"{host} of {event_class.__name__} must be a dict of settings by name, such as "
            f"{{'tags': ['nightly']}}, found {settings!r}"
        )

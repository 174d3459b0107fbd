"""An event as linking understood it: everything that running it needs, read once from its class."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from volnux.errors import nearest
from volnux.events.base import (
    EventBase,
    EventDefinitionError,
    FunctionEvent,
    check_init,
    event_class_of,
)
from volnux.events.executors import ExecutorSpec, executor_spec
from volnux.events.modules import at_home, current_home, is_shared
from volnux.events.retry import NO_RETRY, RetryPolicy
from volnux.pointy.options import LONGEST_TIMEOUT
from volnux.pointy.tree import Evaluation
from volnux.usercode import keep_stdin_open

__all__ = ["EventSpec", "spec_of", "without_effect"]


class EventSpec:
    """What running one place of an event needs.

    Attributes:
        name: the event's name as the flow writes it.
        target: the class or decorated function, as the module holds it.
        event_class: the class that is instantiated for each attempt.
        retry: the policy with the place's own factor put in.
        executor: where it runs.
        timeout: seconds that one attempt may take, or None.
        conditions: `(descriptor, predicate)` in ascending order.
        home: the folder whose modules plain names mean for this event; see `modules.at_home`.
        requires: names of arguments without a default, which must be inputs.

    A spec pickles by its target's module and name, as classes and functions do.
    """

    __slots__ = (
        "_extra",
        "_named",
        "_previous",
        "conditions",
        "event_class",
        "executor",
        "home",
        "is_async",
        "may_bypass",
        "name",
        "requires",
        "retry",
        "stop_on_exception",
        "target",
        "timeout",
    )

    def __init__(
        self,
        name: str,
        target: Any,
        retry: RetryPolicy,
        executor: ExecutorSpec,
        timeout: float | None = None,
        home: str | None = None,
    ) -> None:
        event_class = event_class_of(target)
        if event_class is None:
            raise EventDefinitionError(f"{target!r} is not an event")
        # Every process that runs an event makes its spec first.
        keep_stdin_open()
        self.name = name
        self.target = target
        self.event_class: type[EventBase] = event_class
        self.retry = retry
        self.executor = executor
        self.timeout = timeout
        self.home = home
        self.stop_on_exception = event_class.stop_on_exception
        self.may_bypass = event_class.can_bypass is not EventBase.can_bypass
        self.conditions = _conditions(event_class)
        _check_bypass(event_class)
        process = inspect.getattr_static(event_class, "process")
        function: Callable[..., Any] = getattr(process, "__func__", process)
        self.is_async = inspect.iscoroutinefunction(function)
        named, self._previous, self._extra, self.requires = _parameters(
            event_class, function, bound=not isinstance(process, staticmethod)
        )
        self._named = named

    def __reduce__(self) -> tuple[Any, ...]:
        # The function, not its class: a decorated function is what its module's name leads to.
        event: Any = (self.target, self.retry)
        if is_shared() and current_home() != self.home:
            # Whoever pickles this does not say whose modules the names mean.
            import pickle

            with at_home(self.home):
                event = pickle.dumps(event)
        return _read_spec, (self.name, event, self.timeout, self.home)

    def __repr__(self) -> str:
        return f"<EventSpec {self.name}>"

    def arguments(self, inputs: Mapping[str, Any], previous_result: Any) -> dict[str, Any]:
        """The keyword arguments of `process` for these inputs and what was piped."""
        if self._extra:
            arguments = dict(inputs)
        else:
            arguments = {name: inputs[name] for name in self._named if name in inputs}
        if self._previous:
            arguments["previous_result"] = previous_result
        return arguments


def _read_spec(name: str, event: Any, timeout: float | None, home: str | None) -> EventSpec:
    # Where the folder lies elsewhere on this machine, whoever reads this knows.
    home = current_home() or home
    if isinstance(event, bytes):
        import pickle

        with at_home(home):
            event = pickle.loads(event)
    target, retry = event
    return EventSpec(name, target, retry, ExecutorSpec(), timeout, home)


def spec_of(
    name: str,
    target: Any,
    *,
    factor: int | None = None,
    executor: str | None = None,
    timeout: float | None = None,
    home: str | None = None,
) -> EventSpec:
    """The spec of an event at one place of a flow.

    Args:
        name: the name in the flow.
        target: an event class or a decorated function.
        factor: the retry factor of the place; it replaces `max_attempts` of the policy.
        executor: the executor option of the place; it replaces the class's.
        timeout: the timeout option of the place, in seconds; it replaces the class's.
        home: the folder whose modules plain names mean for this event.

    Raises:
        VolnuxError: the class is defined in a way that cannot work.
    """
    event_class = event_class_of(target)
    if event_class is None:
        raise EventDefinitionError(f"{target!r} is not an event")
    _check_class(event_class)
    policy = event_class.retry_policy
    if policy is None:
        retry = NO_RETRY if factor is None else RetryPolicy(max_attempts=factor)
    else:
        retry = RetryPolicy.of(policy)
        if factor is not None:
            retry = retry.with_attempts(factor)
    where = executor_spec(executor or event_class.executor, event_class.executor_config)
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
    limit = _timeout(event_class) if timeout is None else timeout
    return EventSpec(name, target, retry, where, limit, home)


_checked: weakref.WeakSet[type[EventBase]] = weakref.WeakSet()
"""The classes that are known to be right: a class may stand at many places of many flows."""

_SET_ON_INSTANCES = ("task_id", "run_id", "attempt", "inputs", "previous_result")


def _check_class(event_class: type[EventBase]) -> None:
    """Refuse a class whose instances volnux could not create, or not fill in.

    Raises:
        EventDefinitionError: it says what is in the way.
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
    missing = sorted(getattr(event_class, "__abstractmethods__", ()))
    if missing:
        raise EventDefinitionError(
            f"event {name} is abstract: it does not define {', '.join(missing)}"
        )
    if event_class.__new__ is not object.__new__:
        raise EventDefinitionError(
            f"event {name} must not define __new__, nor inherit from a class that does (Enum, "
            "tuple, …): volnux creates an event anew for each attempt"
        )
    try:
        event_class("", "", 1, {}, None)
    except Exception as error:
        # A metaclass or a base such as pydantic's BaseModel may refuse anything.
        raise EventDefinitionError(
            f"event {name} cannot be created ({type(error).__name__}: {error}): derive it from "
            "EventBase alone, and keep models and other classes in attributes"
        ) from error
    _checked.add(event_class)


_HOSTS = ("airflow", "prefect")


def _check_host_settings(event_class: type[EventBase], host: str) -> None:
    """Refuse settings for a host that are no dict by name; the host's adapter checks the names."""
    settings = getattr(event_class, host)
    if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
        raise EventDefinitionError(
            f"{host} of {event_class.__name__} must be a dict of settings by name, such as "
            f"{{'tags': ['nightly']}}, found {settings!r}"
        )


def _timeout(event_class: type[EventBase]) -> float | None:
    value = event_class.timeout
    if value is None:
        return None
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not 0 < value <= LONGEST_TIMEOUT
    ):
        raise EventDefinitionError(
            f"timeout of {event_class.__name__} must be a number of seconds above 0, such as 30 or "
            f"2.5, and at most {LONGEST_TIMEOUT}, found {value!r}"
        )
    return float(value)


_SETTINGS = (
    "executor",
    "executor_config",
    "retry_policy",
    "execution_evaluation_state",
    "conditions",
    "timeout",
    "stop_on_exception",
    *_HOSTS,
)
_METHODS = ("process", "can_bypass")
_ELSEWHERE = {
    "retries": "retry_policy = {'max_attempts': …}",
    "max_retries": "retry_policy = {'max_attempts': …}",
    "execution_timeout": "timeout = …",
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
"""Names from other tools, or from one level further down, and where the setting belongs."""


def without_effect(event_class: type[EventBase]) -> list[tuple[str, str]]:
    """Attributes of an event class that look like misspelt settings or methods.

    Returns:
        Each name with the name, or the line, that was most likely meant.
    """
    if issubclass(event_class, FunctionEvent):
        return []  # @event has checked its arguments
    bases = event_class.__mro__[: event_class.__mro__.index(EventBase)]
    own = {name: value for base in reversed(bases) for name, value in vars(base).items()}
    found = []
    for name, value in own.items():
        if name.startswith("_") or hasattr(EventBase, name):
            continue
        known = _METHODS if callable(value) and not isinstance(value, type) else _SETTINGS
        # With a `process` beside it, `processor` is a name of its own. Names that cannot be alike
        # are left out first: comparing the others takes a module that most runs do without.
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


def _check_bypass(event_class: type[EventBase]) -> None:
    if event_class.can_bypass is EventBase.can_bypass:
        return
    bypass = inspect.getattr_static(event_class, "can_bypass")
    if inspect.iscoroutinefunction(getattr(bypass, "__func__", bypass)):
        raise EventDefinitionError(
            f"event {event_class.__name__}: can_bypass must be a plain method, because nothing "
            "awaits it: write `def can_bypass(self)`, or do the check in process"
        )


def _conditions(
    event_class: type[EventBase],
) -> tuple[tuple[int, Callable[[Any], bool]], ...]:
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


def _parameters(
    event_class: type[EventBase], function: Callable[..., Any], *, bound: bool
) -> tuple[tuple[str, ...], bool, bool, tuple[str, ...]]:
    """Argument names, whether `previous_result` is named, whether there is `**kwargs`, required."""
    if function is EventBase.process:
        meant = [name for name, known in without_effect(event_class) if known == "process"]
        raise EventDefinitionError(
            f"event {event_class.__name__} does not define process: "
            + (f"rename {meant[0]}" if meant else "write `def process(self): return True, result`")
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise EventDefinitionError(
            f"event {event_class.__name__}: process must return a pair and must not yield"
        )
    try:
        parameters = _signature(function)
    except (TypeError, ValueError) as error:
        raise EventDefinitionError(
            f"event {event_class.__name__}: process must be a function whose arguments can be "
            f"read, found {function!r}"
        ) from error
    if bound and not parameters:
        raise EventDefinitionError(
            f"event {event_class.__name__}: process must take self: write `def process(self): …`"
        )
    if bound:
        parameters = parameters[1:]
    named, required, extra, previous = [], [], False, False
    for parameter in parameters:
        match parameter.kind:
            case parameter.VAR_POSITIONAL:
                continue
            case parameter.VAR_KEYWORD:
                extra = True
                continue
            case parameter.POSITIONAL_ONLY:
                raise EventDefinitionError(
                    f"event {event_class.__name__}: the argument {parameter.name} of process is "
                    "positional-only, but arguments are passed by name: remove the '/'"
                )
            case _:
                pass
        if parameter.name == "previous_result":
            previous = True
            continue
        named.append(parameter.name)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return tuple(named), previous, extra, tuple(required)


_signatures: weakref.WeakKeyDictionary[Callable[..., Any], list[inspect.Parameter]] = (
    weakref.WeakKeyDictionary()
)
"""The arguments of functions that have been read: one may stand at many places of many flows."""


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    if not inspect.isfunction(function):
        return list(inspect.signature(function).parameters.values())
    if function not in _signatures:
        _signatures[function] = list(inspect.signature(function).parameters.values())
    return _signatures[function]

"""The spec of an event: all that is needed to run it, read once from its class by linking."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from volnux.events.base import EventBase, EventDefinitionError, event_class_of
from volnux.events.executors import ExecutorSpec, executor_spec
from volnux.events.given import NOTHING, Given, Reader, Resolved, inputs_of, reader_of
from volnux.events.modules import at_home, current_home, is_shared
from volnux.events.outcome import Call
from volnux.events.parameters import parameters_of
from volnux.events.retry import NO_RETRY, RetryPolicy
from volnux.events.settings import (
    check_bypass,
    check_class,
    check_settings,
    conditions_of,
    seconds_of,
    timeout_of,
)
from volnux.graph.parts import Argument
from volnux.graph.texts import VariableSpec
from volnux.usercode import keep_stdin_open

if TYPE_CHECKING:
    from volnux.events.receiver import Receiver
    from volnux.events.scope import Scope
    from volnux.events.visible import Visible

__all__ = ["NOTHING_OFFERED", "EventSpec", "Offered", "spec_of"]


class Offered(NamedTuple):
    """What a text offers to a place besides inputs: its arguments, and the file's own.

    `scope` has the uses around the place.
    """

    arguments: tuple[Argument, ...] = ()
    variables: Mapping[str, VariableSpec] = {}
    secrets: tuple[str, ...] = ()
    scope: Scope | None = None


NOTHING_OFFERED: Final = Offered()


class EventSpec:
    """All that is needed to run an event at one place.

    Attributes:
        name: the event's name as written in the flow.
        target: the class or decorated function in the module.
        event_class: the class that is instantiated for each attempt.
        retry: the retry policy, with the retry factor of the place applied.
        executor: where the event runs.
        timeout: the maximum duration of one call in seconds, or None.
        every: seconds between two calls of an event that says "not yet".
        within: seconds from the first call until an event that says "not yet" has failed.
        conditions: pairs `(descriptor, predicate)` in ascending order.
        home: the folder of this event's modules, or None; see `modules.at_home`.
        requires: the names of arguments without a default; they must be given.
        given: what the place is given besides inputs; None if nothing.
        receiver: what reads the value that is piped to the place; None if it is passed on as it is.
        fellows: the specs of the pipeline, which all know the same classes; shared by them.

    A spec is pickled as the module and name of its target, like classes and functions.
    """

    __slots__ = (
        "_previous",
        "_visible",
        "conditions",
        "event_class",
        "every",
        "executor",
        "extra",
        "fellows",
        "function",
        "given",
        "home",
        "is_async",
        "may_bypass",
        "name",
        "named",
        "receiver",
        "requires",
        "retry",
        "stop_on_exception",
        "target",
        "timeout",
        "within",
    )

    def __init__(
        self,
        name: str,
        target: Any,
        retry: RetryPolicy,
        executor: ExecutorSpec,
        timeout: float | None = None,
        home: str | None = None,
        offered: Offered = NOTHING_OFFERED,
    ) -> None:
        event_class = event_class_of(target)
        if event_class is None:
            raise EventDefinitionError(f"{target!r} is not an event")
        # Every process that runs an event creates its spec first.
        keep_stdin_open()
        self.name = name
        self.target = target
        self.event_class: type[EventBase] = event_class
        self.retry = retry
        self.executor = executor
        self.timeout = timeout
        self.every = seconds_of(event_class, "every")
        self.within = seconds_of(event_class, "within")
        self.home = home
        self.stop_on_exception = event_class.stop_on_exception
        self.may_bypass = event_class.can_bypass is not EventBase.can_bypass
        self.conditions = conditions_of(event_class)
        check_bypass(event_class)
        process = inspect.getattr_static(event_class, "process")
        function: Callable[..., Any] = getattr(process, "__func__", process)
        self.is_async = inspect.iscoroutinefunction(function)
        self.named, self._previous, self.extra, self.requires = parameters_of(
            event_class, function, bound=not isinstance(process, staticmethod)
        )
        self.function = function
        self.given = self._given(offered)
        self.receiver: Receiver | None = None
        self.fellows: Sequence[EventSpec] = (self,)
        self._visible: Visible | None = None

    def given_by(self, offered: Offered) -> EventSpec:
        """The same spec for a place to which the text offers something else."""
        made = self.copy()
        made.given = self._given(offered)
        return made

    @property
    def visible(self) -> Visible:
        """The classes that values of the pipeline may be of."""
        if self._visible is not None:
            return self._visible
        from volnux.events.visible import Visible

        visible = Visible(self.fellows)
        for spec in (self, *self.fellows):
            spec._visible = visible
        return visible

    @visible.setter
    def visible(self, visible: Visible) -> None:
        self._visible = visible

    @property
    def asks(self) -> bool:
        """Whether it asks a person: see `volnux.events.approval`."""
        return self.event_class.asks_a_person

    @property
    def reads_piped(self) -> bool:
        """Whether `previous_result` has an annotation, as which piped values are read."""
        return self.receives_from("") is not self

    def receives_from(self, source: str | None) -> EventSpec:
        """The same spec for a place to which a value is piped; the spec itself if it is not read.

        Args:
            source: the places from which the value comes, as text; None if nothing is piped.
        """
        if not self._previous or source is None or not _is_annotated(self.function):
            return self
        from volnux.events.receiver import receiver_of

        receiver = receiver_of(self.name, self.function, source)
        if receiver is None:
            return self
        made = self.copy()
        made.receiver = receiver
        return made

    def copy(self) -> EventSpec:
        """A copy whose attributes may be set."""
        made = object.__new__(EventSpec)
        for name in self.__slots__:
            setattr(made, name, getattr(self, name))
        return made

    def _given(self, offered: Offered) -> Given | None:
        return Given.of(
            offered.arguments, self.named, offered.variables, offered.secrets, offered.scope
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Use the function, not its class: the name in the module refers to the decorated function.
        event: Any = (self.target, self.retry)
        if is_shared() and current_home() != self.home:
            # Code that pickles this need not set the folder to which the names refer.
            import pickle

            with at_home(self.home):
                event = pickle.dumps(event)
        source = None if self.receiver is None else self.receiver.source
        limits = (self.timeout, self.every, self.within)
        place = (self.given, source, self.visible)
        return _read_spec, (self.name, event, limits, self.home, place)

    def __repr__(self) -> str:
        return f"<EventSpec {self.name}>"

    def reader(self, name: str) -> Reader | None:
        """What reads the value of an argument as the type that `process` says; see `reader_of`."""
        return reader_of(self.function, name)

    def inputs(self, call: Call) -> Mapping[str, Any]:
        """The inputs that the event sees: those of the run, or of the use around its place.

        The items of the `each`es around the place are among them.

        Raises:
            ArgumentError: a use around the place gives an input a value of another type.
        """
        return inputs_of(call) if self.given is None else self.given.inputs(call)

    def keywords(
        self, inputs: Mapping[str, Any], previous_result: Any, resolved: Resolved = NOTHING
    ) -> dict[str, Any]:
        """The keyword arguments of `process`.

        Args:
            inputs: the inputs that the event sees; an argument of the same name wins.
            previous_result: what was piped.
            resolved: what else the attempt is given.
        """
        if self.extra:
            keywords = dict(inputs)
        else:
            keywords = {name: inputs[name] for name in self.named if name in inputs}
        if resolved is not NOTHING:
            keywords.update(resolved.extra)
            keywords.update(resolved.arguments)
        if self._previous:
            keywords["previous_result"] = previous_result
        return keywords


def _is_annotated(function: Any) -> bool:
    """Whether a function, or one that it wraps, may have annotations."""
    return bool(getattr(function, "__annotations__", True)) or hasattr(function, "__wrapped__")


def _read_spec(
    name: str,
    event: Any,
    limits: tuple[float | None, float, float],
    home: str | None,
    place: tuple[Given | None, str | None, Visible],
) -> EventSpec:
    # The folder may have another path on this machine: then the calling code has set it.
    there, home = home, current_home() or home
    if isinstance(event, bytes):
        import pickle

        with at_home(home):
            event = pickle.loads(event)
    target, retry = event
    timeout, every, within = limits
    spec = EventSpec(name, target, retry, ExecutorSpec(), timeout, home)
    spec.every, spec.within = every, within
    spec.given, source, spec.visible = place
    if home != there:
        spec.visible.move(there, home)
    spec.visible.add(spec)
    return spec.receives_from(source)


def spec_of(
    name: str,
    target: Any,
    *,
    factor: int | None = None,
    executor: str | None = None,
    timeout: float | None = None,
    every: float | None = None,
    within: float | None = None,
    home: str | None = None,
    offered: Offered = NOTHING_OFFERED,
) -> EventSpec:
    """Make the spec of an event at one place of a flow.

    Args:
        name: the name in the flow.
        target: an event class or a decorated function.
        factor: the retry factor of the place; it overrides `max_attempts` of the policy.
        executor: the executor option of the place; it overrides that of the class.
        timeout: the timeout option of the place, in seconds; it overrides that of the class.
        every: the option `every` of the place, in the same way.
        within: the option `within` of the place, in the same way.
        home: the folder of this event's modules, or None.
        offered: the arguments of the place, and the variables and secrets of the file.

    Raises:
        VolnuxError: the class is defined in a way that cannot work.
    """
    event_class = event_class_of(target)
    if event_class is None:
        raise EventDefinitionError(f"{target!r} is not an event")
    check_class(event_class)
    policy = event_class.retry_policy
    if policy is None:
        retry = NO_RETRY if factor is None else RetryPolicy(max_attempts=factor)
    else:
        retry = RetryPolicy.of(policy)
        if factor is not None:
            retry = retry.with_attempts(factor)
    where = executor_spec(executor or event_class.executor, event_class.executor_config)
    check_settings(name, event_class)
    limit = timeout_of(event_class) if timeout is None else timeout
    spec = EventSpec(name, target, retry, where, limit, home, offered)
    spec.every = spec.every if every is None else every
    spec.within = spec.within if within is None else within
    return spec

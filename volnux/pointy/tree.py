"""The syntax tree of a `.pty` file: frozen values, each with the span it was read from.

A flow is a sequence of parallels, a parallel is a sequence of units, and a unit is one event or one
group with its factor, options and branches. The tree mirrors the grammar, so that every walk over
it can be a loop.

No method of a node is recursive. Nested nodes are compared by identity, have a short `repr`, and
can be pickled only as part of their `PointyFile`, which is pickled as its text. Two flows mean the
same if `volnux.pointy.shape` gives the same for both.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn, Self

from volnux.errors import Span

__all__ = [
    "Argument",
    "Arrow",
    "Branch",
    "Comment",
    "Directive",
    "Evaluation",
    "Event",
    "EventWithArguments",
    "Fail",
    "Flow",
    "Group",
    "Input",
    "Literal",
    "Moment",
    "Name",
    "OnFailure",
    "Option",
    "Parallel",
    "Retry",
    "Schedule",
    "Secret",
    "Settings",
    "Unit",
    "Use",
    "Used",
    "Variable",
]

Literal = int | float | bool | str
"""The value of an option in brackets; a bare name is read as a string."""


class Arrow(StrEnum):
    """Whether one part of a flow passes its result on to the next part."""

    THEN = "->"
    PIPE = "|->"


class Evaluation(StrEnum):
    """When a parallel group is done (`EventExecutionEvaluationState` of the events)."""

    SUCCESS_ON_ALL_EVENTS_SUCCESS = "SUCCESS_ON_ALL_EVENTS_SUCCESS"
    FAILURE_FOR_PARTIAL_ERROR = "FAILURE_FOR_PARTIAL_ERROR"
    SUCCESS_FOR_PARTIAL_SUCCESS = "SUCCESS_FOR_PARTIAL_SUCCESS"
    FAILURE_FOR_ALL_EVENTS_FAILURE = "FAILURE_FOR_ALL_EVENTS_FAILURE"

    @property
    def any(self) -> bool:
        """True if one done arm makes the group done; false if all arms must be done."""
        return self in (
            Evaluation.SUCCESS_FOR_PARTIAL_SUCCESS,
            Evaluation.FAILURE_FOR_ALL_EVENTS_FAILURE,
        )


class OnFailure(StrEnum):
    """The effect of an unhandled failure on the rest of a flow (`@on-failure`)."""

    STOP = "stop"
    CONTINUE = "continue"


class Name(NamedTuple):
    """A bare name in the value of an argument: it stands for an input, a variable or a secret."""

    name: str
    span: Span


class Argument(NamedTuple):
    """One `name=value` of an event; the value is JSON, with a `Name` wherever one is written."""

    name: str
    value: Any
    span: Span
    value_span: Span


@dataclass(frozen=True, slots=True)
class Event:
    """A place of an event, by the event's name."""

    name: str
    span: Span

    # Most events have no arguments: two more fields would double the time to create them.

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Its arguments, in the order written."""
        return ()

    @property
    def arguments_span(self) -> Span | None:
        """The position of the parentheses around the arguments; None without parentheses."""
        return None


@dataclass(frozen=True, slots=True)
class EventWithArguments(Event):
    """A place of an event with parentheses after its name; they may be empty."""

    arguments: tuple[Argument, ...] = ()
    arguments_span: Span | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """A place of a used file, by the name that `@use` gives it."""

    name: str
    span: Span
    arguments: tuple[Argument, ...] = ()
    arguments_span: Span | None = None


class Fail(NamedTuple):
    """`!`, where the flow fails."""

    span: Span


class _Nesting:
    """Base of the nested nodes; none of its methods is recursive."""

    __slots__ = ()
    span: Span

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.span.line}:{self.span.column}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled without its PointyFile")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Group(_Nesting):
    """A flow in braces or parentheses (which mean the same)."""

    body: Flow
    span: Span


@dataclass(frozen=True, slots=True)
class Retry:
    """A factor, `* 3` or `3 *`: attempts in all, at least 2."""

    attempts: int
    span: Span


@dataclass(frozen=True, slots=True)
class Option:
    """One `name=value` in brackets; `bare` tells `thread` from `"thread"`."""

    name: str
    value: Literal
    span: Span
    value_span: Span
    bare: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Branch(_Nesting):
    """`descriptor -> flow` or `descriptor |-> flow`."""

    descriptor: int
    arrow: Arrow
    flow: Flow
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unit(_Nesting):
    """One event, used file, group or `!`, with its factor, options and branches.

    A `!` has none of these.

    `options_span` and `branches_span` include the brackets.
    """

    primary: Event | Used | Group | Fail
    span: Span
    retry: Retry | None = None
    options: tuple[Option, ...] = ()
    branches: tuple[Branch, ...] = ()
    options_span: Span | None = None
    branches_span: Span | None = None

    def option(self, name: str) -> Option | None:
        """The option of that name, or None."""
        return next((option for option in self.options if option.name == name), None)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parallel(_Nesting):
    """One unit, or several that run at once (`a || b`)."""

    arms: tuple[Unit, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Flow(_Nesting):
    """Parts in sequence; `arrows[i]` stands between `parts[i]` and `parts[i + 1]`."""

    parts: tuple[Parallel, ...]
    arrows: tuple[Arrow, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, `#` included; `alone` if nothing comes before it on its line."""

    text: str
    span: Span
    alone: bool


@dataclass(frozen=True, slots=True)
class Directive:
    """One `@name: value` line; `value` is the text as written, trimmed."""

    name: str
    value: str
    span: Span
    name_span: Span
    value_span: Span


@dataclass(frozen=True, slots=True)
class Schedule:
    """One `@schedule`: a five-field cron expression or a preset such as `@daily`."""

    expression: str
    span: Span


@dataclass(frozen=True, slots=True)
class Moment:
    """A default of an input that is a time of the run, such as `scheduled - 1d`.

    Attributes:
        base: `scheduled`, the scheduled time of the run, or `previous`, the schedule's
            instant before it.
        shifts: what is added, in order: each a signed amount and a unit, `m`, `h`, `d` or `w`.
    """

    base: str
    shifts: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        shifts = (f" {'-' if n < 0 else '+'} {abs(n)}{unit}" for n, unit in self.shifts)
        return self.base + "".join(shifts)


@dataclass(frozen=True, slots=True)
class Input:
    """One `@input`: a name, one of eight types, and a default unless it is required.

    Attributes:
        default: a JSON value; None for an input that is required or has a `moment`.
        choices: the allowed values, all of its type; empty if any value is allowed.
        least, most: the ends of its range, both included; None for no limit.
        description: a text that explains it to people.
        moment: its default as a time of the run.
    """

    name: str
    type: str
    required: bool
    default: Any
    span: Span
    choices: tuple[str | int, ...] = ()
    least: int | float | None = None
    most: int | float | None = None
    description: str | None = None
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """One `@variable`: a name, one of eight types, and a JSON default unless it is required."""

    name: str
    type: str
    required: bool
    default: Any
    span: Span


class Secret(NamedTuple):
    """One `@secret`: the name that a secret has in the text and in the host's secret store."""

    name: str
    span: Span


class Use(NamedTuple):
    """One `@use`: a name for the flow of another file.

    `span` is the position of the name, `path_span` that of the path with its quotes.
    """

    name: str
    path: str
    span: Span
    path_span: Span


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked values of the directives; an absent directive leaves the default.

    `run_timeout` is in seconds.
    """

    name: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    timezone: str | None = None
    start_date: dt.date | None = None
    catchup: bool = False
    max_active_runs: int | None = None
    events: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    variables: tuple[Variable, ...] = ()
    secrets: tuple[Secret, ...] = ()
    uses: tuple[Use, ...] = ()
    on_failure: OnFailure | None = None
    run_timeout: float | None = None

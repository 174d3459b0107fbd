"""Scripts: the behaviour of the events of a case, as plain data that is stored as JSON.

An `EventScript` has the settings of an event class; a `PlaceScript` has the behaviour of the event
at one place of the flow. `volnux.testing.writing` creates a module of events from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, TypeVar

from volnux.errors import did_you_mean
from volnux.strictjson import FormatError, built

__all__ = ["FORMS", "CaseError", "EventScript", "PlaceScript", "read", "written"]

FORMS: Final = ("class", "function", "coroutine", "inner")
"""The ways to write an event: a class, a decorated function, a class with `async def process`, a
decorated function that another function creates.
"""


class CaseError(FormatError):
    """A case is not valid."""


class _Unsaid:
    """Stands for a missing value; None is a value."""

    def __repr__(self) -> str:
        return "UNSAID"


UNSAID: Final = _Unsaid()


@dataclass(frozen=True, slots=True)
class PlaceScript:
    """The behaviour of an event at one place.

    Attributes:
        descriptor: the descriptor, or a list with one for each attempt, of which the last is
            repeated.
        how: how the descriptor is given: as a number, as True or False, or by `goto`.
        result: the result that it returns with the descriptor; by default, the name of the place.
            A value that is not JSON is tagged JSON of `volnux.values`, as in the rest of a case.
        items: the length of the list that is the result, then that of each list in this list, and
            so on: `A-0`, `A-1`.
        returns: the whole return value, instead of a pair.
        raises: the built-in exception that every attempt raises, or a list with one for each
            attempt: None means that the attempt does not raise, and attempts after the end of the
            list do not raise.
        message: the message of the exceptions; `{name}` is replaced by an argument of `process`.
        polls: how many calls say "not yet" before the event does anything else; a list has one
            number for each attempt, and attempts after the end of the list do not wait.
        says: how it says "not yet": by `self.not_yet` (`method`), by the function `not_yet`
            (`function`), or by raising `NotYet` (`exception`).
        reason: what it says then; `{polls}` is replaced by the number of the poll, and `{name}` by
            an argument of `process`.
        delay: the duration of each call in seconds; a list has one number for each call, and calls
            after the end of the list take no time.
        reads: the names of attributes of the event, or of arguments of `process`, that the result
            contains, in the form `{name: value}`; `type(name)` is the name of a type.
        passes: the name of an attribute or an argument whose value is the result, as it is.
        logs: a text that each attempt logs; `{name}` is replaced by an argument of `process`.
    """

    descriptor: int | list[int] = 1
    how: str = "number"
    result: Any = UNSAID
    items: list[int] = field(default_factory=list)
    returns: Any = UNSAID
    raises: str | list[str | None] = field(default_factory=list)
    message: str = "no way"
    polls: int | list[int] = 0
    says: str = "method"
    reason: str = "poll {polls}"
    delay: float | list[float] = 0
    reads: list[str] = field(default_factory=list)
    passes: str = ""
    logs: str = ""


@dataclass(frozen=True, slots=True)
class EventScript:
    """The settings of an event class.

    Attributes:
        form: one of `FORMS`.
        arguments: the parameters of `process`, such as `name`, `day: date`, `limit: int = 3` or
            `**rest`.
        retry_policy: fields of a `RetryPolicy`, exceptions by name.
        conditions: by descriptor, an expression in `result`, such as `result > 10`.
        evaluation: its `execution_evaluation_state`.
        every, within: its attributes of these names, in seconds.
        stop_on_exception: whether it ends the run.
        executor: `thread` or `process`: the class's own executor.
        bypass: the result with which `can_bypass` skips `process`.
    """

    form: str = "class"
    arguments: list[str] = field(default_factory=list)
    retry_policy: dict[str, Any] | None = None
    conditions: dict[str, str] = field(default_factory=dict)
    evaluation: str | None = None
    every: float | None = None
    within: float | None = None
    stop_on_exception: bool = False
    executor: str | None = None
    bypass: Any = UNSAID


_T = TypeVar("_T")


def read(kind: type[_T], data: object, name: str, at: str = "") -> _T:
    """Create a dataclass from JSON.

    Args:
        kind: the dataclass.
        data: the JSON value.
        name: the name of the case.
        at: the path to the value in `case.json`.

    Raises:
        CaseError: a key is unknown, or a value has a wrong type.
    """
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]  # any dataclass
    for key in data if isinstance(data, Mapping) else ():
        if key not in known:
            hint = did_you_mean(key, known, f"keys: {', '.join(known)}")
            path = f"{at}.{key}" if at else str(key)
            raise CaseError(f"{name}: {path}: there is no such key; {hint}", path)
    return built(kind, data, what=name, at=at, error=CaseError)


def written(item: Any) -> dict[str, Any]:
    """A dataclass as JSON, without default values."""
    found = {}
    for each in fields(item):
        value = getattr(item, each.name)
        default = each.default if each.default is not MISSING else None
        if each.default_factory is not MISSING:
            default = each.default_factory()
        if value != default:
            found[each.name] = value
    return found

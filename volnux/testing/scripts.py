"""Scripts: what the events of a case do, as plain data that stands in JSON.

An `EventScript` is what the class of an event says; a `PlaceScript` is what the event does at one
place of the flow. `volnux.testing.writing` makes a module of events from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, TypeVar

from volnux.errors import nearest
from volnux.strictjson import FormatError, built

__all__ = ["FORMS", "CaseError", "EventScript", "PlaceScript", "read", "written"]

FORMS: Final = ("class", "function", "coroutine", "inner")
"""How an event may be written: a class, a decorated function, a class with `async def process`, a
decorated function that another function makes."""


class CaseError(FormatError):
    """A case is not valid."""


class _Unsaid:
    """Stands for a missing value; None is a value."""

    def __repr__(self) -> str:
        return "UNSAID"


UNSAID: Final = _Unsaid()


@dataclass(frozen=True, slots=True)
class PlaceScript:
    """What an event does at one place.

    Attributes:
        descriptor: what it finishes with; a list has one for each attempt, the last one again and
            again.
        how: the way it says so: it returns the number, returns True or False, or calls `goto`.
        result: what it returns beside the descriptor; the place's name if this is left out.
        returns: what it returns as a whole, in place of a pair.
        raises: the built-in exception that every attempt raises; a list has one for each attempt,
            None where it does not raise, and nothing is raised when it is used up.
        message: what the exceptions say.
        delay: seconds that each attempt takes.
        reads: names of what the event reads, for a result of the form `{name: value}`: attributes
            of the event, or arguments of `process`.
    """

    descriptor: int | list[int] = 1
    how: str = "number"
    result: Any = UNSAID
    returns: Any = UNSAID
    raises: str | list[str | None] = field(default_factory=list)
    message: str = "no way"
    delay: float = 0
    reads: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EventScript:
    """What the class of an event says.

    Attributes:
        form: one of `FORMS`.
        arguments: names of the arguments of `process`.
        retry_policy: fields of a `RetryPolicy`, exceptions by name.
        conditions: by descriptor, an expression in `result`, such as `result > 10`.
        evaluation: its `execution_evaluation_state`.
        stop_on_exception: whether it ends the run.
        executor: `thread` or `process`: the class's own executor.
        bypass: what `can_bypass` gives for the result, where it says yes.
    """

    form: str = "class"
    arguments: list[str] = field(default_factory=list)
    retry_policy: dict[str, Any] | None = None
    conditions: dict[str, str] = field(default_factory=dict)
    evaluation: str | None = None
    stop_on_exception: bool = False
    executor: str | None = None
    bypass: Any = UNSAID


_T = TypeVar("_T")


def read(kind: type[_T], data: object, name: str, at: str = "") -> _T:
    """A dataclass from JSON.

    Args:
        kind: the dataclass.
        data: the value that describes it.
        name: the case.
        at: the way to the value within `case.json`.

    Raises:
        CaseError: there is a key that it does not have, or a value of a wrong type.
    """
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]  # any dataclass
    for key in data if isinstance(data, Mapping) else ():
        if key not in known:
            close = nearest(key, known)
            hint = f"did you mean '{close[0]}'?" if close else f"keys: {', '.join(known)}"
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

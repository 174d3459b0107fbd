"""Reads JSON from outside strictly; errors contain the path of the wrong part."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from volnux.errors import VolnuxError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import ErrorDetails

__all__ = [
    "DEEPEST",
    "LONGEST_INTEGER",
    "FormatError",
    "NotJsonError",
    "built",
    "is_text",
    "read_json",
    "refusal",
]

LONGEST_INTEGER = 10_000
"""The maximum bits of an integer: about 3,000 digits. Python itself allows up to 4,300."""

_MOST_DIGITS = 3_010
_LONG_NUMBER = re.compile(rf"[0-9]{{{_MOST_DIGITS + 1}}}")
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")

DEEPEST = 50
"""The maximum nesting of lists and objects in the value of an input."""

T = TypeVar("T")


class FormatError(VolnuxError, ValueError):
    """A JSON text or value is not valid.

    Attributes:
        path: the path of the wrong part (`places.Load.state`); empty for the whole value.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class NotJsonError(FormatError):
    """A text is not JSON."""


def read_json(text: str | bytes, *, deepest: int | None = None) -> Any:
    """Read a JSON text as a value that every JSON writer can write again.

    It refuses NaN, infinity, integers of more than 3,010 digits and halves of surrogate pairs.

    Args:
        text: the text.
        deepest: the maximum nesting of lists and objects; None for the limit of Python.

    Raises:
        FormatError: the text is not valid.
    """
    if not isinstance(text, str | bytes):
        raise FormatError(f"expected a JSON text, found a value of type {type(text).__name__}")
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text))
        value = json.loads(
            text,
            parse_constant=_constant,
            parse_float=_float,
            # The slower check runs only where it may matter.
            parse_int=_integer if _LONG_NUMBER.search(text) else None,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise NotJsonError(f"this is not JSON: {error.msg} ({where})") from None
    except UnicodeDecodeError as error:
        raise NotJsonError(f"this is not JSON: it is not {error.encoding.upper()}") from None
    except RecursionError:
        raise FormatError("it is nested too deep") from None
    if deepest is not None and _nested(value) > deepest:
        raise FormatError(f"it is nested deeper than {deepest} levels")
    if _HALF_PAIR.search(text) and not is_text(json.dumps(value, ensure_ascii=False)):
        raise FormatError("a string has one half of a surrogate pair without the other")
    return value


def built(
    kind: type[T],
    data: object,
    *,
    what: str,
    at: str = "",
    error: type[FormatError] = FormatError,
) -> T:
    """Create a dataclass or pydantic model from a JSON value.

    Args:
        kind: the class.
        data: the JSON value.
        what: the beginning of the message.
        at: the path of the value, if it is part of a larger one.
        error: the class of the error.

    Raises:
        FormatError: a part is missing or has a wrong type.
    """
    from pydantic import ValidationError

    adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type]  # mypy: a class may lack a hash
    try:
        return adapter.validate_python(data)
    except ValidationError as fault:
        raise refusal(fault, data, what, error, at) from None


def refusal(
    fault: ValidationError, data: Any, what: str, error: type[FormatError], at: str = ""
) -> FormatError:
    """The error for a failed validation: where, what was expected and what was found."""
    faults = [(_way(each, data), each) for each in fault.errors(include_url=False)]
    # Of the members of a union, use the error of the one that was validated furthest.
    first = faults[0][0]
    parts, found = max(
        (each for each in faults if each[0][: len(first)] == first), key=lambda each: len(each[0])
    )
    match found["type"]:
        case "missing":
            reason = "it is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            reason = "there is no such key"
        case _:
            from volnux.shown import shown

            wanted = found["msg"].replace("Input should be", "expected").replace("a valid ", "a ")
            reason = f"{wanted.removeprefix('Value error, ')}, found {shown(found['input'], 100)}"
    path = ".".join([at, *parts] if at else parts)
    return error(": ".join(part for part in (what, path, reason) if part), path)


def _way(found: ErrorDetails, data: Any) -> list[str]:
    """The path to a fault. pydantic also adds members of unions, which are not part of the data."""
    way = []
    for part in found["loc"]:
        if part in (data if isinstance(data, Mapping) else _indices(data)):
            data = data[part]
            way.append(str(part))
        elif found["type"] == "missing":
            way.append(str(part))
    return way


def is_text(value: str) -> bool:
    """Whether a text can be encoded as UTF-8; half a surrogate pair cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _indices(data: object) -> range:
    return range(len(data) if isinstance(data, list) else 0)


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # pydantic is imported late: a run without JSON and inputs does not need it.
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _constant(name: str) -> float:
    raise FormatError(f"JSON has no {name}")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise FormatError(f"the number {_short_number(text)} is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise FormatError(f"the number {_short_number(text)} has more than {_MOST_DIGITS} digits")
    return int(text)


def _short_number(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:19]}…"


def _nested(value: object) -> int:
    """How deep lists and objects are nested in a JSON value."""
    depth, level = 0, [value]
    while any(isinstance(item, list | dict) for item in level):
        depth += 1
        level = [
            inner
            for item in level
            if isinstance(item, list | dict)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth

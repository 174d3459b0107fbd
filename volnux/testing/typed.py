"""Typed values in random programs: what events return, and as what others read piped values.

`read_as` says on its own what pydantic does with these values, for these few annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from volnux.testing.shapes import Line

__all__ = ["ANNOTATIONS", "VALUES", "WRONG_TYPE", "WrongTypeError", "read_as"]

VALUES: Final[Mapping[str, Any]] = {
    "digits": "5",
    "pair": ("a", 1),
    "amount": Decimal("1.20"),
    "dict": {"item": "ink", "count": "2"},
    "line": Line("pen"),
    "lines": [Line("pen", 3), {"item": "ink", "count": "2"}, ("5",)],
}
"""The typed results of events, by name."""

WRONG_TYPE: Final = "volnux.InputTypeError"
"""The type of the failure of an event that cannot read what is piped to it."""


class WrongTypeError(Exception):
    """A value cannot be read as a type."""


def read_as(annotation: str, value: Any) -> Any:
    """A value as it arrives at an event.

    Args:
        annotation: the annotation of `previous_result`.
        value: one of `VALUES`, a part of it, or what an event of a random program returns.

    Raises:
        WrongTypeError: it cannot be read as that type.
    """
    return ANNOTATIONS[annotation](value)


def _int(value: Any) -> int:
    if type(value) is int or value == "5":
        return int(value)
    raise WrongTypeError


def _str(value: Any) -> str:
    if type(value) is str:
        return value
    raise WrongTypeError


def _list(value: Any) -> list[Any]:
    if type(value) in (list, tuple):
        return list(value)
    raise WrongTypeError


def _line(value: Any) -> Line:
    if type(value) is Line:
        return value
    if value == VALUES["dict"]:
        return Line("ink", 2)
    raise WrongTypeError


ANNOTATIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": _str,
    "int": _int,
    "list": _list,
    "Line": _line,
    "Line | None": lambda value: None if value is None else _line(value),
    "list | str": lambda value: value if type(value) is str else _list(value),
}
"""What reads a value, by the annotation of `previous_result`."""

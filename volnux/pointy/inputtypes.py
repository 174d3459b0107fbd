"""The types of inputs: what each one is in Python, in a JSON schema and in a Pointy text."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Final, NamedTuple

__all__ = ["InputType"]


class _About(NamedTuple):
    python: type
    schema: dict[str, str]
    example: str


class InputType(StrEnum):
    """A type of `@input`; the value is its name in the text."""

    STR = "str"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"
    DICT = "dict"

    @property
    def python(self) -> type:
        """The class of its values."""
        return _ABOUT[self].python

    @property
    def schema(self) -> dict[str, Any]:
        """A JSON schema of its values, as they are written in JSON."""
        return dict(_ABOUT[self].schema)

    @property
    def example(self) -> str:
        """A value as a Pointy text writes it."""
        return _ABOUT[self].example


_ABOUT: Final = {
    InputType.STR: _About(str, {"type": "string"}, '"text"'),
    InputType.INT: _About(int, {"type": "integer"}, "3"),
    InputType.FLOAT: _About(float, {"type": "number"}, "2.5"),
    InputType.BOOL: _About(bool, {"type": "boolean"}, "true"),
    InputType.DATE: _About(dt.date, {"type": "string", "format": "date"}, '"2026-01-31"'),
    InputType.DATETIME: _About(
        dt.datetime, {"type": "string", "format": "date-time"}, '"2026-01-31T06:00:00"'
    ),
    InputType.LIST: _About(list, {"type": "array"}, '["a", "b"]'),
    InputType.DICT: _About(dict, {"type": "object"}, '{"k": 1}'),
}

"""Any value as JSON, for reports and drawings: this never fails, whatever an event returned."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

from volnux.graph.outcome import Failure
from volnux.masking import hidden, hide
from volnux.strictjson import LONGEST_INTEGER, is_text

__all__ = ["jsonable", "tagged", "writer_of"]

_DEEPEST = 100
"""Levels of lists and dicts; common JSON readers and writers accept at least this many."""

_LONGEST_REPR = 10_000


class _NotJsonError(Exception):
    """The value cannot be shown part by part."""


def jsonable(value: Any) -> Any:
    """The value as JSON, which can be written as UTF-8 and read again.

    A tuple becomes a list, a date becomes ISO text, and a `Failure` becomes its type, message and
    traceback. Everything else that is not JSON becomes `{"type": …, "repr": …}`: sets, objects,
    numbers and text that JSON cannot represent (NaN, half a surrogate pair), dicts with keys that
    are not text, and any value that contains itself or is nested deeper than 100 levels.
    """
    try:
        return _jsonable(value, _DEEPEST)
    except _NotJsonError:
        return _shown(value)


def tagged(value: Any) -> Any:
    """The value as JSON that `volnux.values` reads back with its types.

    A value that cannot be stored becomes what `jsonable` makes of it.
    """
    from volnux.values.codec import to_json

    try:
        return to_json(hidden(value), hide=hidden)
    except Exception:  # noqa: BLE001 - what a user has registered, and properties, may do anything
        return to_json(hidden(jsonable(value)))


def writer_of(*, values: bool) -> Callable[[Any], Any]:
    """How a report writes values: tagged, or as they are shown."""
    return tagged if values else jsonable


def _jsonable(value: Any, levels: int) -> Any:
    # Exact types: a subclass may have a different JSON form.
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if value.bit_length() <= LONGEST_INTEGER else _shown(value)
    if kind is float:
        return value if math.isfinite(value) else _shown(value)
    if kind is str:
        return value if is_text(value) else _shown(value)
    if kind is list or kind is tuple or kind is dict:
        if levels == 0:
            raise _NotJsonError
        if kind is not dict:
            return [_jsonable(item, levels - 1) for item in value]
        if all(type(key) is str and is_text(key) for key in value):
            return {key: _jsonable(item, levels - 1) for key, item in value.items()}
        return _shown(value)
    if isinstance(value, (dt.date, dt.time)):
        try:
            return _text(value.isoformat())
        except Exception:  # noqa: BLE001 - a user's subclass or time zone may do anything
            return _shown(value)
    if isinstance(value, Failure):
        return failure_as_json(value)
    return _shown(value)


def failure_as_json(failure: Failure) -> dict[str, Any]:
    """A failure as shown in a report, which lists attempts separately."""
    return {
        "type": _text(failure.type),
        "message": _text(failure.message),
        "traceback": _text(failure.traceback),
    }


def _shown(value: Any) -> dict[str, str]:
    # Imported late: most reports contain only JSON.
    from volnux.shown import shown

    kind = type(value)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    return {"type": _text(name), "repr": _text(shown(value, _LONGEST_REPR))}


def _text(text: str) -> str:
    text = hide(text)
    return text if is_text(text) else text.encode(errors="backslashreplace").decode()

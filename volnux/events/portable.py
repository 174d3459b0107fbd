"""Checks that a host can store a value: JSON whose numbers and texts fit into a database."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, Final

from volnux.events.base import NotPortableError
from volnux.events.failures import class_name
from volnux.graph.outcome import Failure
from volnux.strictjson import FormatError

__all__ = [
    "DEEPEST",
    "has_64_bits",
    "not_portable",
    "portable_failure",
    "portable_result",
    "unstorable",
]

DEEPEST: Final = 200
"""The maximum nesting of lists and dicts; Airflow's own limit is about 260."""


def not_portable(value: Any) -> tuple[str, str] | None:
    """The path and the problem of the first part that a host cannot store, or None.

    JSON itself has no limits, but its transports do: numbers have 64 bits, text is UTF-8, and
    PostgreSQL does not store the NUL character.
    """
    # An item, its depth, and the path to it as a pair: its key, and the path to its container.
    stack: list[tuple[Any, int, Any]] = [(value, 0, None)]
    while stack:
        item, depth, way = stack.pop()
        if item is None or isinstance(item, bool | Failure):
            continue
        if isinstance(item, str):
            problem = unstorable(item)
            if problem is not None:
                return _path(way), f"a str that has {problem}"
        elif isinstance(item, int):
            if not has_64_bits(item):
                return _path(way), "an int that does not fit into 64 bits"
        elif isinstance(item, float):
            if not math.isfinite(item):
                return _path(way), f"of type float ({item})"
        elif depth > DEEPEST:
            return _path(way), f"of type {type(item).__name__}, nested more than {DEEPEST} deep"
        elif isinstance(item, dict):
            for key in item:
                if not isinstance(key, str):
                    return _path(
                        (key, way)
                    ), f"of type dict with a key of type {class_name(type(key))}"
                problem = unstorable(key)
                if problem is not None:
                    return _path((key, way)), f"a dict with a key that has {problem}"
            stack += [(inner, depth + 1, (key, way)) for key, inner in reversed(item.items())]
        elif isinstance(item, list | tuple):
            last = len(item) - 1
            stack += [(inner, depth + 1, (last - i, way)) for i, inner in enumerate(reversed(item))]
        else:
            return _path(way), f"of type {class_name(type(item))}"
    return None


def has_64_bits(number: int) -> bool:
    """Whether a number fits into 64 bits, signed or not."""
    return -(2**63) <= number < 2**64


def unstorable(text: str) -> str | None:
    """The character in a text that a host cannot store, or None if there is none."""
    if "\0" in text:
        return "the character U+0000"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "a lone surrogate, which is not a valid character"
    return None


def portable_result(event: str, result: Any) -> Any:
    """The result of an event as read back from JSON; a `Failure` in it remains a `Failure`.

    Raises:
        NotPortableError: a host cannot store it; the message contains `event`.
    """
    where = not_portable(result)
    if where is not None:
        path, problem = where
        raise NotPortableError(
            f"the result of {event} cannot be passed on as JSON: result{path} is {problem}"
        )
    return json.loads(json.dumps(result, default=_failure_out), object_hook=_failure_in)


def portable_failure(failure: Failure) -> Failure:
    """The failure, with escapes for all characters in its texts that a host cannot store."""
    texts = failure.message, failure.traceback
    if all(unstorable(text) is None for text in texts):
        return failure
    message, shown = (
        text.encode(errors="backslashreplace").decode().replace("\0", "\\x00") for text in texts
    )
    return replace(failure, message=message, traceback=shown).with_exception(failure.exception)


_FAILURE_KEY: Final = "__volnux_failure__"


def _failure_out(value: Any) -> Any:
    return {_FAILURE_KEY: value.to_json()}


def _failure_in(data: dict[str, Any]) -> Any:
    if data.keys() != {_FAILURE_KEY}:
        return data
    try:
        return Failure.from_json(data[_FAILURE_KEY])
    except FormatError:  # a dict of the user that happens to have this key
        return data


def _path(way: Any) -> str:
    from volnux.shown import shown

    keys: list[str] = []
    while way is not None:
        key, way = way
        keys.append(f"[{shown(key)}]")
    if len(keys) > 20:
        keys[10:-10] = ["…"]
    return "".join(reversed(keys))

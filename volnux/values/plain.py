"""A fast check for values that are JSON already."""

from __future__ import annotations

import json
from collections.abc import Collection
from gc import get_referents
from itertools import chain
from math import isfinite
from typing import Any, Final

from volnux.values.kinds import TAG

__all__ = ["DEEPEST", "is_plain", "is_plain_scalar", "plain_text", "text_of"]

DEEPEST: Final = 200
"""The maximum nesting of lists and dicts; Airflow's own limit is about 260."""

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({list, dict})
_JSON: Final = _SCALARS | _CONTAINERS
_TEXT: Final = frozenset({str})
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1
_MANY: Final = 1 << 20

text_of: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
"""The text of JSON data, which contains no cycle."""


def is_plain(value: Any, reserved: Collection[str] = ()) -> bool:
    """Whether a value is plain JSON: see `plain_text`."""
    return plain_text(value, reserved) is not None


def plain_text(value: Any, reserved: Collection[str] = ()) -> str | None:
    """The JSON text of a value that every transport stores as it is, and reads as the same value.

    All parts must be of exactly the JSON types, not of subclasses. Numbers must be finite and fit
    into 64 bits, text must be valid UTF-8 without NUL characters, and no dict may have the key of a
    tag, or one of `reserved`.

    Returns:
        None if the value is not plain, or if one of its texts looks as if it were not.
    """
    if is_plain_scalar(value):
        return text_of(value)
    if not _has_plain_types(value):
        return None
    try:
        text = text_of(value)
        text.isascii() or text.encode()
    except ValueError:
        return None  # NaN, an infinity or a lone surrogate
    # A text that only looks like NUL or a key is rare, and is then written with more care.
    # Searching for one character is much faster than searching for several.
    if "\\" in text and r"\u0000" in text:
        return None
    if "{" in text and (TAG in text or any(f'"{key}":' in text for key in reserved)):
        return None
    return text


def _has_plain_types(value: Any) -> bool:
    """Whether all parts are of the types of JSON, all keys are text, and all integers fit.

    It goes through the value level by level, because `set` and `map` are faster than a loop.
    """
    level = [value]
    is_wide = False
    for _ in range(DEEPEST + 1):
        kinds = set(map(type, level))
        if not kinds <= _JSON:
            return False
        if int in kinds:
            numbers = _of_type(int, level, kinds)
            if min(numbers) < _SMALLEST or max(numbers) > _LARGEST:
                return False
        if kinds <= _SCALARS:
            return True
        containers = level
        if not kinds <= _CONTAINERS:
            containers = [each for each in level if type(each) in _CONTAINERS]
        if dict in kinds:
            dicts = _of_type(dict, containers, kinds & _CONTAINERS)
            if not set(map(type, chain.from_iterable(dicts))) <= _TEXT:
                return False
        is_wide = is_wide or sum(map(len, containers)) > _MANY
        if is_wide:
            # A value that contains itself would have more parts on each level.
            containers = list({id(each): each for each in containers}.values())
        # The parts of all lists and dicts at once.
        level = get_referents(*containers)
    return False


def _of_type(cls: type, level: list[Any], kinds: set[type]) -> list[Any]:
    """The parts of a level that are of a type, if the parts are of these types."""
    return level if len(kinds) == 1 else [each for each in level if type(each) is cls]


def is_plain_scalar(value: Any) -> bool:
    """Whether a value is neither a list nor a dict, and is plain as `plain_text` defines it."""
    cls = type(value)
    if cls is str:
        return "\0" not in value and (value.isascii() or _is_unicode(value))
    if cls is int:
        return bool(_SMALLEST <= value <= _LARGEST)
    return value is None or cls is bool or (cls is float and isfinite(value))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

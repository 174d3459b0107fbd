"""A fast check for values that are JSON already."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from math import isfinite
from typing import Any, Final

from volnux.values.kinds import TAG

__all__ = ["DEEPEST", "is_plain"]

DEEPEST: Final = 200
"""The maximum nesting of lists and dicts; Airflow's own limit is about 260."""

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_JSON: Final = _SCALARS | {list, dict}
_TEXT: Final = frozenset({str})
_MANY: Final = 100_000
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1


def is_plain(value: Any, reserved: Collection[str] = ()) -> bool:
    """Whether a value is JSON that every transport stores as it is, and reads as the same value.

    All parts must be of exactly the JSON types, not of subclasses. Numbers must be finite and fit
    into 64 bits, text must be valid UTF-8 without NUL characters, and no dict may have the key of a
    tag, or one of `reserved`.
    """
    level = [value]
    for _ in range(DEEPEST + 1):
        kinds = set(map(type, level))
        if not kinds <= _JSON or not _are_plain(level, kinds):
            return False
        if kinds <= _SCALARS:
            return True
        lists = [each for each in level if type(each) is list] if list in kinds else []
        dicts = [each for each in level if type(each) is dict] if dict in kinds else []
        if dicts:
            keys = list(chain.from_iterable(dicts))
            if keys and (set(map(type, keys)) != _TEXT or not _are_texts(keys)):
                return False
            known = set(keys)
            if TAG in known or not known.isdisjoint(reserved):
                return False
        level = list(chain.from_iterable(chain(lists, map(dict.values, dicts))))
        if len(level) > _MANY:
            # Without this, parts that refer to each other double at each level.
            level = list({id(each): each for each in level}.values())
    return False


def _are_plain(level: list[Any], kinds: set[type]) -> bool:
    """Whether the scalars of a level can be stored."""
    one = len(kinds) == 1
    if str in kinds and not _are_texts(
        level if one else [each for each in level if type(each) is str]
    ):
        return False
    if int in kinds:
        numbers = level if one else [each for each in level if type(each) is int]
        if min(numbers) < _SMALLEST or max(numbers) > _LARGEST:
            return False
    if float in kinds:
        numbers = level if one else [each for each in level if type(each) is float]
        return all(map(isfinite, numbers))
    return True


def _are_texts(texts: list[str]) -> bool:
    text = "".join(texts)
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

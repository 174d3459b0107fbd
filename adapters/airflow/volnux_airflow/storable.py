"""Finds what Airflow cannot send or store: numbers, characters and texts.

Airflow sends values between its processes as msgpack, and stores them as JSON. A value that either
of them refuses would break every DAG of the process, so it is found in advance. Nothing here
imports Airflow.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from volnux.errors import visible
from volnux.events.portable import has_64_bits, unstorable
from volnux.values.plain import DEEPEST

__all__ = [
    "COUNT",
    "LONGEST_DESCRIPTION",
    "LONGEST_GROUP",
    "LONGEST_ID",
    "LONGEST_NAME",
    "LONGEST_TAG",
    "LONGEST_TEXT",
    "clean",
    "clean_name",
    "cleaned",
    "fault_of",
]

LONGEST_DESCRIPTION = 1000
"""The maximum length of the description of a timetable."""

LONGEST_ID = 250
"""The maximum length of a DAG id or a task id."""

LONGEST_GROUP = 200
"""The maximum length of the id of a task group."""

LONGEST_NAME = 256
"""The maximum length of the name of a pool or a queue."""

LONGEST_TEXT = 1000
"""The maximum length of the name of an executor, an operator or a user."""

LONGEST_TAG = 100
"""The maximum length of a tag of a DAG."""

COUNT = range(-(2**31), 2**31)
"""The range of integers that a database column accepts."""

_LONGEST_FAULT = 10_000


def fault_of(value: Any) -> str | None:
    """Why Airflow cannot store a JSON value, as a phrase that follows "it has"; None if it can."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        fault = None
        match part:
            case bool():
                pass
            case int():
                if not has_64_bits(part):
                    fault = "an integer of more than 64 bits"
            case float():
                if not math.isfinite(part):
                    fault = f"the number {part}, which JSON does not have"
            case str():
                fault = unstorable(part)
            case list() | tuple() | set() | frozenset():
                waiting += [(item, depth + 1) for item in reversed(list(part))]
            case dict():
                waiting += [(item, depth + 1) for pair in part.items() for item in pair]
        if depth > DEEPEST:
            fault = f"lists or dicts nested more than {DEEPEST} deep"
        if fault is not None:
            return fault
    return None


def cleaned(text: str) -> str:
    """A text of any length, with escapes for the characters that Airflow cannot store."""
    return text if unstorable(text) is None else _escaped(text)


def clean(text: str) -> str:
    """A message in a form that Airflow can store, whatever text a user's exception contains."""
    if len(text) > _LONGEST_FAULT:
        text = text[:_LONGEST_FAULT] + " …"
    return _escaped(text)


def _escaped(text: str) -> str:
    return "\n".join(clean_name(line) for line in text.split("\n"))


def clean_name(name: str | Path) -> str:
    """The name of a file in a form that Airflow can store: bytes that are not UTF-8 are escaped."""
    return visible(str(name)).encode(errors="backslashreplace").decode()

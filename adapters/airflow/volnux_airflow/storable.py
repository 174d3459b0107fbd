"""What Airflow cannot send or store: numbers too large, characters and texts that no column takes.

Between Airflow's processes a value is msgpack, in its database it is JSON. What either refuses
would take every DAG of the process down, so it is found before: nothing here imports Airflow.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from volnux.errors import visible

__all__ = [
    "COUNT",
    "LONGEST_DESCRIPTION",
    "LONGEST_ID",
    "LONGEST_NAME",
    "LONGEST_TAG",
    "clean",
    "clean_name",
    "fault_of",
    "fault_of_text",
]

LONGEST_DESCRIPTION = 1000
"""Characters of the description of a timetable."""

LONGEST_ID = 250
"""Characters of a DAG id or a task id."""

LONGEST_NAME = 256
"""Characters of the name of a pool or a queue."""

LONGEST_TAG = 100
"""Characters of a DAG's tag."""

COUNT = range(-(2**31), 2**31)
"""The integers that a column of the database takes."""

_INTEGERS = range(-(2**63), 2**64)
"""The integers that a message between Airflow's processes takes."""

_DEEPEST = 100

_LONGEST_FAULT = 10_000


def fault_of(value: Any) -> str | None:
    """Why Airflow cannot hold a JSON value, as what follows "it has"; None if it can."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        fault = None
        match part:
            case bool():
                pass
            case int():
                if part not in _INTEGERS:
                    fault = "an integer of more than 64 bits"
            case float():
                if not math.isfinite(part):
                    fault = f"the number {part}, which JSON has not"
            case str():
                fault = fault_of_text(part)
            case list() | tuple():
                waiting += [(item, depth + 1) for item in reversed(part)]
            case dict():
                waiting += [(item, depth + 1) for pair in part.items() for item in pair]
        if depth > _DEEPEST:
            fault = f"more than {_DEEPEST} lists or dicts inside each other"
        if fault is not None:
            return fault
    return None


def fault_of_text(text: str) -> str | None:
    """Why Airflow cannot hold a text, as what follows "it has"; None if it can."""
    if "\0" in text:
        return "the character U+0000"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "half of a surrogate pair, which is no character"
    return None


def clean(text: str) -> str:
    """A message that Airflow can hold, whatever a user's exception put into it."""
    if len(text) > _LONGEST_FAULT:
        text = text[:_LONGEST_FAULT] + " …"
    return "\n".join(clean_name(line) for line in text.split("\n"))


def clean_name(name: str | Path) -> str:
    """The name of a file as Airflow can hold it: bytes that are not UTF-8 become escapes."""
    return visible(str(name)).encode(errors="backslashreplace").decode()

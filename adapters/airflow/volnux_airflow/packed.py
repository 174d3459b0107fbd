"""Results in a form that XCom can store: a result may contain the `Failure` of an event.

The failures are taken out of the value, and stored beside it with their positions.
"""

from __future__ import annotations

from typing import Any

from volnux.graph.outcome import Failure

__all__ = ["Failures", "pack", "unpack"]

Failures = list[list[Any]]
"""Failures as JSON: each is a list of the keys that lead to it, and of the failure itself.

Airflow would not store tuples as JSON.
"""


def pack(value: Any) -> tuple[Any, Failures]:
    """A value with None in place of each failure, and the failures."""
    failures: Failures = []
    return _without(value, (), failures), failures


def unpack(value: Any, failures: Failures) -> Any:
    """The value that `pack` was given."""
    whole = [value]
    for path, failure in failures:
        holder: Any = whole
        last: Any = 0
        for key in path:
            holder, last = holder[last], key
        holder[last] = Failure.from_json(failure)
    return whole[0]


def _without(value: Any, path: tuple[str | int, ...], failures: Failures) -> Any:
    match value:
        case Failure():
            failures.append([list(path), value.to_json()])
            return None
        case list():
            return [_without(item, (*path, i), failures) for i, item in enumerate(value)]
        case dict():
            return {key: _without(item, (*path, key), failures) for key, item in value.items()}
        case _:
            return value

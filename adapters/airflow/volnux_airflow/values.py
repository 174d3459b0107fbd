"""What a task receives, written in Python: `receives=all_of("A", first_done("B", "C"))`.

A task is named by its id, and a plain id means the result of that task. Generated DAG files use
these functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from volnux.graph.model import Value, ValueKind
from volnux_airflow.outcomes import Piped

__all__ = ["all_of", "any_of", "failure_of", "first_done", "piped", "result"]


def result(task_id: str, *, when: Sequence[int] | None = None) -> Piped:
    """The result of a task; with `when`, only if the task ended with one of these descriptors."""
    return Piped((Value(ValueKind.RESULT, task_id, when=tuple(when) if when else None),), 0)


def failure_of(catch: str) -> Piped:
    """The result, or `Failure`, of the first event of a group whose failure was not handled."""
    return Piped((Value(ValueKind.FAILURE_OF, catch),), 0)


def first_done(*parts: str | Piped) -> Piped:
    """The first part that is done, for instance the branch that was taken."""
    return _together(ValueKind.FIRST_DONE, parts)


def all_of(*parts: str | Piped) -> Piped:
    """The list of the parts; None if one of them is not done."""
    return _together(ValueKind.ALL_OF, parts)


def any_of(*parts: str | Piped) -> Piped:
    """The list of the parts, with None for each that is not done."""
    return _together(ValueKind.ANY_OF, parts)


def piped(value: str | Piped) -> Piped:
    """Turn a task id into the result of that task, and leave a value as it is."""
    return result(value) if isinstance(value, str) else value


def _together(kind: ValueKind, parts: Sequence[str | Piped]) -> Piped:
    table: list[Value] = []
    indices: list[int] = []
    starts: dict[int, int] = {}
    # All parts are kept until the end: the id of a table that is gone may be that of a later one.
    made = list(map(piped, parts))
    for part in made:
        # A table that several parts share is added to the new one only once.
        start = starts.get(id(part.values))
        if start is None:
            start = starts[id(part.values)] = len(table)
            shifted = (replace(v, of=tuple(i + start for i in v.of)) for v in part.values)
            table.extend(shifted)
        indices.append(start + part.index)
    table.append(Value(kind, of=tuple(indices)))
    return Piped(tuple(table), len(table) - 1)

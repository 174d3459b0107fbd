"""Evaluates the table of values: what is piped, given how events have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from volnux.graph.model import Value, ValueKind

__all__ = ["MISSING", "Values", "needed"]

MISSING: Final[Any] = object()
"""Stands for a value that is not done."""


class Values:
    """The values of one run; each is computed once, when it is needed.

    Args:
        table: `Graph.values`.
        leaf: returns what the `RESULT` or `FAILURE_OF` at an index stands for, or `MISSING`.
    """

    def __init__(self, table: Sequence[Value], leaf: Callable[[int], Any]) -> None:
        self._table = table
        self._leaf = leaf
        self._known: dict[int, Any] = {}

    def get(self, index: int) -> Any:
        """The value at an index of the table, or `MISSING`; its nodes must have ended."""
        table, known = self._table, self._known
        if not table[index].of:
            # Most values are the result of one event, which is free to compute again.
            return self._leaf(index)
        stack = [index]
        while stack:
            current = stack[-1]
            value = table[current]
            missing = [i for i in value.of if i not in known]
            if missing:
                stack += missing
                continue
            stack.pop()
            if current not in known:
                parts = [known[i] for i in value.of]
                known[current] = _combined(value.kind, parts) if parts else self._leaf(current)
        return known[index]

    def forget(self, index: int) -> None:
        """Free a value that is not needed again."""
        self._known.pop(index, None)


def _combined(kind: ValueKind, parts: list[Any]) -> Any:
    match kind:
        case ValueKind.ALL_OF:
            return MISSING if any(part is MISSING for part in parts) else parts
        case ValueKind.ANY_OF:
            if all(part is MISSING for part in parts):
                return MISSING
            return [None if part is MISSING else part for part in parts]
        case _:
            return next((part for part in parts if part is not MISSING), MISSING)


def needed(table: Sequence[Value], indices: Iterable[int]) -> set[int]:
    """The indices of some values and of all values that they depend on."""
    found = set(indices)
    stack = list(found)
    while stack:
        for part in table[stack.pop()].of:
            if part not in found:
                found.add(part)
                stack.append(part)
    return found

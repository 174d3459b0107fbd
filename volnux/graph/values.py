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
        leaf: returns what a value without parts stands for at an instance, or `MISSING`.
    """

    def __init__(self, table: Sequence[Value], leaf: Callable[[int, int], Any]) -> None:
        self._table = table
        self._leaf = leaf
        self._known: dict[int, Any] = {}

    def get(self, index: int, instance: int = 0) -> Any:
        """The value at an index of the table, or `MISSING`; its nodes must have ended.

        Args:
            index: the index.
            instance: the instance that needs it.
        """
        table, known = self._table, self._known
        if not table[index].of:
            # Most values are the result of one event, which is free to compute again.
            return self._leaf(index, instance)
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
                known[current] = _combined(value.kind, parts) if parts else self._leaf(current, 0)
        return known[index]

    def forget(self, index: int) -> None:
        """Free a value that is not needed again."""
        self._known.pop(index, None)


class ValuesOfCopies(Values):
    """The values of a run of a graph with `each`. A value in a copy is computed when it is needed.

    Args:
        table: `Graph.values`.
        leaf: as of `Values`.
        copies: returns an instance in each copy of an `each`, for the value at an index as an
            instance sees it; None if the `each` did not begin.
        size: how many nodes the graph has.
    """

    def __init__(
        self,
        table: Sequence[Value],
        leaf: Callable[[int, int], Any],
        copies: Callable[[int, int], Sequence[int] | None],
        size: int,
    ) -> None:
        super().__init__(table, leaf)
        self._copies = copies
        self._size = size

    def get(self, index: int, instance: int = 0) -> Any:
        table, leaf = self._table, self._leaf
        if not table[index].of:
            return leaf(index, instance)
        known: dict[tuple[int, int], Any] = {}
        stack = [(index, instance)]
        while stack:
            current, at = key = stack[-1]
            if at < self._size and current in self._known:
                known[key] = self._known[current]
            if key in known:
                stack.pop()
                continue
            value = table[current]
            instances = self._copies(current, at) if value.kind in _OF_COPIES else (at,)
            if instances is None:
                found: Any = MISSING
            elif not instances:
                found = []
            else:
                missing = [
                    (row, each)
                    for each in instances
                    for row in value.of
                    if table[row].of and (row, each) not in known
                ]
                if missing:
                    stack += missing
                    continue
                parts = [
                    known[row, each] if table[row].of else leaf(row, each)
                    for each in instances
                    for row in value.of
                ]
                found = _combined(value.kind, parts)
            stack.pop()
            known[key] = found
            if at < self._size:
                self._known[current] = found
        return known[index, instance]


_OF_COPIES: Final = (ValueKind.ALL_EACH, ValueKind.ANY_EACH)


def _combined(kind: ValueKind, parts: list[Any]) -> Any:
    match kind:
        case ValueKind.ALL_OF | ValueKind.ALL_EACH:
            return MISSING if any(part is MISSING for part in parts) else parts
        case ValueKind.ANY_OF | ValueKind.ANY_EACH:
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

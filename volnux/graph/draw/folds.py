"""Folding of a large drawing: what does not fit is drawn as boxes that stand for many nodes."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Fold", "folds_of"]

_WIDEST = 12
"""More parallel parts than this are drawn as at most this many runs of them."""


@dataclass(frozen=True, slots=True)
class Fold:
    """The nodes from `start` to `last`, by index, inclusive, which are drawn as one box.

    `title` is that of the frame around exactly these nodes; None if there is none.
    """

    start: int
    last: int
    title: str | None = None


def folds_of(
    shown: Sequence[int],
    parts: Iterable[Fold],
    edges: Iterable[tuple[int, int]],
    most: int,
) -> list[Fold]:
    """The folds that leave at most about `most` boxes, in reading order; none if all nodes fit.

    The largest parts are opened first, so every part of the drawing gets about the same detail.

    Args:
        shown: the nodes that would be drawn, by index, in reading order.
        parts: the parts of the graph: frames, parallel groups and their arms.
        edges: the edges between the nodes that would be drawn, by index.
        most: the number of boxes.
    """
    if len(shown) <= most:
        return []
    opening = _Opening(shown, edges, longest=max(_WIDEST, most * 3 // 4))
    root = opening.tree(parts)
    closed: list[_Part] = []
    waiting = [(-root.size, root.start, root)]
    count = 1
    while waiting:
        _, _, part = heapq.heappop(waiting)
        children = [] if part.closed else opening.children(part)
        if part is not root and (part.closed or count - 1 + len(children) > most):
            closed.append(part)
            continue
        count += len(children) - 1
        for child in children:
            if child.size > 1:
                heapq.heappush(waiting, (-child.size, child.start, child))
    closed.sort(key=lambda part: part.start)
    return [Fold(shown[part.start], shown[part.last], part.title) for part in closed]


@dataclass(slots=True)
class _Part:
    """A part of the drawing, by positions in the list of nodes that are shown, inclusive.

    `inner` are the parts that are known to be in it. A part that is `closed` is never opened.
    """

    start: int
    last: int
    title: str | None = None
    inner: list[_Part] = field(default_factory=list)
    closed: bool = False

    @property
    def size(self) -> int:
        return self.last - self.start + 1


class _Opening:
    """Finds the children of parts; a line of more than `longest` units is drawn as runs of them."""

    def __init__(
        self, shown: Sequence[int], edges: Iterable[tuple[int, int]], longest: int
    ) -> None:
        self._shown = shown
        self._longest = longest
        position = {number: at for at, number in enumerate(shown)}
        self._targets: list[list[int]] = [[] for _ in shown]
        for source, target in edges:
            self._targets[position[source]].append(position[target])
        for targets in self._targets:
            targets.sort()

    def tree(self, parts: Iterable[Fold]) -> _Part:
        """All parts inside each other. One that overlaps another one partly is left out."""
        shown = self._shown
        root = _Part(0, len(shown) - 1)
        open_ = [root]
        for part in sorted(parts, key=lambda part: (part.start, -part.last)):
            start, last = bisect_left(shown, part.start), bisect_right(shown, part.last) - 1
            if start >= last:  # one node, or a later round, which is not shown
                continue
            while open_[-1].last < start:
                open_.pop()
            around = open_[-1]
            if last > around.last:
                continue
            if (start, last) == (around.start, around.last):
                around.title = around.title or part.title
                continue
            inner = _Part(start, last, part.title)
            around.inner.append(inner)
            open_.append(inner)
        return root

    def children(self, part: _Part) -> list[_Part]:
        """What is drawn if a part is opened: its units, or runs of them if there are many."""
        units = list(self._units(part))
        if len(units) == 1:
            units = list(_split(part, range(part.start, part.last + 1)))
        parallel = not any(self._leads_on(unit, part.last) for unit in units)
        most = _WIDEST if parallel else self._longest
        if len(units) <= most:
            return units
        return list(_runs(units, -(-part.size // most)))

    def _units(self, part: _Part) -> Iterator[_Part]:
        """The units of a part: it is split at each node where all ways from before it lead to.

        So an event and its branches are one unit.
        """
        starts = [part.start]
        reach = part.start
        for position in range(part.start, part.last):
            reach = max(reach, self._reach(position, part.last))
            if reach <= position + 1:
                starts.append(position + 1)
        return _split(part, starts)

    def _leads_on(self, unit: _Part, last: int) -> bool:
        """Whether an edge leads from a unit to a node behind it, up to `last`."""
        positions = range(unit.start, unit.last + 1)
        return any(self._reach(position, last) > unit.last for position in positions)

    def _reach(self, position: int, last: int) -> int:
        """The last position, up to `last`, that an edge from a node leads to."""
        targets = self._targets[position]
        if targets and targets[-1] <= last:
            return targets[-1]
        count = bisect_right(targets, last)
        return targets[count - 1] if count else position


def _split(part: _Part, starts: Iterable[int]) -> Iterator[_Part]:
    """A part in pieces that begin at these positions, but never in the middle of an inner part."""
    bounds = []
    inner = iter(part.inner)
    around = next(inner, None)
    for start in starts:
        while around is not None and around.last < start:
            around = next(inner, None)
        if around is None or start <= around.start:
            bounds.append(start)
    bounds.append(part.last + 1)
    left = part.inner
    for start, stop in itertools.pairwise(bounds):
        count = next((at for at, each in enumerate(left) if each.start >= stop), len(left))
        within, left = left[:count], left[count:]
        if len(within) == 1 and (within[0].start, within[0].last) == (start, stop - 1):
            yield within[0]
        else:
            yield _Part(start, stop - 1, None, within)


def _runs(units: list[_Part], size: int) -> Iterator[_Part]:
    """Small units together as parts of about a size, which are never opened; large ones alone."""
    run: list[_Part] = []
    for unit in units:
        if run and (unit.size >= size or run[-1].last + 1 - run[0].start >= size):
            yield _joined(run)
            run = []
        run.append(unit)
    yield _joined(run)


def _joined(run: list[_Part]) -> _Part:
    """Some adjacent units as one part."""
    return run[0] if len(run) == 1 else _Part(run[0].start, run[-1].last, closed=True)

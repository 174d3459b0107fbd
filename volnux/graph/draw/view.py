"""The arrows and frames of a graph, for drawings that consist of boxes and arrows."""

from __future__ import annotations

import functools
import itertools
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from volnux.graph.draw.folds import Fold, folds_of
from volnux.graph.draw.labels import each_text, printable
from volnux.graph.draw.marks import Marks
from volnux.graph.draw.rounds import Rounds
from volnux.graph.draw.uses import UseNames, Uses, uses_of
from volnux.graph.parts import Kind
from volnux.graph.topology import ROOT

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.graph.outcome import State

__all__ = ["Close", "Frame", "Line", "View"]


@dataclass(frozen=True, slots=True)
class Line:
    """One edge, by the indices of its nodes.

    `label` lists the descriptors, or is None for a plain arrow; `pipe` says whether the result is
    passed on.
    """

    source: int
    target: int
    label: str | None
    pipe: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """A group or a use: the nodes from `start` to `last`, by index, inclusive.

    `title` says what is special about it: `each url`, `task tidy`, `again 3`, `clean(day=day)`. It
    is None for a group that only has branches. `use` is the index of the use, or None.
    """

    start: int
    last: int
    title: str | None = None
    use: int | None = None


class Close(Enum):
    """The end of the frame that was opened last."""

    FRAME = "frame"


class View:
    """What a drawing shows of a graph.

    It shows only the first round of a group that runs again. A closed box stands at the first node
    of its use.

    Args:
        graph: the graph.
        states: how places ended in a run, by place.
        uses: how it shows the uses of other pipelines.
        most: about how many nodes it shows; what does not fit is folded. None for all.
        unended: how it calls the state of a place that is cancelled in `states`. In a run without
            an end, such a place was under way.

    Attributes:
        graph: the graph.
        marks: how places ended.
        names: the names of places and uses.
        boxes: the closed boxes: the index of each use by that of the node at which it stands.
        folds: the folds by the index of the node at which they stand.
    """

    def __init__(
        self,
        graph: Graph,
        states: Mapping[str, State] | None = None,
        uses: Uses | str = Uses.OPEN,
        most: int | None = None,
        unended: str | None = None,
    ) -> None:
        self.graph = graph
        self._uses = uses_of(uses)
        self._rounds = Rounds(graph)
        self.marks = Marks(graph, states, self._rounds, unended)
        self.names = UseNames(graph, self._uses)
        self.boxes: dict[int, int] = {}
        self.folds: dict[int, Fold] = {}
        self._stands = self._rounds.stands
        if self._uses is Uses.CLOSED:
            self._close()
        self._framed = self._frames()
        if most is not None:
            self._fold(most)

    def _close(self) -> None:
        """Let the first node of each use stand for all of them."""
        graph = self.graph
        closed, index = self.names.closed, graph.topology.index
        self._stands = [
            shown
            if shown is None or (use := closed[shown]) == ROOT
            else index[graph.uses[use].first]
            for shown in self._rounds.stands
        ]
        self.boxes = {
            number: closed[number]
            for number, shown in enumerate(self._stands)
            if shown == number and closed[number] != ROOT
        }

    def _fold(self, most: int) -> None:
        """Let the first node of each fold stand for all of them."""
        shown = [number for number, stand in enumerate(self._stands) if number == stand]
        index, stands = self.graph.topology.index, self._stands
        edges = {
            (stands[index[edge.source]], stands[index[edge.target]]) for edge in self.graph.edges
        }
        forward = [(a, b) for a, b in edges if a is not None and b is not None and a < b]
        folds = folds_of(shown, self._parts(), forward, most)
        starts = [fold.start for fold in folds]

        def around(number: int) -> Fold | None:
            at = bisect_right(starts, number) - 1
            return folds[at] if at >= 0 and number <= folds[at].last else None

        self._stands = [
            stand if stand is None or (fold := around(stand)) is None else fold.start
            for stand in self._stands
        ]
        self.folds = {fold.start: fold for fold in folds}
        framed = []
        for frame in self._framed:
            begin, end = around(frame.start), around(frame.last)
            if begin is None or frame.last > begin.last:
                framed.append(frame if end is None else replace(frame, last=end.start))
        self._framed = framed

    def _parts(self) -> Iterator[Fold]:
        """The parts of the drawing: frames, parallel groups and their arms."""
        for frame in self._framed:
            yield Fold(frame.start, frame.last, frame.title)
        index = self.graph.topology.index
        for group in self.graph.groups:
            starts = [index[arm] for arm in group.arms]
            ends = [*(start - 1 for start in starts[1:]), index[group.last]]
            yield Fold(index[group.first], index[group.last])
            yield from map(Fold, starts, ends)

    def stands_for(self, index: int) -> int | None:
        """The node that is drawn for a node, itself or another one; None if none is."""
        return self._stands[index]

    def state(self, index: int) -> State | None:
        """The state of what is drawn at a node: of its last round, or the worst of many places."""
        if index in self.folds:
            return self.marks.together(self._under(index))[0]
        use = self.boxes.get(index)
        if use is None:
            return self.marks.state(index)
        return next(reversed(self.marks.use_states(use)), None)

    def fold_texts(self, index: int) -> tuple[str, str]:
        """The title of a fold, and how many places it stands for, by state."""
        under = self._under(index)
        events = [number for number in under if self._rounds.stands[number] == number]
        if not events:  # only joins and the like
            return self.folds[index].title or "…", ""
        first, last = self.names.place(events[0]), self.names.place(events[-1])
        title = self.folds[index].title or (first if first == last else f"{first} … {last}")
        states = self.marks.together(under)[1]
        places = f"{len(under)} place{'' if len(under) == 1 else 's'}"
        return title, f"{places}: {states}" if states else places

    def _under(self, index: int) -> list[int]:
        """The events, in all rounds, that a fold stands for."""
        return self._events_by_stand.get(index, [])

    @functools.cached_property
    def _events_by_stand(self) -> dict[int | None, list[int]]:
        found: dict[int | None, list[int]] = {}
        for number, node in enumerate(self.graph.nodes):
            if node.kind is Kind.EVENT:
                found.setdefault(self._stands[number], []).append(number)
        return found

    def id(self, index: int) -> str:
        """The name of a node, or that of the use whose closed box stands there."""
        use = self.boxes.get(index)
        return self.graph.nodes[index].id if use is None else self.graph.uses[use].place

    def is_box(self, index: int) -> bool:
        """Whether a node is drawn as a box: an event, or a box that stands for several nodes."""
        return (
            index in self.boxes or index in self.folds or self.graph.nodes[index].kind is Kind.EVENT
        )

    def has_head(self, index: int) -> bool:
        """Whether an arrow to a node has a head: joins and the like are points on the way."""
        return self.is_box(index) or self.graph.nodes[index].kind is Kind.FAIL

    def items(self) -> Iterator[int | Frame | Close]:
        """The nodes by index in reading order, with frames opened and closed around groups.

        Uses have frames, too. Parallel groups have none: their arrows show them.
        """
        frames = list(self._framed)
        open_: list[int] = []
        for number, shown in enumerate(self._stands):
            if shown != number:
                continue
            while frames and frames[-1].start == number:
                frame = frames.pop()
                open_.append(frame.last)
                yield frame
            yield number
            while open_ and open_[-1] == number:
                open_.pop()
                yield Close.FRAME

    def lines(self) -> list[Line]:
        """The edges, in the order of the graph.

        The edge that an `each` without items takes is left out, as is the one that leads to the
        next round of a group.
        """
        graph = self.graph
        index = graph.topology.index
        nodes = graph.nodes
        ends = [
            (source, target, edge.when)
            for edge in graph.edges
            for source, target in ((index[edge.source], index[edge.target]),)
            if not (nodes[source].kind is Kind.EACH and nodes[target].kind is Kind.GATHER)
        ]
        piped = [node.receives is not None for node in nodes]
        labelled = [node.kind is Kind.CATCH for node in nodes]
        # A join pipes a value if its targets receive one. They come after it, so go backwards.
        for source, target, when in reversed(ends):
            if nodes[source].kind in (Kind.JOIN, Kind.GATHER) and piped[target]:
                piped[source] = True
            if when != (1,):
                labelled[source] = True
        if self._rounds.repeats:
            for repeat in self._rounds.repeats:
                labelled[repeat.catch] = False
        closed = self.boxes.keys() | self.folds.keys()
        if closed:
            for source, target, _ in ends:
                begin, end = self._stands[source], self._stands[target]
                if begin != end and end in closed and piped[target]:
                    piped[end] = True
            for number in closed:
                labelled[number] = False
        if self._rounds.repeats or closed:
            ends = self._folded(ends)
        return [
            Line(
                source,
                target,
                ", ".join(map(str, when)) if labelled[source] else None,
                piped[target],
            )
            for source, target, when in ends
        ]

    def _folded(
        self, ends: list[tuple[int, int, tuple[int, ...]]]
    ) -> list[tuple[int, int, tuple[int, ...]]]:
        """The edges between the nodes that are shown, each once.

        A group that runs again is left at its catch, whatever round was the last.
        """
        stands = self._stands
        around: dict[int, list[tuple[int, int]]] = {}
        shown = [repeat for repeat in self._rounds.repeats if stands[repeat.catch] == repeat.catch]
        for repeat in sorted(shown, key=lambda repeat: -repeat.catch):
            for number in range(repeat.start, repeat.catch + 1):
                around.setdefault(number, []).append((repeat.start, repeat.catch))
        found: dict[tuple[int, int], tuple[int, ...]] = {}
        for begin, end, when in ends:
            source, target = stands[begin], stands[end]
            if source is None or target is None:
                continue
            for start, catch in around.get(source, ()):
                if not start <= target <= catch:
                    source = catch
                    when = (1,)
                    break
            if source < target:
                found.setdefault((source, target), when)
        return [(source, target, when) for (source, target), when in found.items()]

    def _frames(self) -> list[Frame]:
        """The frames, the first at the end; of two that start together, the outer one is first."""
        graph = self.graph
        index = graph.topology.index
        frames = [
            Frame(index[node.first], number)
            for number, node in enumerate(graph.nodes)
            if node.first is not None and number not in self._rounds.catches
        ]
        frames += [Frame(r.start, r.catch, f"again {r.count}") for r in self._rounds.repeats]
        frames += [
            Frame(index[each.each], index[each.gather], each_text(each)) for each in graph.eaches
        ]
        frames += [
            Frame(
                index[task.first],
                index[task.last],
                printable(f"task {self.names.task(task.name, task.first)}"),
            )
            for task in graph.tasks
        ]
        frames = [frame for frame in frames if self._stands[frame.last] == frame.last]
        if self._uses is Uses.OPEN:
            frames += self._of_uses()
        frames.sort(key=lambda frame: (-frame.start, frame.last))
        return self._merged(frames)

    def _of_uses(self) -> Iterator[Frame]:
        """The frames of the uses in reverse order: of two of one size, the outer one comes last."""
        stands, index = self._stands, self.graph.topology.index
        of_node = (number if shown == number else 0 for number, shown in enumerate(stands))
        last_shown = list(itertools.accumulate(of_node, max))
        for number, use in reversed(list(enumerate(self.graph.uses))):
            start = index[use.first]
            if stands[start] == start:
                # The last node may belong to a later round of a group inside of the use.
                last = last_shown[index[use.last]]
                yield Frame(start, last, self.names.use(number), number)

    def _merged(self, frames: list[Frame]) -> list[Frame]:
        """The frames, with one instead of two for a use with branches."""
        graph = self.graph
        found: list[Frame] = []
        for frame in frames:
            inner = found[-1] if found else None
            if (
                inner is not None
                and inner.use is not None
                and frame.title is None
                and frame.start == inner.start
                and graph.nodes[frame.last].span == graph.uses[inner.use].span
            ):
                found[-1] = Frame(frame.start, frame.last, inner.title, inner.use)
            else:
                found.append(frame)
        return found

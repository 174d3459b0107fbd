"""The arrows and frames of a graph, for drawings that consist of boxes and arrows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from volnux.graph.draw.labels import each_text, printable
from volnux.graph.draw.marks import Marks
from volnux.graph.draw.rounds import Rounds
from volnux.graph.parts import Kind

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.graph.outcome import State
    from volnux.graph.parts import Node

__all__ = ["Close", "Frame", "Line", "View", "has_head"]


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
    """A group: the nodes from `start` to `last`, by index, inclusive.

    `title` says what is special about it: `each url`, `task tidy`, `again 3`. It is None for a
    group that only has branches.
    """

    start: int
    last: int
    title: str | None = None


class Close(Enum):
    """The end of the frame that was opened last."""

    FRAME = "frame"


class View:
    """What a drawing shows of a graph.

    It shows only the first round of a group that runs again.

    Args:
        graph: the graph.
        states: how places ended in a run, by place.

    Attributes:
        marks: how places ended.
    """

    def __init__(self, graph: Graph, states: Mapping[str, State] | None = None) -> None:
        self._graph = graph
        self._rounds = Rounds(graph)
        self.marks = Marks(graph, states, self._rounds)

    def items(self) -> Iterator[int | Frame | Close]:
        """The nodes by index in reading order, with frames opened and closed around groups.

        Parallel groups have no frame: their arrows show them.
        """
        frames = self._frames()
        open_: list[int] = []
        for number, shown in enumerate(self._rounds.stands):
            if shown != number:
                continue
            while frames and frames[-1].start == number:
                frame = frames.pop()
                open_.append(frame.last)
                yield frame
            yield number
            if open_ and open_[-1] == number:
                open_.pop()
                yield Close.FRAME

    def lines(self) -> list[Line]:
        """The edges, in the order of the graph.

        The edge that an `each` without items takes is left out, as is the one that leads to the
        next round of a group.
        """
        graph = self._graph
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
        stands = self._rounds.stands
        around: dict[int, list[tuple[int, int]]] = {}
        for repeat in sorted(self._rounds.repeats, key=lambda repeat: -repeat.catch):
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
        graph, stands = self._graph, self._rounds.stands
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
            Frame(index[task.first], index[task.last], printable(f"task {task.name}"))
            for task in graph.tasks
        ]
        frames = [frame for frame in frames if stands[frame.last] == frame.last]
        frames.sort(key=lambda frame: (-frame.start, frame.last))
        return frames


def has_head(node: Node) -> bool:
    """Whether an arrow to a node has a head: joins and the like are points on the way."""
    return node.kind in (Kind.EVENT, Kind.FAIL)

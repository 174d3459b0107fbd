"""The arrows and frames of a graph, for drawings that consist of boxes and arrows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from volnux.graph.parts import Kind

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["Close", "Frame", "Line", "lines", "places_and_frames"]


@dataclass(frozen=True, slots=True)
class Line:
    """One edge, by the indices of its nodes.

    `label` lists the descriptors, or is None for a plain arrow; `pipe` says whether the result is
    passed on.
    """

    source: int
    target: int
    when: tuple[int, ...]
    label: str | None
    pipe: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """A group with branches: the nodes from `start` to its catch, by index, inclusive."""

    start: int
    catch: int


class Close(Enum):
    """The end of the frame that was opened last."""

    FRAME = "frame"


def lines(graph: Graph) -> list[Line]:
    """The edges of a graph, in its order."""
    index = graph.topology.index
    ends = [(index[edge.source], index[edge.target], edge.when) for edge in graph.edges]
    piped = [node.receives is not None for node in graph.nodes]
    labelled = [node.kind is Kind.CATCH for node in graph.nodes]
    # A join pipes a value if its targets receive one. They come after it, so go backwards.
    for source, target, when in reversed(ends):
        if graph.nodes[source].kind is Kind.JOIN and piped[target]:
            piped[source] = True
        if when != (1,):
            labelled[source] = True
    return [
        Line(
            source,
            target,
            when,
            ", ".join(map(str, when)) if labelled[source] else None,
            piped[target],
        )
        for source, target, when in ends
    ]


def places_and_frames(graph: Graph) -> Iterator[int | Frame | Close]:
    """The nodes by index in reading order, with frames opened and closed around groups.

    Parallel groups have no frame: their arrows show them.
    """
    index = graph.topology.index
    frames = [
        Frame(index[node.first], number)
        for number, node in enumerate(graph.nodes)
        if node.first is not None
    ]
    # Frames that start together: the outer one, whose catch comes later, is opened first.
    frames.sort(key=lambda frame: (-frame.start, frame.catch))
    for number, node in enumerate(graph.nodes):
        while frames and frames[-1].start == number:
            yield frames.pop()
        yield number
        if node.kind is Kind.CATCH:
            yield Close.FRAME

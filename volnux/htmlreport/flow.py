"""The pictures of the flow in an HTML report: the texts that the browser lays out with Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from volnux.graph.draw.digraph import dot_of, name_of
from volnux.graph.draw.view import View
from volnux.graph.places import template_of

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.graph.report import PlaceReport

__all__ = ["pictures_of"]

_LARGE = 150
"""A picture with more nodes than this is folded first."""

_LARGEST = 600
"""A flow with more nodes than this is only drawn folded: its layout would take seconds."""

_FOLDED = 48
"""About how many nodes a folded picture has."""


def pictures_of(
    graph: Graph, places: Mapping[str, PlaceReport], unended: str | None = None
) -> list[dict[str, Any]]:
    """The pictures of a run, the one to show first as the first.

    Each has a `title`, its `dot`, the `boxes` (the name in the picture, the state, and whether any
    of its places ran), and `of`: for each place, the number of its box, or -1.

    Args:
        graph: the graph.
        places: how places ended.
        unended: see `html_of`.
    """
    states = {place: entry.state for place, entry in places.items()}
    whole = View(graph, states, unended=unended)
    nodes = sum(isinstance(item, int) for item in whole.items())
    views = {}
    if nodes > _LARGE:
        views["Overview"] = View(graph, states, most=_FOLDED, unended=unended)
    if nodes <= _LARGEST:
        views["All places" if views else "Flow"] = whole
    return [_picture(title, view, places) for title, view in views.items()]


def _picture(title: str, view: View, places: Mapping[str, PlaceReport]) -> dict[str, Any]:
    index = view.graph.topology.index
    numbers: dict[int | None, int] = {}
    boxes: list[list[Any]] = []
    for item in view.items():
        if isinstance(item, int) and view.is_box(item):
            numbers[item] = len(boxes)
            state = view.state(item)
            boxes.append([name_of(view.id(item)), state and view.marks.said(state), False])
    of = []
    for place, entry in places.items():
        node = index.get(template_of(place))
        number = -1 if node is None else numbers.get(view.stands_for(node), -1)
        if number >= 0 and entry.attempts:
            boxes[number][2] = True
        of.append(number)
    return {"title": title, "dot": dot_of(view, "Helvetica"), "boxes": boxes, "of": of}

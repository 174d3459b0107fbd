"""Uses of other pipelines in a drawing: as boxes, without boxes, or as closed boxes."""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import TYPE_CHECKING

from volnux.graph.draw.errors import DrawError
from volnux.graph.draw.labels import argument_texts, printable
from volnux.graph.topology import ROOT

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["UseNames", "Uses", "uses_of"]


class Uses(StrEnum):
    """How a drawing shows the uses of other pipelines."""

    OPEN = "open"
    """As boxes with their places, which are named as in the used file."""

    FLAT = "flat"
    """Without boxes: only their places, by their full names."""

    CLOSED = "closed"
    """As boxes without their places."""


def uses_of(uses: Uses | str) -> Uses:
    """The way to draw uses that has this name.

    Raises:
        DrawError: there is no such way.
    """
    try:
        return Uses(uses)
    except ValueError:
        known = ", ".join(Uses)
        raise DrawError(f"uses cannot be drawn as {uses!r}", hint=f"one of: {known}") from None


class UseNames:
    """What a drawing writes at the uses of a graph, at its places and at its tasks.

    Args:
        graph: the graph.
        uses: how the drawing shows uses.
    """

    def __init__(self, graph: Graph, uses: Uses) -> None:
        self._graph = graph
        self._uses = uses

    def place(self, index: int) -> str:
        """The name of the place of a node."""
        return self._short(self._graph.nodes[index].id, self._graph.topology.use_of[index])

    def task(self, name: str, first: str) -> str:
        """The name of a task, by its full name and its first node."""
        use = self._graph.topology.use_around(first)
        # A task may begin with a use, and is then around it.
        while use != ROOT and not name.startswith(self._graph.uses[use].place + "."):
            within = self._graph.uses[use].within
            use = ROOT if within is None else within
        return self._short(name, use)

    def use(self, number: int) -> str:
        """The title of a use: its name and its arguments, such as `clean(table="sales")`."""
        use = self._graph.uses[number]
        name = self._short(use.place, ROOT if use.within is None else use.within)
        arguments = ", ".join(argument_texts(use.arguments))
        return printable(name) + (f"({arguments})" if arguments else "")

    @functools.cached_property
    def closed(self) -> list[int]:
        """For each node, the closed box that hides it: the index of its use, or `ROOT`."""
        graph = self._graph
        found = [ROOT] * len(graph.nodes)
        if self._uses is Uses.CLOSED:
            index = graph.topology.index
            for number, use in enumerate(graph.uses):
                if use.within is None:
                    first, last = index[use.first], index[use.last]
                    found[first : last + 1] = [number] * (last + 1 - first)
        return found

    def _short(self, name: str, use: int) -> str:
        """A name without that of the box around it."""
        if use == ROOT or self._uses is Uses.FLAT:
            return name
        return name.removeprefix(self._graph.uses[use].place + ".")

"""Pictures of a graph: for a terminal, for Mermaid, for Graphviz, as SVG.

Drawing needs no event class and runs no user code. What is unknown before linking is drawn as *all*
and *stop*.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from volnux.graph.draw.digraph import dot
from volnux.graph.draw.errors import DrawError
from volnux.graph.draw.flowchart import mermaid
from volnux.graph.draw.image import image, svg
from volnux.graph.draw.terminal import ascii
from volnux.graph.draw.uses import Uses
from volnux.graph.outcome import State

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["DrawError", "Format", "Uses", "ascii", "dot", "draw", "image", "mermaid", "svg"]


class Format(StrEnum):
    """The text formats of a drawing; `image` supports every format of Graphviz."""

    ASCII = "ascii"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


def draw(
    graph: Graph,
    format: Format | str = Format.ASCII,
    *,
    states: Mapping[str, State] | None = None,
    uses: Uses | str = Uses.OPEN,
) -> str:
    """A picture of the graph as text that ends in a line break; equal graphs give equal text.

    Args:
        graph: the graph.
        format: `ascii`, `mermaid`, `dot` or `svg`.
        states: how places ended in a run, by place; they are marked or coloured.
        uses: how uses of other pipelines are shown: `open`, `flat` or `closed`.

    Raises:
        DrawError: there is no such format or way to show uses, the graph lacks what the format
            needs, or, for `svg`, Graphviz is missing or does not finish.
    """
    try:
        chosen = Format(format)
    except ValueError:
        known = ", ".join(Format)
        raise DrawError(f"there is no drawing format {format!r}", hint=f"one of: {known}") from None
    match chosen:
        case Format.ASCII:
            return ascii(graph, states=states, uses=uses)
        case Format.MERMAID:
            return mermaid(graph, states=states, uses=uses)
        case Format.DOT:
            return dot(graph, states=states, uses=uses)
        case Format.SVG:
            return svg(graph, states=states, uses=uses)
        case _:
            assert_never(chosen)

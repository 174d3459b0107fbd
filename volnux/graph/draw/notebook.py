"""A graph as HTML, for notebooks: an inline SVG where Graphviz is installed, else text."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

from volnux.graph.draw.errors import DrawError
from volnux.graph.draw.image import svg
from volnux.graph.draw.terminal import ascii
from volnux.graph.outcome import State

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["as_html"]

_PATIENCE = 10.0
"""Seconds that a notebook waits for a picture."""


def as_html(graph: Graph, *, states: Mapping[str, State] | None = None) -> str:
    """The graph as HTML.

    Args:
        graph: the graph.
        states: how places ended in a run, by place.
    """
    try:
        picture = svg(graph, states=states, timeout=_PATIENCE)
    except DrawError:
        try:
            text = ascii(graph, states=states)
        except DrawError as error:  # the graph was read from JSON without its text
            text = str(error)
        return f"<pre>{html.escape(text)}</pre>"
    # The XML declaration and the document type before it are only valid in a separate file.
    return picture[picture.index("<svg") :]

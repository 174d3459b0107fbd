"""Drawings of a pipeline class: printed as text, or written as a picture."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from volnux.errors import visible
from volnux.graph.draw import draw, image
from volnux.graph.model import Graph

__all__ = ["print_drawing", "write_picture"]


def print_drawing(graph: Graph) -> str:
    """Print a graph as a plain text drawing, and return the text."""
    text = draw(graph, "ascii")
    sys.stdout.write(visible(text))
    return text


def write_picture(graph: Graph, folder: Path, format: str) -> Path:
    """Write a picture of a graph into a folder, which is created if needed; return its path.

    Raises:
        DrawError: Graphviz is not installed, or cannot write that format.
    """
    is_text = format in ("dot", "mermaid")
    picture = draw(graph, format).encode() if is_text else image(graph, format)
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]+", "_", graph.name)
    # In Graphviz, a format such as `png:cairo` also selects the renderer.
    suffix = "mmd" if format == "mermaid" else format.partition(":")[0]
    path = folder / f"{name}.{suffix}"
    path.write_bytes(picture)
    return path

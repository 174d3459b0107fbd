"""`volnux graph`: a picture of a pipeline, or its graph as JSON."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from volnux.cli import files, output
from volnux.cli.options import File
from volnux.loading import load_graph

__all__ = ["command"]


class Format(StrEnum):
    """What a graph can be written as."""

    ASCII = "ascii"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    JSON = "json"


def command(
    file: File,
    format: Annotated[Format, typer.Option("--format", "-f", help="What to write.")] = Format.ASCII,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Write to this file.", show_default=False
        ),
    ] = None,
) -> None:
    """Draw a pipeline, or write it as JSON.

    No Python of it is imported: what only event classes say is drawn as the default, a parallel
    group that is done when all its arms are.
    """
    graph = load_graph(file)
    if format is Format.JSON:
        text = graph.to_json(indent=2) + "\n"
    else:
        from volnux.graph.draw import draw

        text = draw(graph, format.value)
    if target is None:
        output.write(text)
    else:
        files.write(target, text.encode())

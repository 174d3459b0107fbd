"""`volnux graph`: a picture of a pipeline, or its graph as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volnux.cli import disk, output
from volnux.cli.options import File
from volnux.cli.usage import UsageError
from volnux.loading import load_graph

__all__ = ["command"]


_TEXTS = ("ascii", "mermaid", "dot", "svg", "json")
_IMAGES = ("png", "pdf")


def _formats(incomplete: str) -> list[str]:
    return [name for name in (*_TEXTS, *_IMAGES) if name.startswith(incomplete)]


def command(
    file: File,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="ascii, mermaid, dot, svg, json, or another format of Graphviz: png, pdf, …",
            autocompletion=_formats,
        ),
    ] = "ascii",
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Write to this file.", show_default=False
        ),
    ] = None,
    flat: Annotated[
        bool,
        typer.Option("--flat", help="Draw uses of other pipelines without boxes around them."),
    ] = False,
    closed: Annotated[
        bool,
        typer.Option("--closed", help="Draw each use of another pipeline as one closed box."),
    ] = False,
) -> None:
    """Draw a pipeline, or write it as JSON.

    No Python code is imported. Settings in event classes are therefore unknown: a parallel group is
    drawn as done when all its arms are done.
    """
    if flat and closed:
        raise UsageError(["--flat and --closed cannot be combined"])
    if format == "json" and (flat or closed):
        raise UsageError(["--flat and --closed have no effect on JSON, which has all places"])
    graph = load_graph(file)
    if target is None and format not in _TEXTS:
        raise UsageError([f"use --output to name the file for the {format} image"])
    uses = "flat" if flat else "closed" if closed else "open"
    if format == "json":
        picture = (graph.to_json(indent=2) + "\n").encode()
    elif format in _TEXTS:
        from volnux.graph.draw import draw

        picture = draw(graph, format, uses=uses).encode()
    else:
        from volnux.graph.draw import image

        picture = image(graph, format, uses=uses)
    if target is None:
        output.write(picture.decode())
    else:
        disk.write(target, picture)

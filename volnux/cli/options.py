"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Backend", "Events", "File", "Inputs", "Json", "Paths", "StorePath"]


def _backends(incomplete: str) -> list[str]:
    from volnux.backends.registry import backend_names

    return [name for name in backend_names() if name.startswith(incomplete)]


File = Annotated[Path, typer.Argument(metavar="FILE", help="The .pty file.", show_default=False)]
Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH", help="Files, or folders to search for .pty files.", show_default=False
    ),
]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--events",
        metavar="MODULE",
        help="Look events up in this module instead of those of @events; may be repeated.",
        show_default=False,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="NAME=VALUE",
        help="Set an input; may be repeated.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="The name of a backend; `volnux backends` lists them.",
        autocompletion=_backends,
        show_default=False,
    ),
]
StorePath = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH",
        help="The file with the runs; by default that of the current folder, or of FILE.",
        show_default=False,
    ),
]

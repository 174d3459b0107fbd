"""`volnux files`: every file that pipelines are read from."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volnux.cli import disk, output
from volnux.cli.options import Paths
from volnux.cli.usage import UsageError
from volnux.errors import Severity
from volnux.loading import load_graph, load_plan

if TYPE_CHECKING:
    from volnux.kit.sourcefiles import FileKind

__all__ = ["command"]


def command(
    paths: Paths,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list of objects, and nothing else.")
    ] = False,
    zero: Annotated[
        bool, typer.Option("-0", "--null", help="End each path with a NUL instead of a line break.")
    ] = False,
    link: Annotated[
        bool,
        typer.Option(
            "--link/--no-link",
            help="Also find the modules that are imported, by importing them.",
        ),
    ] = True,
    installed: Annotated[
        bool, typer.Option("--installed", help="Include files of installed packages.")
    ] = False,
) -> None:
    """List every file that pipelines are read from.

    These are their texts and the texts that they use, the modules of events, the modules in the
    same folders that those import, and the volnux.toml of files with variables.

    Exit code: 0 success, 2 a file has errors or cannot be read.
    """
    if json and zero:
        raise UsageError(["--json and -0 cannot be combined"])
    known, diagnostics = disk.find(paths)
    output.show(diagnostics)
    if not known and not diagnostics:
        output.warn(f"no .pty files in {', '.join(map(str, paths))}")
    if json:
        with output.json_only() as result:
            found = _found(known, link=link, installed=installed)
            result.write([_as_json(*each) for each in found.items()])
    else:
        # The output of a module of events must not appear between the paths.
        with contextlib.redirect_stdout(sys.stderr):
            found = _found(known, link=link, installed=installed)
        end = "\0" if zero else "\n"
        output.write("".join(f"{_shown(path)}{end}" for path in found))
    raise typer.Exit(2 if any(each.severity is Severity.ERROR for each in diagnostics) else 0)


def _found(
    paths: list[Path], *, link: bool, installed: bool
) -> dict[Path, tuple[FileKind, dict[Path, None]]]:
    """The files of all pipelines, each once: what it is, and the texts that use it."""
    from volnux.kit.sourcefiles import source_files

    # All are linked first, so that the order of the paths does not matter.
    graphs = [load_plan(path).graph if link else load_graph(path) for path in paths]
    files = [file for graph in graphs for file in source_files(graph, linked=link)]
    named = {file.path for file in files if file.named}
    found: dict[Path, tuple[FileKind, dict[Path, None]]] = {}
    for file in files:
        if installed or not file.installed:
            _, users = found.setdefault(file.path, (file.kind, {}))
            # Another file of the same folder need not use a module that one names.
            if file.named or file.path not in named:
                users.update(dict.fromkeys(file.used_by))
    return found


def _as_json(path: Path, about: tuple[FileKind, dict[Path, None]]) -> dict[str, str | list[str]]:
    kind, users = about
    return {"path": _shown(path), "kind": kind, "used_by": [_shown(user) for user in users]}


def _shown(path: Path) -> str:
    """The path, relative to the working directory if it is below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

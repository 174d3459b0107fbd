"""From a path to a plan: read, parse, compile, find the events, link.

What the command line tool and every adapter do first with a `.pty` file, in one place.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from volnux.errors import Diagnostic, Severity, Source, VolnuxError, nearest, pointy_error
from volnux.events.link import Plan, link
from volnux.events.lookup import EventModuleError, Lookup
from volnux.files import UNREADABLE
from volnux.graph.compile import compile
from volnux.graph.model import Graph
from volnux.pointy.parser import analyze, read_source
from volnux.pointy.tree import PointyFile

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline

__all__ = [
    "FileError",
    "check_kind",
    "link_graph",
    "load_file",
    "load_graph",
    "load_plan",
    "read_text",
    "schedule_faults",
]


class FileError(VolnuxError):
    """A file cannot be read; `diagnostic` says why."""

    def __init__(self, path: str | Path, reason: str, hint: str | None = None) -> None:
        self.diagnostic = Diagnostic(UNREADABLE, reason, str(path), hint=hint)
        super().__init__(self.diagnostic.render())
        self.path = Path(path)


def read_text(path: str | Path) -> tuple[Source | None, tuple[Diagnostic, ...]]:
    """The text of a file, or None and why it is no text.

    Raises:
        FileError: the file cannot be read.
    """
    try:
        return read_source(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        raise _file_error(Path(path), error) from error


def check_kind(path: str | Path) -> None:
    """Refuse a file whose name says that it is something else than a pipeline.

    A name without a suffix may be anything: a pipe, standard input, a script.

    Raises:
        FileError: it says what the file is and what was expected.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in ("", ".pty") or not path.is_file():
        return
    kind = _KINDS.get(suffix, f"a '{suffix}' file")
    beside = path.with_suffix(".pty")
    if beside.is_file():
        hint = f"did you mean '{beside}'?"
    elif suffix == ".py":
        hint = "a pipeline is a .pty file, and its events are in the .py file beside it"
    else:
        hint = f"if it is a pipeline, call it '{beside.name}'"
    raise FileError(path, f"this is {kind}, but a pipeline (.pty) was expected", hint)


_KINDS = {
    ".py": "a Python file",
    ".ipynb": "a notebook",
    ".json": "a JSON file",
    ".yaml": "a YAML file",
    ".yml": "a YAML file",
    ".toml": "a TOML file",
    ".md": "a Markdown file",
    ".txt": "a text file",
}


def load_file(path: str | Path) -> tuple[PointyFile | None, tuple[Diagnostic, ...]]:
    """Read and parse a file: the file, or None when there are errors, and everything found.

    Raises:
        FileError: the file cannot be read, or its name says that it is no pipeline.
    """
    check_kind(path)
    source, diagnostics = read_text(path)
    return (None, diagnostics) if source is None else analyze(source)


def load_graph(path: str | Path) -> Graph:
    """The graph of a `.pty` file; no Python of the user is imported.

    Raises:
        FileError: the file cannot be read.
        PointyError: with everything that is wrong with the text.
    """
    return _compiled(path)[0]


def load_plan(path: str | Path, *, events: Sequence[str] = ()) -> Plan:
    """The linked graph of a `.pty` file, ready for a backend.

    Args:
        path: the file.
        events: dotted modules to look events up in; they replace `@events`.

    `Plan.warnings` holds the warnings of the text as well as those of linking.

    Raises:
        FileError: the file cannot be read.
        PointyError: with everything that is wrong with the text.
        LinkError: with every event that is missing or makes no sense.
    """
    graph, found = _compiled(path)
    plan = link_graph(graph, events=events)
    warnings = [d for d in found if d.severity is Severity.WARNING]
    return dataclasses.replace(plan, warnings=(*warnings, *plan.warnings)) if warnings else plan


def link_graph(graph: Graph, *, events: Sequence[str] = ()) -> Plan:
    """Link a graph to the events of its file.

    Args:
        graph: the graph of a file on disk, from `load_graph`.
        events: dotted modules to look events up in; they replace `@events`.

    Where a module of events has a Pipeline class with this file, its fields are inputs as well.

    Raises:
        LinkError: with every event that is missing or makes no sense.
    """
    filename = graph.source.filename if graph.source else graph.name
    lookup = Lookup.for_file(filename, events or graph.events)
    owner = _pipeline_class(Path(filename), lookup)
    if owner is None:
        return link(graph, lookup)
    from volnux.pipeline.definition import link_class

    return link_class(owner, graph, Path(filename), events=events)


def schedule_faults(graph: Graph) -> list[Diagnostic]:
    """An error for each input that a scheduled run would have no value for."""
    if not graph.schedules:
        return []
    source = graph.source.source() if graph.source else None
    return [
        Diagnostic(
            code="required-input",
            message=f"the input '{item.name}' is required, but the pipeline has a schedule: "
            "a scheduled run has nobody to give it",
            file=source.filename if source else graph.name,
            span=item.span,
            hint=f"give it a default: @input: {item.name}: {item.type} = …",
            text=source.line(item.span.line) if source and item.span else None,
        )
        for item in graph.inputs
        if item.required
    ]


def _pipeline_class(path: Path, lookup: Lookup) -> type[Pipeline] | None:
    """The Pipeline class of a file among the modules of its events."""
    try:
        modules = lookup.modules()
    except EventModuleError:
        return None  # linking says what is wrong with the module, and where it is asked for
    if "volnux.pipeline.base" not in sys.modules or not path.is_file():
        return None  # no module of the user's has a class, then, and the import costs time
    from volnux.pipeline.definition import class_for

    return class_for(path, modules)


def _compiled(path: str | Path) -> tuple[Graph, tuple[Diagnostic, ...]]:
    file, found = load_file(path)
    if file is None:
        raise pointy_error(found)
    return compile(file), found


def _file_error(path: Path, error: OSError | ValueError) -> FileError:
    if isinstance(error, FileNotFoundError):
        return FileError(path, "there is no such file", _beside(path))
    if isinstance(error, IsADirectoryError):
        files = sorted(file for file in path.glob("*.pty") if not file.name.startswith("."))
        known = ", ".join(file.name for file in files[:3]) + (" …" if len(files) > 3 else "")
        return FileError(
            path, "this is a directory", f"name a file in it: {known}" if files else None
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return FileError(path, f"it cannot be read: {reason[0].lower()}{reason[1:]}")


def _beside(path: Path) -> str | None:
    """A hint with the file beside `path` that was most likely meant."""
    try:
        if not path.parent.is_dir():
            return f"there is no folder '{path.parent}' either"
        names = sorted(file.name for file in path.parent.iterdir() if file.name[0] != ".")
    except OSError:
        return None
    pipelines = [name for name in names if name.endswith(".pty")]
    close = nearest(path.name, pipelines) or nearest(f"{path.name}.pty", pipelines)
    close = close or nearest(path.name, names)
    return f"did you mean '{path.parent / close[0]}'?" if close else None

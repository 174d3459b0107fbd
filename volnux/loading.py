"""Makes a plan from a path: reads, parses and compiles the file, finds the events, and links.

The command line tool and every adapter use it to load a `.pty` file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from volnux.errors import Diagnostic, Severity, in_order, pointy_error
from volnux.events.link import Plan, link
from volnux.events.lookup import EventModuleError, Lookup
from volnux.graph.compiling import compile
from volnux.graph.model import Graph
from volnux.imported import imported
from volnux.pointy.parser import PointyFile, analyze
from volnux.reading import FileError, check_kind, read_text

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline
    from volnux.pointy.program import Program

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


def load_file(path: str | Path) -> tuple[PointyFile | None, tuple[Diagnostic, ...]]:
    """Read and parse a file: returns it, or None if it has errors, and all diagnostics.

    Raises:
        FileError: the file cannot be read, or is not named like a pipeline.
    """
    check_kind(path)
    source, diagnostics = read_text(path)
    return (None, diagnostics) if source is None else analyze(source)


def load_graph(path: str | Path) -> Graph:
    """The graph of a `.pty` file; no Python code of the user is imported.

    Raises:
        FileError: the file cannot be read.
        PointyError: the text has errors; it lists all of them.
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
        PointyError: the text has errors; it lists all of them.
        LinkError: events are missing or not valid; it lists all of them.
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

    If a module of events has a Pipeline class with this file, its fields are also inputs.

    Raises:
        LinkError: events are missing or not valid; it lists all of them.
    """
    filename = graph.source.filename if graph.source else graph.name
    lookup = Lookup.for_file(filename, events or graph.events)
    owner = _pipeline_class(Path(filename), lookup)
    if owner is None:
        return link(graph, lookup)
    from volnux.pipeline.definition import link_class

    return link_class(owner, graph, Path(filename), events=events)


def schedule_faults(graph: Graph) -> list[Diagnostic]:
    """An error for each input for which a scheduled run would have no value."""
    if not graph.schedules:
        return []
    return [
        graph.diagnostic(
            "required-input",
            f"the input '{item.name}' is required, but the pipeline has a schedule: "
            "a scheduled run gets no inputs",
            span=item.span,
            hint=f"give it a default: @input: {item.name}: {item.type} = …",
        )
        for item in graph.inputs
        if item.required
    ]


def _pipeline_class(path: Path, lookup: Lookup) -> type[Pipeline] | None:
    """Find the Pipeline class of a file in the modules of its events."""
    try:
        modules = lookup.modules()
    except EventModuleError:
        return None  # linking reports the error of the module, with the position
    if not imported("volnux.pipeline.base") or not path.is_file():
        return None  # then no user module has a class, so we avoid a slow import
    from volnux.pipeline.owner import class_for

    return class_for(path, modules)


def _compiled(path: str | Path) -> tuple[Graph, tuple[Diagnostic, ...]]:
    file, found = load_file(path)
    program: PointyFile | Program | None = file
    if file is not None and file.settings.uses:
        # Most files use no other: they need not wait for this module.
        from volnux.programs import gather

        program, more = gather(file)
        found = tuple(in_order((*found, *more)))
    if program is None:
        raise pointy_error(found)
    return compile(program), found

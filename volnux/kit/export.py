"""The common part of every export of a plan to Python: imports of events and pipeline class."""

from __future__ import annotations

from pathlib import Path, PurePath

from volnux.events.link import Plan
from volnux.events.modules import events_file
from volnux.graph.model import Graph
from volnux.graph.walk import EventName
from volnux.pysource import Imports

__all__ = ["file_name", "import_events", "import_owner"]


def file_name(graph: Graph) -> str:
    """The name of the file from which a graph was made, else the name of the graph."""
    return PurePath(graph.source.filename).name if graph.source else graph.name


def import_events(imports: Imports, plan: Plan) -> dict[EventName, str]:
    """The expression for each event of a plan, in reading order.

    Raises:
        PythonSourceError: the module of an event has a file name that Python cannot import.
    """
    graph = plan.graph
    events = dict.fromkeys(
        EventName(node.file, node.event) for node in graph.nodes if node.event is not None
    )
    found = {}
    for event in events:
        module, name = plan.found[event]
        text = graph.text(event.file)
        folder = Path(text.filename).parent if text else None
        file = events_file(folder, module) if folder is not None else None
        found[event] = imports.user(module, name, file=file)
    return found


def import_owner(imports: Imports, plan: Plan) -> str | None:
    """The expression for the pipeline class that checks a plan's inputs; None if there is none."""
    if plan.owner is None or not plan.readers:
        return None
    return imports.user(plan.owner.__module__, plan.owner.__qualname__)

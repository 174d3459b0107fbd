"""The common part of every export of a plan to Python: imports of events and pipeline class."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from volnux.events.link import Plan
from volnux.events.modules import events_file, home_of, module_of
from volnux.graph.model import Graph
from volnux.graph.walk import EventName
from volnux.pointy.uses import package_path
from volnux.pysource import Imports

__all__ = ["import_events", "import_owner", "used_paths"]


def used_paths(graph: Graph) -> dict[int, str]:
    """The path of each text, as a `@use` in the first text would say it."""
    found = {0: ""}
    waiting = [0]
    while waiting:
        number = waiting.pop()
        text = graph.text(number)
        names = graph.names_in(number)
        for use in text.file.settings.uses if text else ():
            path = use.path
            if package_path(path) is None:
                path = posixpath.normpath(posixpath.join(posixpath.dirname(found[number]), path))
            of = names[use.name]
            if of not in found:
                found[of] = path
                waiting.append(of)
    return found


def import_events(imports: Imports, plan: Plan) -> dict[EventName, str]:
    """The expression for each event of a plan, in reading order.

    Raises:
        PythonSourceError: the module of an event has a file name that Python cannot import.
    """
    graph = plan.graph
    own = os.path.realpath(Path(graph.source.filename).parent) if graph.source else None
    paths = used_paths(graph)
    found: dict[EventName, str] = {}
    for node, spec in zip(graph.nodes, plan.specs, strict=True):
        if spec is None or node.event is None:
            continue
        event = EventName(node.file, node.event)
        if event in found:
            continue
        module, name = plan.found[event]
        home = home_of(module_of(spec.target)) if node.file else own
        file = events_file(Path(home), module) if home is not None else None
        is_elsewhere = home is not None and home != own
        folder = posixpath.dirname(paths[node.file]) if is_elsewhere else None
        found[event] = imports.user(module, name, file=file, folder=folder)
    return found


def import_owner(imports: Imports, plan: Plan) -> str | None:
    """The expression for the pipeline class that checks a plan's inputs; None if there is none."""
    if plan.owner is None or not plan.readers:
        return None
    return imports.user(plan.owner.__module__, plan.owner.__qualname__)

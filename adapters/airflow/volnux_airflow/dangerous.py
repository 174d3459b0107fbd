"""Finds the modules of events that must not be imported in this process: see `guard`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from volnux.errors import Diagnostic, VolnuxError
from volnux.events.lookup import Lookup
from volnux.events.modules import import_from
from volnux.graph.model import At, Graph
from volnux.loading import load_graph
from volnux_airflow.guard import Guard

__all__ = ["dangerous_imports"]


def dangerous_imports(guard: Guard, files: Sequence[Path]) -> dict[Path, Diagnostic]:
    """An error for each file with a module that must not be imported, its own or of a used file.

    Args:
        guard: the guard of this parse.
        files: the files that become DAGs.
    """
    if not guard.careful:
        return {}
    graphs: dict[Path, Graph] = {}
    wanted: dict[Path, list[tuple[int, tuple[Path, str]]]] = {}
    for path in files:
        with suppress(VolnuxError):  # reported when its plan is made
            graph = graphs[path] = load_graph(path)
            wanted[path] = list(_modules(graph))
    modules = dict.fromkeys(module for found in wanted.values() for _, module in found)
    faults = guard.faults({module: partial(import_from, *module) for module in modules})
    return {
        path: _not_imported(graphs[path], number, module[1], faults[module])
        for path, found in wanted.items()
        for number, module in reversed(found)
        if module in faults
    }


def _modules(graph: Graph) -> Iterator[tuple[int, tuple[Path, str]]]:
    """The modules with the events of each text: the number of the text, a folder and a name."""
    dotted: dict[int, list[str]] = {}
    for node in graph.nodes:
        module = (node.event or "").rpartition(".")[0]
        if module:
            dotted.setdefault(node.file, []).append(module)
    for number, declared in graph.declared():
        text = graph.text(number)
        assert text is not None
        names = Lookup.for_file(text.filename, declared.events).module_names()
        folder = Path(text.filename).parent
        yield from ((number, (folder, name)) for name in [*names, *dotted.get(number, ())])


def _not_imported(graph: Graph, number: int, module: str, fault: str) -> Diagnostic:
    """The error for a module of a text, with the position of the first event there."""
    at = next((node for node in graph.nodes if node.event and node.file == number), None)
    message = f"the module '{module}' cannot be imported: {fault}"
    return graph.diagnostic("broken-module", message, at=at or At(None, number))

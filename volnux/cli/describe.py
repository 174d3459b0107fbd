"""`volnux describe`: a pipeline, its inputs, and how to use it as a step of another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from pathlib import Path

import typer

from volnux.cli import disk, output
from volnux.cli.options import Json, Paths
from volnux.cli.stepinfo import StepInfo
from volnux.errors import Severity, VolnuxError
from volnux.graph.jsonable import jsonable
from volnux.graph.model import Graph, InputSpec
from volnux.graph.topology import ROOT
from volnux.loading import load_graph

__all__ = ["command", "inputs_of"]


def command(paths: Paths, json: Json = False) -> None:
    """Describe a pipeline, and how to use it as a step.

    It shows the description, schedule, inputs, variables, secrets and events, and what goes in and
    comes out. Modules of events are read, but no Python of the pipeline is imported: fields of a
    Pipeline class are not shown. For several files or a folder, it shows a table of steps.

    Exit code: 0 success, 2 a file has errors or cannot be read.
    """
    if len(paths) == 1 and not paths[0].is_dir():
        graph = load_graph(paths[0])
        if json:
            output.say(_dumps(_as_json(graph)))
        else:
            output.say("\n".join(_lines(graph)))
        return
    known, diagnostics = disk.find(paths)
    output.show(diagnostics)
    if not known and not diagnostics:
        output.warn(f"no .pty files in {', '.join(map(str, paths))}")
    failed = any(each.severity is Severity.ERROR for each in diagnostics)
    graphs = []
    for path in known:
        try:
            graphs.append(load_graph(path))
        except VolnuxError as error:
            output.refuse(error)
            failed = True
    if json:
        output.say(_dumps({"steps": [_as_json(graph) for graph in graphs]}))
    elif graphs:
        output.say("\n".join(_steps(graphs)))
    raise typer.Exit(2 if failed else 0)


def inputs_of(path: Path) -> Iterator[str]:
    """The lines about the inputs of a file, for the help of `volnux run`."""
    graph = load_graph(path)
    yield f"Inputs of {graph.name}:"
    yield from _table([_input(item) for item in graph.inputs]) if graph.inputs else ("  none",)


def _lines(graph: Graph) -> Iterator[str]:
    yield graph.name + (f": {graph.description}" if graph.description else "")
    places = graph.places()
    events = dict.fromkeys(node.event for node in places)
    yield f"{len(places)} place{_s(places)}, {len(events)} event{_s(events)}"
    if graph.schedules:
        from volnux.schedules import describe

        for schedule in graph.schedules:
            yield f"{describe(schedule.expression)}, {graph.timezone or 'UTC'}"
    if graph.run_timeout is not None:
        yield f"a run may take {graph.run_timeout:g} s"
    yield from _units(graph)
    step = StepInfo.of(graph)
    own = graph.source.filename if graph.source else graph.name
    tables: dict[str, list[tuple[str, ...]]] = {
        "as a step": [(step.directive,), (step.call,)],
        "receives": [(each["type"] or "not annotated", each["place"]) for each in step.receives],
        "returns": [(each["type"] or "not annotated", each["place"]) for each in step.returns],
        "inputs": [_input(item) for item in graph.inputs],
        "variables": [
            (v.name, v.type, _default(v.required, v.default)) for v in graph.all_variables
        ],
        "secrets": [(secret.name,) for secret in graph.all_secrets],
        "events": [
            (each["name"], each["description"] or "") for each in step.events if each["file"] == own
        ],
        "places": list(_in_rows([node.id for node in places])),
        "uses": [(each["file"], each["description"] or "") for each in step.uses],
    }
    for title, rows in tables.items():
        if rows:
            yield ""
            yield f"{title}:"
            yield from _table(rows)


def _steps(graphs: Sequence[Graph]) -> Iterator[str]:
    """A table of pipelines that may be steps."""
    rows = [
        (
            StepInfo.of(graph).call,
            graph.source.filename if graph.source else graph.name,
            graph.description or "",
        )
        for graph in graphs
    ]
    return _table([("step", "file", "description"), *rows], indent="")


_MOST_PLACES = 100
"""How many places are shown."""


def _in_rows(names: Sequence[str]) -> Iterator[tuple[str]]:
    """Names in rows of the width of a page, as far as there are not too many."""
    import textwrap

    shown = ", ".join(names[:_MOST_PLACES])
    if len(names) > _MOST_PLACES:
        shown += f", … and {len(names) - _MOST_PLACES:,} more"
    for row in textwrap.wrap(shown, 96, break_long_words=False, break_on_hyphens=False):
        yield (row,)


def _units(graph: Graph) -> Iterator[str]:
    """A line for each unit with `each` or `task`."""
    from volnux.graph.draw.labels import each_text

    topology = graph.topology
    known = set()
    for each in graph.eaches:
        # In a group that runs again, each round has an `each` of its own.
        use = topology.use_around(each.each)
        key = each.span, None if use == ROOT else graph.uses[use].place
        if each.span is None or key not in known:
            known.add(key)
            yield f"{each_text(each)}: {', '.join(_events_between(graph, each.each, each.gather))}"
    for task in graph.tasks:
        yield f"task {task.name}: {', '.join(_events_between(graph, task.first, task.last))}"


def _events_between(graph: Graph, first: str, last: str) -> list[str]:
    """The places from one node to another."""
    index = graph.topology.index
    nodes = graph.nodes[index[first] : index[last] + 1]
    return [node.id for node in nodes if node.event is not None]


def _input(item: InputSpec) -> tuple[str, ...]:
    from volnux.events.inputs import wanted

    takes = wanted(item)
    default = f"= {item.moment}" if item.moment else _default(item.required, item.default)
    about = ", ".join(text for text in (takes, item.description) if text)
    return (item.name, item.type, default, about)


def _default(required: bool, value: object) -> str:
    if required:
        return "required"
    import json

    return f"= {json.dumps(jsonable(value), ensure_ascii=False)}"


def _table(rows: list[tuple[str, ...]], *, indent: str = "  ") -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{indent}{'  '.join(cells)}".rstrip()


def _as_json(graph: Graph) -> dict[str, object]:
    return {
        "name": graph.name,
        "description": graph.description,
        "tags": list(graph.tags),
        "schedules": [schedule.expression for schedule in graph.schedules],
        "timezone": graph.timezone,
        "run_timeout": graph.run_timeout,
        "inputs": [
            {
                "name": item.name,
                "type": item.type,
                "required": item.required,
                "default": str(item.moment) if item.moment else jsonable(item.default),
                "choices": list(item.choices),
                "least": item.least,
                "most": item.most,
                "description": item.description,
            }
            for item in graph.inputs
        ],
        "variables": [
            {"name": v.name, "type": v.type, "required": v.required, "default": v.default}
            for v in graph.all_variables
        ],
        "secrets": [secret.name for secret in graph.all_secrets],
        "places": [node.id for node in graph.places()],
        "eaches": [
            {
                "name": each.name,
                "in": each.source,
                "at_once": each.at_once,
                "batch": each.batch,
                "places": _events_between(graph, each.each, each.gather),
            }
            for each in graph.eaches
        ],
        "tasks": [
            {"name": task.name, "places": _events_between(graph, task.first, task.last)}
            for task in graph.tasks
        ],
        **StepInfo.of(graph).to_json(),
    }


def _dumps(value: object) -> str:
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)


def _s(things: Sized) -> str:
    return "" if len(things) == 1 else "s"

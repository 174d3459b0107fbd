"""`volnux describe`: the description, schedule and inputs of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from pathlib import Path

import typer

from volnux.cli import output
from volnux.cli.options import File, Json
from volnux.graph.jsonable import jsonable
from volnux.graph.model import Graph, InputSpec
from volnux.loading import load_graph

__all__ = ["command", "inputs_of"]


def command(file: File, json: Json = False) -> None:
    """Show the description, schedule and inputs of a pipeline.

    No Python of the pipeline is imported: fields of a Pipeline class are not shown.

    Exit code: 0 success, 1 errors in the file, 2 the file cannot be read.
    """
    graph = load_graph(file)
    if json:
        import json as json_module

        text = json_module.dumps(_as_json(graph), indent=2, ensure_ascii=False)
        output.say(text)
    else:
        output.say("\n".join(_lines(graph)))
    raise typer.Exit


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
    tables: dict[str, list[tuple[str, ...]]] = {
        "inputs": [_input(item) for item in graph.inputs],
        "variables": [(v.name, v.type, _default(v.required, v.default)) for v in graph.variables],
        "secrets": [(secret.name,) for secret in graph.secrets],
    }
    for title, rows in tables.items():
        if rows:
            yield ""
            yield f"{title}:"
            yield from _table(rows)


def _units(graph: Graph) -> Iterator[str]:
    """A line for each unit with `each` or `task`."""
    from volnux.graph.draw.labels import each_text

    known = set()
    for each in graph.eaches:
        # In a group that runs again, each round has an `each` of its own.
        if each.span is None or each.span not in known:
            known.add(each.span)
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


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


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
            for v in graph.variables
        ],
        "secrets": [secret.name for secret in graph.secrets],
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
    }


def _s(things: Sized) -> str:
    return "" if len(things) == 1 else "s"

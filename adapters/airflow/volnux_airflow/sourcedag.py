"""The call of `DAG`, as written in the Python source of a DAG."""

from __future__ import annotations

from collections.abc import Callable

from volnux.graph.model import Graph
from volnux.pysource import Expression, call, literal, mapping_of
from volnux_airflow.translate import crons, is_native, schema_of, start_date, timeout_of

__all__ = ["dag_of", "number"]


def dag_of(graph: Graph, own: Callable[[str], str], doc: str) -> Expression:
    """The call of `DAG` for a graph.

    Args:
        graph: the graph.
        own: imports a name that the file itself needs, and returns its name in the file.
        doc: the variable with the documentation.
    """
    return call(
        own("DAG"),
        literal(graph.name),
        description=literal(graph.description) if graph.description else None,
        schedule=_schedule(graph, own),
        start_date=_start(graph, own),
        catchup=literal(graph.catchup),
        max_active_runs=literal(graph.max_active_runs) if graph.max_active_runs else None,
        dagrun_timeout=_dagrun_timeout(graph, own),
        tags=literal(sorted(graph.tags)) if graph.tags else None,
        params=_params(graph, own),
        doc_md=doc,
    )


def number(seconds: float) -> int | float:
    """Whole seconds as an integer, which reads better."""
    return int(seconds) if seconds == int(seconds) else seconds


def _schedule(graph: Graph, own: Callable[[str], str]) -> Expression:
    found = crons(graph)
    if not found:
        return "None"
    timetable = "VolnuxTimetable"
    if is_native(graph):
        several = len(graph.schedules) > 1
        timetable = "MultipleCronTriggerTimetable" if several else "CronTriggerTimetable"
    return call(own(timetable), *map(literal, found), timezone=literal(graph.timezone or "UTC"))


def _start(graph: Graph, own: Callable[[str], str]) -> Expression | None:
    start = start_date(graph)
    if start is None:
        return None
    zone = call(own("ZoneInfo"), literal(graph.timezone or "UTC"))
    parts = map(str, (start.year, start.month, start.day))
    return call(f"{own('datetime')}.datetime", *parts, tzinfo=zone)


def _dagrun_timeout(graph: Graph, own: Callable[[str], str]) -> Expression | None:
    if graph.run_timeout is None:
        return None
    seconds = timeout_of(graph.run_timeout).total_seconds()
    return call(f"{own('datetime')}.timedelta", seconds=literal(number(seconds)))


def _params(graph: Graph, own: Callable[[str], str]) -> Expression | None:
    if not graph.inputs:
        return None
    items = []
    for item in graph.inputs:
        default, schema = schema_of(item)
        shown = {name: literal(value) for name, value in schema.items()}
        first = [] if item.required else [literal(default)]
        items.append((item.name, call(own("Param"), *first, **shown)))
    return mapping_of(items)

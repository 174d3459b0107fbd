"""The schedule in `Meta` of a pipeline class, checked as in a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from volnux.graph.model import Graph, ScheduleSpec

__all__ = ["SCHEDULE_KEYS", "schedule_fault", "with_schedule"]

SCHEDULE_KEYS = ("schedule", "timezone", "start_date", "catchup", "max_active_runs")
"""The keys of `Meta` for schedules."""


def schedule_fault(meta: Mapping[str, Any]) -> tuple[str, str] | None:
    """A wrong key with the error message for it; None if all are right."""
    # Imported late: most pipelines have no schedule.
    from volnux.schedules import Schedule, ScheduleError

    expressions = _expressions(meta.get("schedule"))
    if expressions is None:
        return (
            "schedule",
            f"must be a cron expression or a list of them, found {meta['schedule']!r}",
        )
    timezone = meta.get("timezone")
    if timezone is not None and not isinstance(timezone, str):
        return "timezone", f"must be the name of a time zone, found {timezone!r}"
    if expressions:
        try:
            Schedule(expressions)
        except ScheduleError as error:
            return "schedule", f"is not valid: {error}"
    if timezone is not None:
        try:
            Schedule(("@daily",), timezone)
        except ScheduleError as error:
            return "timezone", f"is not valid: {error}"
    try:
        _date(meta.get("start_date"))
    except (TypeError, ValueError):
        return "start_date", f"must be a date such as '2026-01-31', found {meta['start_date']!r}"
    catchup = meta.get("catchup")
    if catchup is not None and not isinstance(catchup, bool):
        return "catchup", f"must be True or False, found {catchup!r}"
    runs = meta.get("max_active_runs")
    if runs is not None and (isinstance(runs, bool) or not isinstance(runs, int) or runs < 1):
        return "max_active_runs", f"must be a whole number of at least 1, found {runs!r}"
    return None


def with_schedule(graph: Graph, meta: Mapping[str, Any]) -> Graph:
    """The graph with the schedule of `Meta`; settings in the text take precedence."""
    if not any(meta.get(key) is not None for key in SCHEDULE_KEYS):
        return graph
    expressions = _expressions(meta.get("schedule")) or ()
    start = _date(meta.get("start_date"))
    return replace(
        graph,
        schedules=graph.schedules or tuple(ScheduleSpec(text) for text in expressions),
        timezone=graph.timezone or meta.get("timezone"),
        start_date=graph.start_date or (start.isoformat() if start else None),
        catchup=graph.catchup or bool(meta.get("catchup")),
        max_active_runs=graph.max_active_runs or meta.get("max_active_runs"),
    )


def _expressions(given: object) -> tuple[str, ...] | None:
    """The expressions of `Meta.schedule`, in order; None if it is neither a string nor a list."""
    if given is None:
        return ()
    items = (given,) if isinstance(given, str) else given
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        return None
    return tuple(" ".join(item.split()) for item in items)


def _date(given: object) -> dt.date | None:
    if given is None or (isinstance(given, dt.date) and not isinstance(given, dt.datetime)):
        return given
    if not isinstance(given, str):
        raise TypeError
    return dt.date.fromisoformat(given)

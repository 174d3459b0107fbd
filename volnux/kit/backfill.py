"""Which runs a backfill makes: one for each past time of a schedule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum

from volnux.errors import VolnuxError
from volnux.graph.model import Graph
from volnux.runs.model import KeptRun, KeptStatus
from volnux.schedules import Schedule
from volnux.schedules.schedule import FIRST

__all__ = ["Again", "BackfillError", "instants_between", "latest_by_instant", "runs_again"]


class BackfillError(VolnuxError):
    """A backfill cannot start; the message says what to do."""


class Again(StrEnum):
    """Which instants run again: those without any kept run always run."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


def instants_between(graph: Graph, first: dt.date, last: dt.date) -> list[dt.datetime]:
    """The past times of a pipeline's schedule on some days in its time zone, in UTC, in order.

    Args:
        graph: the graph of the pipeline.
        first: the first day.
        last: the last day.

    Raises:
        BackfillError: the pipeline has no schedule, or the days are not in order.
    """
    schedule = Schedule.of(graph)
    if schedule is None:
        raise BackfillError(
            f"{graph.name} has no schedule to fill: add a line such as @schedule: @daily"
        )
    if last < first:
        raise BackfillError(f"the last day, {last}, is before the first one, {first}")
    now = dt.datetime.now(dt.UTC)
    begin = dt.datetime.combine(max(first, FIRST.date()), dt.time(), schedule.zone)
    found = []
    for instant in schedule.instants(begin - dt.timedelta(minutes=1)):
        day = instant.astimezone(schedule.zone).date()
        if day > last or instant > now:
            break
        if day >= first:
            found.append(instant)
    return found


def latest_by_instant(runs: Iterable[KeptRun]) -> dict[dt.datetime, KeptRun]:
    """The last run for each scheduled time, in UTC.

    Args:
        runs: the runs, the latest first.
    """
    found: dict[dt.datetime, KeptRun] = {}
    for run in runs:
        if run.scheduled_at is not None:
            found.setdefault(run.scheduled_at.astimezone(dt.UTC), run)
    return found


def runs_again(run: KeptRun | None, again: Again) -> bool:
    """Whether an instant runs, given its last run. What is still running does not run again."""
    if run is None:
        return True
    if run.status is KeptStatus.RUNNING or again is Again.NONE:
        return False
    return again is Again.ALL or run.status is not KeptStatus.SUCCESS

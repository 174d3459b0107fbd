"""Schedules during clock changes: which times move, and which occur twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from volnux.errors import Diagnostic, Severity
from volnux.schedules.fields import Fields, parse
from volnux.schedules.schedule import FIRST, LAST, Schedule, utc_of, zone_of

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["ClockChange", "clock_changes", "schedule_warnings"]

_DAY = dt.timedelta(days=1)
_MINUTE = dt.timedelta(minutes=1)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A clock change that affects times of an expression.

    Attributes:
        expression: the cron expression.
        at: the moment of the change, in UTC.
        skips: whether the clock goes forward, so that `times` do not exist; otherwise they occur
            twice.
        times: the affected local times of the expression, without time zone.
        instants: when the expression fires for these times, in UTC.
    """

    expression: str
    at: dt.datetime
    skips: bool
    times: tuple[dt.datetime, ...]
    instants: tuple[dt.datetime, ...]


def clock_changes(
    schedule: Schedule, after: dt.datetime, until: dt.datetime
) -> Iterator[ClockChange]:
    """The clock changes in a span of time that affect a schedule, in order of time.

    Args:
        schedule: the schedule.
        after: the beginning of the span, aware.
        until: its end, aware.
    """
    zone = schedule.zone
    for at in _transitions(schedule.timezone, after, until):
        if schedule.begins is not None and at < schedule.begins:
            continue
        before = (at - _MINUTE).astimezone(zone).utcoffset() or dt.timedelta()
        now = at.astimezone(zone).utcoffset() or dt.timedelta()
        # The local times that are skipped or repeated lie between the two local times of the
        # change.
        wall = at.replace(tzinfo=None)
        low, high = sorted((wall + before, wall + now))
        for expression in schedule.expressions:
            fields = parse(expression)
            times = tuple(_times(fields, low, high))
            if not times:
                continue
            found = set()
            for time in times:
                local = time.replace(tzinfo=zone)
                found.add(local.astimezone(dt.UTC))
                if now < before and fields.every_hour:
                    found.add(local.replace(fold=1).astimezone(dt.UTC))
            yield ClockChange(expression, at, now > before, times, tuple(sorted(found)))


def schedule_warnings(
    graph: Graph, *, backend: str | None = None, now: dt.datetime | None = None
) -> list[Diagnostic]:
    """Warnings for the times of a graph's schedules that a clock change affects within a year.

    Without a backend, these are times that move or are ambiguous. An expression that names every
    hour loses and repeats nothing, so there is no warning. For `prefect` there is one, because its
    server computes instants itself and treats those hours differently.

    Args:
        graph: the graph.
        backend: the name of a backend.
        now: the beginning of the year to check, aware; the current time if None.
    """
    after = now or dt.datetime.now(dt.UTC)
    warnings = []
    for spec in graph.schedules:
        start = dt.date.fromisoformat(graph.start_date) if graph.start_date else None
        schedule = Schedule((spec.expression,), graph.timezone or "UTC", start)
        texts = []
        for change in clock_changes(schedule, after, after + 366 * _DAY):
            if parse(spec.expression).every_hour and backend != "prefect":
                continue
            texts.append(_say(change, schedule.timezone))
        if not texts:
            continue
        message = f"clock changes in {schedule.timezone} affect this schedule: {'; '.join(texts)}"
        warnings.append(
            graph.diagnostic(
                "clock-change",
                message,
                span=spec.span,
                hint="Prefect's server handles these hours differently (docs/scheduling.md)"
                if backend == "prefect"
                else "choose a time outside of these hours, or UTC",
                severity=Severity.WARNING,
            )
        )
    return warnings


def _say(change: ClockChange, timezone: str) -> str:
    zone = zone_of(timezone)
    shown = [f"{time:%H:%M}" for time in change.times[:_SHOWN]]
    more = " …" if len(change.times) > _SHOWN else ""
    runs = [each.astimezone(zone) for each in change.instants[:_SHOWN]]
    runs_more = " …" if len(change.instants) > _SHOWN else ""
    instants = ", ".join(f"{run:%H:%M%z}" for run in runs) + runs_more
    what = "does not exist" if change.skips else "occurs twice"
    day = f"{change.times[0]:%Y-%m-%d}"
    return f"{day} {', '.join(shown)}{more} {what}, the pipeline runs at {instants}"


def _times(fields: Fields, low: dt.datetime, high: dt.datetime) -> Iterator[dt.datetime]:
    """The local times, from `low` up to but not including `high`, at which an expression fires."""
    midnight = low.replace(hour=0, minute=0, second=0)
    while midnight < high:
        if fields.on(midnight.date()):
            for minutes in fields.times:
                time = midnight + minutes * _MINUTE
                if low <= time < high:
                    yield time
        midnight += _DAY


def _transitions(timezone: str, after: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
    """The moments at which the offset of a zone changes, exact to the minute."""
    zone = zone_of(timezone)

    def offset(moment: dt.datetime) -> dt.timedelta | None:
        return moment.astimezone(zone).utcoffset()

    low = max(utc_of(after), FIRST).replace(second=0, microsecond=0)
    until = min(utc_of(until), LAST - _DAY)
    while low < until:
        high = low + _DAY
        if offset(low) != offset(high):
            early, late = low, high
            while late - early > _MINUTE:
                middle = early + ((late - early) // (2 * _MINUTE)) * _MINUTE
                early, late = (middle, late) if offset(middle) == offset(low) else (early, middle)
            yield late
        low = high

"""`Schedule`: the instants of one or several cron expressions in a time zone."""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from volnux.pointy.values import BadValue, check_zone
from volnux.schedules.fields import Fields, ScheduleError, parse

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["FIRST", "LAST", "Schedule", "utc_of", "zone_of"]

FIRST = dt.datetime(2, 1, 1, tzinfo=dt.UTC)
LAST = dt.datetime(9998, 12, 31, 23, 59, tzinfo=dt.UTC)
"""The limits of all instants: in the years 1 and 9999, a local time may be out of range."""

_DAY = dt.timedelta(days=1)
_FARTHEST = 41 * 366
"""The days to search ahead: a fifth Sunday in February may be 40 years away."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Cron expressions in a time zone; it fires when any of them does, at most once per instant.

    An expression means local times in its zone. During a clock change, these rules apply:

    - a time that the clock skips moves forward by the size of the change (02:30 becomes 03:30), as
      in RFC 5545;
    - a time that occurs twice means its first occurrence;
    - an expression that fires in every hour of the day (`*/15 * * * *`) also fires in the repeated
      hour, so that it never pauses.

    Args:
        expressions: cron expressions and presets, at least one.
        timezone: an IANA name.
        start: the first date on which it may fire, in the zone; None for no limit.

    Raises:
        ScheduleError: an expression or the zone is wrong.
    """

    expressions: tuple[str, ...]
    timezone: str = "UTC"
    start: dt.date | None = None

    def __post_init__(self) -> None:
        if not self.expressions:
            raise ScheduleError("a schedule has at least one cron expression")
        try:
            check_zone(self.timezone)
        except BadValue as bad:
            hint = f"; {bad.hint}" if bad.hint else ""
            raise ScheduleError(f"{bad.message}{hint}") from None
        for expression in self.expressions:
            parse(expression)

    @staticmethod
    def of(graph: Graph) -> Schedule | None:
        """The schedule of a graph with all its expressions, or None if there are none."""
        if not graph.schedules:
            return None
        start = dt.date.fromisoformat(graph.start_date) if graph.start_date else None
        expressions = tuple(dict.fromkeys(spec.expression for spec in graph.schedules))
        return Schedule(expressions, graph.timezone or "UTC", start)

    def each(self) -> tuple[Schedule, ...]:
        """A separate schedule for each expression, in order."""
        return tuple(Schedule((text,), self.timezone, self.start) for text in self.expressions)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone."""
        return zone_of(self.timezone)

    @property
    def begins(self) -> dt.datetime | None:
        """The first moment of the start date, in UTC, or None without a start date."""
        if self.start is None:
            return None
        return utc_of(dt.datetime.combine(self.start, dt.time(), self.zone))

    def after(self, moment: dt.datetime) -> dt.datetime | None:
        """The first instant after a moment, in UTC; None if there is none in the next decades.

        Args:
            moment: an aware datetime.
        """
        moment = max(utc_of(moment), FIRST - dt.timedelta.resolution)
        begins = self.begins
        if begins is not None and moment < begins:
            moment = begins - dt.timedelta.resolution
        if moment >= LAST:
            return None
        found = [each for each in (self._after(f, moment) for f in self._fields()) if each]
        first = min(found, default=None)
        return None if first is None or first > LAST else first

    def before(self, moment: dt.datetime) -> dt.datetime | None:
        """The last instant before a moment, in UTC; None if there is none.

        Args:
            moment: an aware datetime.
        """
        moment = min(utc_of(moment), LAST + dt.timedelta.resolution)
        begins = max(self.begins or FIRST, FIRST)
        if moment <= begins:
            return None
        found = [each for each in (self._before(f, moment) for f in self._fields()) if each]
        last = max(found, default=None)
        return None if last is None or last < begins else last

    def instants(self, after: dt.datetime) -> Iterator[dt.datetime]:
        """Every instant after a moment, in UTC, in order."""
        moment = self.after(after)
        while moment is not None:
            yield moment
            moment = self.after(moment)

    def _fields(self) -> Iterator[Fields]:
        return (parse(text) for text in self.expressions)

    def _after(self, fields: Fields, moment: dt.datetime) -> dt.datetime | None:
        zone = self.zone
        try:
            date = moment.astimezone(zone).date()
            if not _is_even(zone, date.toordinal()):
                for each in _around(fields, zone, date):
                    if each > moment:
                        return each
                date += 3 * _DAY
            for _ in range(_FARTHEST):
                if fields.on(date):
                    found = _on(fields, zone, date, moment)
                    if found is not None:
                        return found
                    date += _DAY
                else:
                    date = _skip(fields, date)
        except OverflowError:  # the search went past the year 9999
            return None
        return None

    def _before(self, fields: Fields, moment: dt.datetime) -> dt.datetime | None:
        zone = self.zone
        try:
            date = moment.astimezone(zone).date()
            for _ in range(_FARTHEST):
                found = _last_on(fields, zone, date, moment)
                if found is not None:
                    return found
                date -= _DAY
        except OverflowError:  # the search went past the year 1
            return None
        return None


@functools.cache
def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """A time zone by its IANA name, read once."""
    return zoneinfo.ZoneInfo(name)


def utc_of(moment: dt.datetime) -> dt.datetime:
    """A moment as a plain datetime in UTC; `FIRST` or `LAST` if it is out of range in UTC.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone: {moment.isoformat()}")
    try:
        utc = moment.astimezone(dt.UTC)
    except OverflowError:
        return FIRST if moment.year == 1 else LAST
    # Subclasses of datetime may have their own arithmetic.
    return dt.datetime.combine(
        dt.date(utc.year, utc.month, utc.day),
        dt.time(utc.hour, utc.minute, utc.second, utc.microsecond, dt.UTC),
    )


def _skip(fields: Fields, date: dt.date) -> dt.date:
    """A later date to continue the search: the next day, or the first of the next month."""
    if date.month in fields.months:
        return date + _DAY
    return (date.replace(day=1) + 32 * _DAY).replace(day=1)


def _on(
    fields: Fields, zone: zoneinfo.ZoneInfo, date: dt.date, moment: dt.datetime
) -> dt.datetime | None:
    """The first instant after a moment on a date, or near the date if the clock changes there."""
    if not _is_even(zone, date.toordinal()):
        return next((each for each in _around(fields, zone, date) if each > moment), None)
    midnight = dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC)
    gone = (moment - midnight) // dt.timedelta(minutes=1)
    place = bisect.bisect_right(fields.times, gone)
    if place == len(fields.times):
        return None
    return midnight + dt.timedelta(minutes=fields.times[place])


def _last_on(
    fields: Fields, zone: zoneinfo.ZoneInfo, date: dt.date, moment: dt.datetime
) -> dt.datetime | None:
    """The last instant before a moment on a date, or near the date if the clock changes there."""
    if not _is_even(zone, date.toordinal()):
        earlier = (each for each in reversed(_around(fields, zone, date)) if each < moment)
        return next(earlier, None)
    if not fields.on(date):
        return None
    midnight = dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC)
    gone = -((midnight - moment) // dt.timedelta(minutes=1))
    place = bisect.bisect_left(fields.times, gone)
    return midnight + dt.timedelta(minutes=fields.times[place - 1]) if place else None


def _around(fields: Fields, zone: zoneinfo.ZoneInfo, date: dt.date) -> list[dt.datetime]:
    """The instants of a date and of two days on either side, in order, without duplicates.

    If the clock changes, times of one date may come after those of the next date.
    """
    found: set[dt.datetime] = set()
    for days in range(-2, 3):
        day = date + days * _DAY
        if not fields.on(day):
            continue
        for minutes in fields.times:
            local = dt.datetime.combine(day, dt.time(minutes // 60, minutes % 60), zone)
            # PEP 495: fold=0 means the first of two times, and the old offset for a skipped time.
            first = local.astimezone(dt.UTC)
            found.add(first)
            second = local.replace(fold=1).astimezone(dt.UTC)
            if second > first and fields.every_hour:
                found.add(second)
    return sorted(found)


@functools.lru_cache(maxsize=65536)
def _is_even(zone: zoneinfo.ZoneInfo, ordinal: int) -> bool:
    """Whether the clock does not change on a date or on the days around it."""
    date = dt.date.fromordinal(ordinal)
    offsets = {
        dt.datetime.combine(date + days * _DAY, dt.time(hour), zone).replace(fold=fold).utcoffset()
        for days, hour in ((-1, 0), (0, 0), (1, 0), (2, 0))
        for fold in (0, 1)
    }
    return len(offsets) == 1

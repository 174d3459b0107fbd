"""Times of a run that a text names: `scheduled - 1d`, in the pipeline's time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from volnux.pointy.inputtypes import InputType
from volnux.pointy.tree import Moment
from volnux.schedules.fields import ScheduleError
from volnux.schedules.schedule import Schedule, utc_of, zone_of

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["Clock", "instant_in"]

_UNITS = {
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of one run.

    Attributes:
        scheduled_at: the scheduled time of the run, aware.
        timezone: the pipeline's time zone, an IANA name.
        schedule: the pipeline's schedule, without a start date; None if it has none.
    """

    scheduled_at: dt.datetime
    timezone: str = "UTC"
    schedule: Schedule | None = None

    @staticmethod
    def of(graph: Graph, scheduled_at: dt.datetime | None = None) -> Clock:
        """The time of a run of a graph; now if no instant is given.

        Raises:
            ValueError: the instant has no time zone.
        """
        expressions = tuple(spec.expression for spec in graph.schedules)
        return Clock.at(scheduled_at, expressions, graph.timezone)

    @staticmethod
    def at(
        scheduled_at: dt.datetime | None, expressions: Sequence[str], timezone: str | None
    ) -> Clock:
        """The time of a run of a pipeline; now if no instant is given.

        Args:
            scheduled_at: the scheduled time of the run, aware.
            expressions: the pipeline's cron expressions and presets.
            timezone: its time zone, an IANA name; UTC if it has none.

        Raises:
            ValueError: the instant has no time zone.
        """
        instant = dt.datetime.now(dt.UTC) if scheduled_at is None else scheduled_at
        timezone = timezone or "UTC"
        return Clock(
            utc_of(instant).astimezone(zone_of(timezone)),
            timezone,
            Schedule(tuple(dict.fromkeys(expressions)), timezone) if expressions else None,
        )

    def value(self, moment: Moment, type_: str) -> dt.date | dt.datetime:
        """The time that a text names, for an input of type `date` or `datetime`.

        Days and weeks move the date and keep the time on the wall clock: a time that the clock
        skips moves forward by the gap, and one that it shows twice means the first of the two.
        Hours and minutes move the instant.

        Raises:
            ScheduleError: there is no such time.
        """
        zone = zone_of(self.timezone)
        time = self._base(moment).astimezone(zone)
        try:
            for amount, unit in moment.shifts:
                shift = amount * _UNITS[unit]
                if unit in "dw":
                    wall = time.replace(tzinfo=None, fold=0) + shift
                    time = wall.replace(tzinfo=zone).astimezone(dt.UTC).astimezone(zone)
                else:
                    time = (time.astimezone(dt.UTC) + shift).astimezone(zone)
        except OverflowError:
            raise ScheduleError(f"'{moment}' is outside of the years 1 to 9999") from None
        return time.date() if type_ == InputType.DATE else time

    def _base(self, moment: Moment) -> dt.datetime:
        if moment.base == "scheduled":
            return self.scheduled_at
        before = None if self.schedule is None else self.schedule.before(self.scheduled_at)
        if before is None:
            raise ScheduleError(
                f"the schedule has no instant before {self.scheduled_at.isoformat()}"
            )
        return before


def instant_in(text: str, timezone: str) -> dt.datetime:
    """The instant that an ISO text names; without an offset, it is local time in the zone.

    Raises:
        ValueError: it is not such a text.
    """
    moment = dt.datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        # A time that the clock skips moves forward by the gap.
        moment = moment.replace(tzinfo=zone_of(timezone)).astimezone(dt.UTC)
    return utc_of(moment)

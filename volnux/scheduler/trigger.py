"""A trigger for APScheduler with the instants of `volnux.schedules`, not of its own cron."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from apscheduler.util import convert_to_datetime

from volnux.scheduler.errors import SchedulerError
from volnux.schedules import Schedule, ScheduleError
from volnux.schedules.schedule import FIRST, utc_of

__all__ = ["ScheduleTrigger", "says_the_same", "schedule_trigger"]

_RESOLUTION = dt.timedelta.resolution


class ScheduleTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires at the instants of a schedule.

    Args:
        schedule: the schedule.
        every: whether all missed instants are due after a time without a scheduler; otherwise only
            the last one is due.
        from_start: with `every`, a new job begins at the start date, even if that is in the past.
        begin: the earliest instant, aware; None for no limit.
        end: the latest instant, aware; None for no limit.
    """

    def __init__(
        self,
        schedule: Schedule,
        *,
        every: bool = False,
        from_start: bool = False,
        begin: dt.datetime | None = None,
        end: dt.datetime | None = None,
    ) -> None:
        self.schedule = schedule
        self.every = every
        self.from_start = from_start
        self.begin = begin
        self.end = end

    def get_next_fire_time(
        self, previous_fire_time: dt.datetime | None, now: dt.datetime
    ) -> dt.datetime | None:
        """See APScheduler's `BaseTrigger`."""
        begins = max(filter(None, (self.schedule.begins, self.begin)), default=None)
        if previous_fire_time is not None:
            found = self.schedule.after(previous_fire_time)
            if found is not None and found < now and not self.every:
                # After a year's pause, a job that fires each minute must not list all minutes.
                found = self.schedule.before(now + _RESOLUTION)
        elif self.every and self.from_start and begins is not None:
            found = self._from(begins)
        else:
            found = self._from(max(filter(None, (now, begins))))
        if found is None or (self.end is not None and found > self.end):
            return None
        return found.astimezone(self.schedule.zone)

    def _from(self, moment: dt.datetime) -> dt.datetime | None:
        """The first instant at or after a moment."""
        return self.schedule.after(max(utc_of(moment), FIRST) - _RESOLUTION)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "version": 1,
            "expressions": self.schedule.expressions,
            "timezone": self.schedule.timezone,
            "start": self.schedule.start,
            "every": self.every,
            "from_start": self.from_start,
            "begin": self.begin,
            "end": self.end,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.schedule = Schedule(state["expressions"], state["timezone"], state["start"])
        self.every = state["every"]
        self.from_start = state["from_start"]
        self.begin = state["begin"]
        self.end = state["end"]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScheduleTrigger):
            return NotImplemented
        return self.__getstate__() == other.__getstate__()

    def __hash__(self) -> int:
        return hash(self.schedule)

    def __str__(self) -> str:
        return f"cron[{', '.join(self.schedule.expressions)} {self.schedule.timezone}]"

    def __repr__(self) -> str:
        return f"<ScheduleTrigger {self}>"


def schedule_trigger(
    trigger: Any, options: Mapping[str, Any], timezone: str
) -> ScheduleTrigger | None:
    """The trigger for crontab strings or `"cron"` in `add_job`; None for any other.

    Args:
        trigger: as `PipelineScheduler.add_job` takes it.
        options: the keyword arguments for the trigger.
        timezone: the zone to use if the options have none.

    Raises:
        SchedulerError: a schedule does not support an option.
        ScheduleError: the trigger is not valid.
        TypeError: an option is unknown.
    """
    rest = dict(options)
    if isinstance(trigger, list | tuple):
        expressions = tuple(trigger)
    elif isinstance(trigger, str) and (" " in trigger.strip() or trigger.startswith("@")):
        expressions = (trigger,)
    elif trigger == "cron":
        given = rest.pop("crontab", None)
        if given is None:
            named = ("timezone", "start_date", "end_date", "jitter")
            fields = {key: rest.pop(key) for key in list(rest) if key not in named}
            given = _cron_from_fields(fields)
        expressions = (given,) if isinstance(given, str) else given
    else:
        return None
    timezone = str(rest.pop("timezone", None) or timezone)
    begin, end = rest.pop("start_date", None), rest.pop("end_date", None)
    if rest.pop("jitter", None) is not None:
        raise SchedulerError(
            "a schedule does not support jitter: its instants are the same on every backend"
        )
    if rest:
        raise TypeError(f"a schedule has no option {', '.join(map(repr, rest))}")
    schedule = Schedule(tuple(" ".join(text.split()) for text in expressions), timezone)
    return ScheduleTrigger(
        schedule,
        begin=convert_to_datetime(begin, schedule.zone, "start_date"),
        end=convert_to_datetime(end, schedule.zone, "end_date"),
    )


def says_the_same(known: BaseTrigger, new: BaseTrigger) -> bool:
    """Whether a trigger in the store is equivalent to a new one."""
    if isinstance(known, ScheduleTrigger):
        return bool(known == new)
    if type(known) is not type(new):
        return False
    if isinstance(known, IntervalTrigger):
        # Without a start date, a trigger begins when it is created: only the interval counts.
        return bool(known.interval == new.interval and known.timezone == new.timezone)
    return bool(known.__getstate__() == new.__getstate__())


_FIELDS = ("minute", "hour", "day", "month", "day_of_week")
_FIRST = {"minute": "0", "hour": "0", "day": "1", "month": "1"}


def _cron_from_fields(fields: dict[str, Any]) -> str:
    """The cron expression for the keywords of APScheduler's cron trigger.

    As in APScheduler, a missing field is `*` if it is larger than the smallest given field, else
    its smallest value: `hour=6` is `0 6 * * *`.

    Raises:
        ScheduleError: a field has different meanings in APScheduler and cron, or is not supported.
    """
    for name in ("year", "week", "second"):
        if fields.get(name) is not None:
            raise ScheduleError(
                f"a schedule has no field {name!r}; to use APScheduler's own trigger, "
                "give an instance: trigger=CronTrigger(…)"
            )
    given = {name: str(fields[name]) for name in _FIELDS if fields.get(name) is not None}
    if not given:
        raise ScheduleError("the trigger 'cron' takes a crontab string, or fields such as hour=6")
    weekday = given.get("day_of_week", "*")
    if any(character.isdigit() for character in weekday.partition("#")[0].partition("/")[0]):
        raise ScheduleError(
            f"day_of_week={weekday!r}: 0 means Monday in APScheduler but Sunday in cron: "
            "write names, such as 'mon-fri', or a crontab string"
        )
    if weekday != "*" and given.get("day", "*") != "*":
        raise ScheduleError(
            "day and day_of_week together mean both in APScheduler and either in cron: "
            "write a crontab string, or give an instance: trigger=CronTrigger(…)"
        )
    # From the largest to the smallest unit.
    order = ("month", "day", "day_of_week", "hour", "minute")
    last = max(order.index(name) for name in given)
    values = {
        name: given.get(name, "*" if place < last else _FIRST.get(name, "*"))
        for place, name in enumerate(order)
    }
    return " ".join(values[name] for name in _FIELDS)

"""A cron expression as sets of values: which minutes of a day, which days."""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from dataclasses import dataclass

from volnux.errors import VolnuxError
from volnux.pointy.cron import PRESETS, CronProblem, check_cron

__all__ = ["Fields", "ScheduleError", "parse"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ALL_DAYS = frozenset(range(1, 32))
_ALL_WEEKDAYS = frozenset(range(7))


class ScheduleError(VolnuxError, ValueError):
    """A schedule is not valid; `problem` has the position in the expression, if there is one."""

    def __init__(self, message: str, problem: CronProblem | None = None) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Fields:
    """What the five fields of an expression mean.

    Attributes:
        minutes, hours, months: the values of these fields.
        days: days of the month; `last` also adds the last day of every month.
        weekdays: 0 is Sunday.
        nth: pairs of a weekday and its number in the month (`5#2`: the second Friday).
        times: the minutes of a day at which it fires, ascending.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    last: bool
    nth: frozenset[tuple[int, int]]
    times: tuple[int, ...]

    @property
    def every_hour(self) -> bool:
        """Whether it fires in each hour of a day, as `*/15 * * * *` does."""
        return len(self.hours) == 24

    @property
    def every_day_of_month(self) -> bool:
        """Whether the day of the month allows every day: it is `*` or lists all days."""
        return self.days == _ALL_DAYS and not self.last

    @property
    def every_weekday(self) -> bool:
        """Whether the weekday allows every day: it is `*` or lists all days."""
        return self.weekdays == _ALL_WEEKDAYS and not self.nth

    def on(self, date: dt.date) -> bool:
        """Whether it fires on a date.

        If both the day of the month and the weekday restrict the date, one match is enough, as in
        cron.
        """
        if date.month not in self.months:
            return False
        weekday = date.isoweekday() % 7
        if self.nth:
            return (weekday, (date.day + 6) // 7) in self.nth
        by_weekday = weekday in self.weekdays
        if self.every_day_of_month:
            return by_weekday
        by_day = date.day in self.days or (
            self.last and date.day == calendar.monthrange(date.year, date.month)[1]
        )
        return by_day if self.every_weekday else by_day or by_weekday


@functools.lru_cache(maxsize=1024)
def parse(expression: str) -> Fields:
    """Parse an expression or preset.

    Raises:
        ScheduleError: it is not valid, or its dates never occur.
    """
    problem = check_cron(expression)
    if problem is not None:
        hint = f" ({problem.hint})" if problem.hint else ""
        where = f" at column {problem.start + 1}" if problem.start else ""
        raise ScheduleError(
            f"the schedule {expression!r} is wrong{where}: {problem.message}{hint}", problem
        )
    minute, hour, day, month, weekday = PRESETS.get(expression, expression).split()
    minutes = _values(minute, 0, 59)
    hours = _values(hour, 0, 23)
    days = [item for item in day.split(",") if item.lower() != "l"]
    nth = frozenset(
        (_number(item.partition("#")[0], 0, _DAYS) % 7, int(item.partition("#")[2]))
        for item in weekday.split(",")
        if "#" in item
    )
    return Fields(
        minutes=minutes,
        hours=hours,
        days=_values(",".join(days), 1, 31) if days else frozenset(),
        months=_values(month, 1, 12, _MONTHS),
        weekdays=frozenset()
        if nth
        else frozenset(value % 7 for value in _values(weekday, 0, 7, _DAYS, last=6)),
        last="l" in day.lower().split(","),
        nth=nth,
        times=tuple(sorted(60 * h + m for h in hours for m in minutes)),
    )


def _values(
    text: str, low: int, high: int, names: tuple[str, ...] = (), *, last: int | None = None
) -> frozenset[int]:
    """The values of a list; `*` runs from `low` to `last`, or to `high`."""
    found: set[int] = set()
    for item in text.split(","):
        body, _, step = item.partition("/")
        if body == "*":
            first, end = low, high if last is None else last
        else:
            start, dash, stop = body.partition("-")
            first = _number(start, low, names)
            end = _number(stop, low, names) if dash else first
            if end < first:
                end += 7  # FRI-SUN: the only range that may end with a smaller number
        found.update(range(first, end + 1, int(step or 1)))
    return frozenset(found)


def _number(word: str, low: int, names: tuple[str, ...]) -> int:
    return int(word) if word.isdigit() else names.index(word.lower()) + low

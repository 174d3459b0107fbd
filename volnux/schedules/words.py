"""A schedule in plain English."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from volnux.schedules.fields import Fields, parse

__all__ = ["describe"]

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_NTH = ("first", "second", "third", "fourth", "fifth")
_MOST_TIMES = 6


def describe(expression: str) -> str:
    """Describe an expression or preset as a sentence without its full stop.

    >>> describe("30 6 * * 1-5")
    'At 06:30 from Monday to Friday'

    Raises:
        ScheduleError: the expression is not valid.
    """
    fields = parse(expression)
    text = " ".join(part for part in (_times(fields), _days(fields), _months(fields)) if part)
    return text[0].upper() + text[1:]


def _times(fields: Fields) -> str:
    minutes, hours = sorted(fields.minutes), sorted(fields.hours)
    if len(fields.times) <= _MOST_TIMES:
        return f"at {_join([f'{t // 60:02}:{t % 60:02}' for t in fields.times])}"
    step = _step(minutes, 60)
    if len(hours) == 24:
        if len(minutes) == 60:
            return "every minute"
        if minutes == [0]:
            return "every hour"
        if step is not None:
            return f"every {step} minutes"
        return f"at {_minutes(minutes)} past every hour"
    hour_step = _step(hours, 24)
    if minutes == [0]:
        if hour_step is not None:
            return f"every {hour_step} hours"
        if len(hours) == hours[-1] - hours[0] + 1:
            return f"every hour from {hours[0]:02}:00 to {hours[-1]:02}:00"
        return f"at {_join([f'{hour:02}:00' for hour in hours])}"
    if len(hours) == hours[-1] - hours[0] + 1:
        within = f"from {hours[0]:02}:{minutes[0]:02} to {hours[-1]:02}:{minutes[-1]:02}"
        if len(minutes) == 60:
            return f"every minute {within}"
        if step is not None:
            return f"every {step} minutes {within}"
    of_hours = (
        f"every {_ordinal(hour_step)} hour" if hour_step else f"the hours {_runs(hours, str)}"
    )
    return f"at {_minutes(minutes)} past {of_hours}"


def _days(fields: Fields) -> str:
    weekday = ""
    if fields.nth:
        ordered = sorted(fields.nth, key=lambda pair: (pair[1], pair[0]))
        weekday = "on the " + _join([f"{_NTH[n - 1]} {_DAYS[day]}" for day, n in ordered])
        return f"{weekday} of the month"
    if not fields.every_weekday:
        weekday = _weekdays(fields.weekdays)
    if fields.every_day_of_month:
        return weekday or ("" if len(fields.times) > _MOST_TIMES else "every day")
    day = ""
    if fields.days:
        day = f"on {'day' if len(fields.days) == 1 else 'days'} {_runs(sorted(fields.days), str)}"
    if fields.last:
        day = f"{day} and on the last day" if day else "on the last day"
    day += " of the month"
    return f"{day}, and {weekday} as well" if weekday else day


def _weekdays(days: Collection[int]) -> str:
    # The week begins with Monday if that gives a shorter list: Friday to Sunday.
    week = sorted(days, key=lambda day: (day - 1) % 7)
    places = [(day - 1) % 7 for day in week]
    if len(places) > 2 and places[-1] - places[0] + 1 == len(places):
        return f"from {_DAYS[week[0]]} to {_DAYS[week[-1]]}"
    return "on " + _join([_DAYS[day] for day in week])


def _months(fields: Fields) -> str:
    if len(fields.months) == 12:
        return ""
    return "in " + _runs(sorted(fields.months), lambda month: _MONTHS[month - 1])


def _minutes(minutes: Sequence[int]) -> str:
    return f"{'minute' if len(minutes) == 1 else 'minutes'} {_runs(minutes, str)}"


def _step(values: Sequence[int], whole: int) -> int | None:
    """The step of values from 0 that divide a whole evenly, or None if they do not."""
    if len(values) < 2 or values[0] != 0:
        return None
    step = values[1]
    even = whole % step == 0 and list(values) == list(range(0, whole, step))
    return step if even else None


def _runs(values: Sequence[int], name: Callable[[int], str]) -> str:
    """Values as a list; three or more consecutive values are written as `1 to 3`."""
    parts: list[str] = []
    start = 0
    for end in range(1, len(values) + 1):
        if end < len(values) and values[end] == values[end - 1] + 1:
            continue
        run = values[start:end]
        if len(run) > 2:
            parts.append(f"{name(run[0])} to {name(run[-1])}")
        else:
            parts += [name(value) for value in run]
        start = end
    return _join(parts)


def _join(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"

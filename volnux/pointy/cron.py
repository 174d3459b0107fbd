"""The cron dialect of `@schedule`: what is accepted, and a clear message for everything else.

Five fields (minute, hour, day of month, month, day of week) with `*`, values, names, lists, ranges
and steps; `L` for the last day of a month, `5#2` for the second Friday; the presets `@hourly`,
`@daily`, `@weekly`, `@monthly`, `@yearly`. The cron dialects of Airflow and Prefect have this in
common.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from volnux.pointy.report import clip

__all__ = ["PRESETS", "CronProblem", "check_cron"]

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
"""What each preset stands for."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class CronProblem:
    """What is wrong with an expression, at offsets `start` to `end` within it."""

    message: str
    start: int
    end: int
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    last: bool = False
    """Whether `L` is a value."""
    nth: bool = False
    """Whether `5#2` is a value."""
    sunday_last: bool = False
    """Whether a range may end in 0 as if it were 7."""

    def number(self, text: str) -> int | None:
        if re.fullmatch(r"[0-9]{1,4}", text):
            return int(text)
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.least
        return None


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31, last=True),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS, nth=True, sunday_last=True),
)


def check_cron(expression: str) -> CronProblem | None:
    """What is wrong with a cron expression or preset; None if it is valid."""
    if expression.startswith("@"):
        if expression in PRESETS:
            return None
        known = ", ".join(PRESETS)
        return CronProblem(
            f"there is no preset '{clip(expression)}'", 0, len(expression), f"presets: {known}"
        )
    words = list(re.finditer(r"\S+", expression))
    if len(words) != 5:
        return CronProblem(
            f"a cron expression has five fields, found {len(words)}",
            0,
            len(expression),
            "the fields are minute, hour, day of month, month, day of week: 30 6 * * 1-5",
        )
    for kind, word in zip(_FIELDS, words, strict=True):
        try:
            _check_field(kind, word.group())
        except _Bad as bad:
            return CronProblem(
                f"{kind.name}: {bad.message}",
                word.start() + bad.start,
                word.start() + max(bad.end, bad.start + 1),
                bad.hint,
            )
    return _check_days(*words[2:])


class _Bad(Exception):
    """What is wrong with a field, at offsets within it."""

    def __init__(self, message: str, start: int, end: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.start, self.end, self.hint = message, start, end, hint


def _check_field(kind: _Field, text: str) -> None:
    items = text.split(",")
    start = 0
    for item in items:
        end = start + len(item)
        if not item:
            raise _Bad("a value is missing next to the comma", max(0, start - 1), start)
        if item == "*" and len(items) > 1:
            raise _Bad("'*' cannot be part of a list", start, end)
        if kind.nth and "#" in item:
            _check_nth(kind, item, start)
            if not all("#" in other for other in items):
                raise _Bad(
                    f"'{clip(item)}' cannot be in a list with other days",
                    start,
                    end,
                    "use two schedules",
                )
        elif not (kind.last and item.lower() == "l"):
            _check_item(kind, item, start)
        start = end + 1


def _check_nth(kind: _Field, item: str, start: int) -> None:
    day, _, nth = item.partition("#")
    number = kind.number(day)
    if number is None or number > kind.most or nth not in ("1", "2", "3", "4", "5"):
        raise _Bad(
            f"'{clip(item)}' is not a weekday of a month",
            start,
            start + len(item),
            "the second Friday is 5#2",
        )


def _check_item(kind: _Field, item: str, start: int) -> None:
    """A value, a range or `*`, with a step or without."""
    body, slash, step = item.partition("/")
    end = start + len(body)
    if slash and not (re.fullmatch(r"[0-9]{1,4}", step) and 1 <= int(step) <= kind.most):
        raise _Bad(
            f"the step '{clip(step)}' is not a whole number from 1 to {kind.most}",
            end + bool(step),
            start + len(item),
        )
    if body == "*":
        return
    first, dash, last = body.partition("-")
    low = _value(kind, first, start)
    if dash:
        high = _value(kind, last, end - len(last))
        if kind.sunday_last and high == 0 < low:
            high = 7
        if low > high:
            raise _Bad(
                f"the range {clip(body)} is in the wrong order",
                start,
                end,
                f"write it as two ranges: {first}-{kind.most},{kind.least}-{last}",
            )
        if low == high:
            raise _Bad(f"the range {clip(body)} has only one value", start, end, f"write {first}")
    elif slash:
        raise _Bad(
            "a step needs a range before it", start, end, f"write {first}-{kind.most}/{step}"
        )


def _value(kind: _Field, text: str, start: int) -> int:
    number = kind.number(text)
    if number is None or not kind.least <= number <= kind.most:
        names = f" or {kind.names[0]} to {kind.names[-1]}" if kind.names else ""
        raise _Bad(
            f"expected {kind.least} to {kind.most}{names}, found '{clip(text)}'",
            start,
            start + len(text),
        )
    return number


def _check_days(
    day: re.Match[str], month: re.Match[str], weekday: re.Match[str]
) -> CronProblem | None:
    """What is wrong with the combination of the three day fields; None if it is valid.

    Fields that the hosts' versions of croniter interpret differently are refused.
    """

    def at(place: re.Match[str], message: str, hint: str | None = None) -> CronProblem:
        return CronProblem(message, place.start(), place.end(), hint)

    if "#" in weekday.group():
        if day.group() == "*":
            return None
        message = "day of month: it must be * with a weekday such as 5#2"
        return at(day, message, "use two schedules")
    items = [item for item in day.group().split(",") if item.lower() != "l"]
    last = "l" in day.group().lower().split(",")
    days = _values(_FIELDS[2], ",".join(items)) if items else set()
    months = _values(_FIELDS[3], month.group())
    weekdays = {value % 7 for value in _values(_FIELDS[4], weekday.group())}
    if not last and not any(d <= _LONGEST[m - 1] for m in months for d in days):
        if weekday.group() == "*":
            message = "this date never occurs: none of these months has such a day"
            return CronProblem(message, 0, weekday.end())
        message = "day of month: none of these months has such a day: only the weekday would count"
        return at(day, message, "write * for the day of the month")
    if len(days) == 31 and len(weekdays) < 7 and day.group() != "*":
        message = "day of month: it names every day, so the weekday would have no effect"
        return at(day, message, "write * for the day of the month")
    if len(weekdays) == 7 and len(days) < 31 and weekday.group() != "*":
        message = "day of week: it names every day, so the day of the month would have no effect"
        return at(weekday, message, "write * for the day of the week")
    if last and max(days, default=0) > 28:
        message = "day of month: 'L' cannot be in a list with a day that some months do not have"
        return at(day, message, "use two schedules")
    if months >= {2, 3} and _loses_the_first_of_march(days):
        message = "day of month: Prefect would skip the start of March with these days"
        return at(day, message, "use two schedules, one of them with only the days after 28")
    return None


def _loses_the_first_of_march(days: set[int]) -> bool:
    """Whether a search that treats 30 February as a day skips a requested day.

    Older versions of croniter do this, and Prefect contains a copy of one.
    """
    for length in (28, 29):
        beyond = min((day for day in days if day > length), default=0)
        if beyond and length not in days and min(days) < beyond - length:
            return True
    return False


def _values(kind: _Field, text: str) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        body, _, step = item.partition("/")
        if body == "*":
            first, last = kind.least, kind.most
        else:
            low, dash, high = body.partition("-")
            first = kind.number(low) or 0
            last = (kind.number(high) or 0) if dash else first
            if kind.sunday_last and last == 0 < first:
                last = 7
        found.update(range(first, last + 1, int(step or 1)))
    return found

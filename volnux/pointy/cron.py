"""The cron dialect of `@schedule`: what is accepted, and a clear word for everything else.

Five fields (minute, hour, day of month, month, day of week) with `*`, values, names, lists, ranges
and steps; `L` for the last day of a month, `5#2` for the second Friday; the presets `@hourly`,
`@daily`, `@weekly`, `@monthly`, `@yearly`. This is the common ground of the cron dialects of
Airflow and Prefect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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

    def number(self, text: str) -> int | None:
        if re.fullmatch(r"[0-9]{1,4}", text):
            return int(text)
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.least
        return None


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


def check_cron(expression: str) -> CronProblem | None:
    """What is wrong with a cron expression or preset; None when it is good."""
    if expression.startswith("@"):
        if expression in PRESETS:
            return None
        known = ", ".join(PRESETS)
        return CronProblem(
            f"there is no preset '{expression}'", 0, len(expression), f"presets: {known}"
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
        start = word.start()
        for item in word.group().split(","):
            problem = _check_item(kind, item)
            if problem:
                return CronProblem(
                    f"{kind.name}: {problem}",
                    start,
                    start + max(1, len(item)),
                )
            start += len(item) + 1
    return _check_dates(expression, [word.group() for word in words])


def _check_item(kind: _Field, item: str) -> str | None:
    """What is wrong with one item of a list, or None."""
    body, slash, step = item.partition("/")
    if slash and not (re.fullmatch(r"[0-9]{1,4}", step) and 1 <= int(step) <= kind.most):
        return f"the step '{step}' is no whole number from 1 to {kind.most}"
    if body == "*":
        return None
    if kind.name == "day of month" and item.lower() == "l":
        return None
    if kind.name == "day of week" and "#" in item:
        day, _, nth = item.partition("#")
        if kind.number(day) is not None and (kind.number(day) or 0) <= 7 and nth in "12345" and nth:
            return None
        return f"'{item}' is no weekday of a month: the second Friday is 5#2"
    first, dash, last = body.partition("-")
    bounds = [first, last] if dash else [first]
    numbers = []
    for text in bounds:
        number = kind.number(text)
        if number is None:
            names = f" or {kind.names[0]} to {kind.names[-1]}" if kind.names else ""
            return f"'{text}' is not {kind.least} to {kind.most}{names}"
        if not kind.least <= number <= kind.most:
            return f"{number} is not from {kind.least} to {kind.most}"
        numbers.append(number)
    if dash and numbers[0] > numbers[1]:
        return f"the range {body} runs backwards"
    if slash and not dash:
        return f"a step needs a range before it: {first}-{kind.most}/{step}"
    return None


def _check_dates(expression: str, words: list[str]) -> CronProblem | None:
    """A day of month that none of the months has, with no weekday that could come instead."""
    _, _, day, month, weekday = words
    if "*" in day or "l" in day.lower() or weekday != "*":
        return None
    months = _values(_FIELDS[3], month)
    if any(d <= _LONGEST[m - 1] for m in months for d in _values(_FIELDS[2], day)):
        return None
    return CronProblem(
        "this date never comes: none of these months has such a day", 0, len(expression)
    )


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
        found.update(range(first, last + 1, int(step or 1)))
    return found

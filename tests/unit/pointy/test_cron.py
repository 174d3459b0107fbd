"""The cron dialect of schedules, compared with croniter, which reads them on every backend."""

import datetime as dt

import pytest
from croniter import CroniterBadDateError, croniter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from volnux.pointy.cron import PRESETS, check_cron

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@pytest.mark.parametrize(
    "expression",
    [
        *PRESETS,
        "* * * * *",
        "*/5 * * * *",
        "0-59/15 * * * *",
        "0,15,30,45 8-18 * * MON-FRI",
        "05 08 * jan,Feb *",
        "0 0 L * *",
        "0 0 15,L * *",
        "0 0 * * 5#2",
        "0 0 * * mon#1,fri#3",
        "0 0 * * 7",
        "0 0 * * 5-7",
        "0 0 * * 0-7",
        "0 0 * * FRI-SUN",
        "0 0 * * 1-5/2",
        "0 0 * * SUN-TUE",
        "0 0 29 2 *",
        "0 0 31 * *",
        "0 0 31 * mon",
        "0 0 */2 * *",
        "0 0 1,15,31 1,5 *",
        "*/1 */1 */1 */1 */1",
        "0 0 */31 2 *",
    ],
)
def test_accepted_expressions_come_again_in_croniter(expression):
    assert check_cron(expression) is None
    croniter(PRESETS.get(expression, expression), START).get_next()


@pytest.mark.parametrize(
    ("expression", "marked", "message", "hint"),
    [
        ("", "", "a cron expression has five fields, found 0", "the fields are"),
        ("* * * *", "* * * *", "a cron expression has five fields, found 4", "the fields are"),
        ("0 * * * * *", "0 * * * * *", "has five fields, found 6", "the fields are"),
        ("@midnight", "@midnight", "there is no preset '@midnight'", "presets: @hourly, @daily"),
        ("60 * * * *", "60", "minute: expected 0 to 59, found '60'", None),
        ("0 24 * * *", "24", "hour: expected 0 to 23, found '24'", None),
        ("0 0 0 * *", "0", "day of month: expected 1 to 31, found '0'", None),
        ("0 0 * 13 *", "13", "month: expected 1 to 12 or jan to dec, found '13'", None),
        ("0 0 * * 8", "8", "day of week: expected 0 to 7 or sun to sat, found '8'", None),
        ("0 0 * * Monday", "Monday", "expected 0 to 7 or sun to sat, found 'Monday'", None),
        ("0 0 1,2,x * *", "x", "day of month: expected 1 to 31, found 'x'", None),
        ("0 1-99 * * *", "99", "hour: expected 0 to 23, found '99'", None),
        ("*/0 * * * *", "0", "the step '0' is not a whole number from 1 to 59", None),
        ("*/90 * * * *", "90", "the step '90' is not a whole number from 1 to 59", None),
        ("*/ * * * *", "/", "the step '' is not a whole number", None),
        ("5/15 * * * *", "5", "a step needs a range before it", "write 5-59/15"),
        ("50-10 * * * *", "50-10", "the range 50-10 is in the wrong order", "50-59,0-10"),
        ("0 0 * * FRI-MON", "FRI-MON", "is in the wrong order", "FRI-7,0-MON"),
        ("0 0 5-5 * *", "5-5", "the range 5-5 has only one value", "write 5"),
        ("1,,2 * * * *", ",", "minute: a value is missing next to the comma", None),
        ("*,5 * * * *", "*", "'*' cannot be part of a list", None),
        ("0 0 * * 5#6", "5#6", "'5#6' is not a weekday of a month", "the second Friday is 5#2"),
        ("0 0 * * 8#1", "8#1", "'8#1' is not a weekday of a month", None),
        ("0 0 * * 5#2,1", "5#2", "cannot be in a list with other days", "use two schedules"),
        ("0 0 1 * 5#2", "1", "it must be * with a weekday such as 5#2", "use two schedules"),
        ("0 0 * * L5", "L5", "expected 0 to 7 or sun to sat, found 'L5'", None),
        ("0 0 LW * *", "LW", "day of month: expected 1 to 31, found 'LW'", None),
        ("0 0 ? * *", "?", "day of month: expected 1 to 31, found '?'", None),
        ("H * * * *", "H", "minute: expected 0 to 59, found 'H'", None),
        ("0 0 31 2 *", "0 0 31 2 *", "this date never occurs", None),
        ("0 0 30 2 *", "0 0 30 2 *", "this date never occurs", None),
        ("0 0 31 4,6,9-11/2 *", "0 0 31 4,6,9-11/2 *", "this date never occurs", None),
        ("0 0 30-31 feb *", "0 0 30-31 feb *", "this date never occurs", None),
        ("0 0 31 2 MON", "31", "only the weekday would count", "write * for the day of the month"),
        ("0 0 1-31 * 1", "1-31", "the weekday would have no effect", "write *"),
        ("0 0 1 * 0-6", "0-6", "the day of the month would have no effect", "write *"),
        ("0 0 31,L * *", "31,L", "with a day that some months do not have", "use two schedules"),
        ("0 0 */10 * *", "*/10", "would skip the start of March", "only the days after 28"),
        ("0 0 1,30 1-3 *", "1,30", "would skip the start of March", "use two schedules"),
    ],
)
def test_refused_expressions_say_where_and_why(expression, marked, message, hint):
    problem = check_cron(expression)
    assert problem is not None
    assert message in problem.message
    assert expression[problem.start : problem.end] == marked
    assert hint is None or hint in (problem.hint or "")


def field(least: int, most: int, names: tuple[str, ...], special: tuple[str, ...]):
    numbers = st.integers(least, most).map(str)
    if names:
        numbers |= st.sampled_from([*names, names[0].upper()])
    ranges = st.tuples(numbers, numbers).map("-".join)
    steps = st.tuples(ranges | st.just("*"), st.integers(1, most).map(str)).map("/".join)
    choices = [numbers, ranges, steps, st.just("*")]
    items = st.one_of(*choices, *([st.sampled_from(special)] if special else []))
    return st.one_of(st.just("*"), st.lists(items, min_size=1, max_size=3).map(",".join))


NAMES = ((), (), (), MONTHS, DAYS)
SPECIAL = ((), (), ("L", "l"), (), ("5#2", "sun#1", "7#5"))
expressions = st.tuples(
    *(field(*bounds, *more) for bounds, *more in zip(BOUNDS, NAMES, SPECIAL, strict=True))
).map(" ".join)


def meant(text: str, least: int, most: int, names: tuple[str, ...]) -> set[int]:
    """The values of a field, read from the definition of cron alone."""

    def number(word: str) -> int:
        return names.index(word.lower()) + least if word.lower() in names else int(word)

    found = set()
    for item in text.split(","):
        body, _, step = item.partition("/")
        low, dash, high = (str(least), "-", str(most)) if body == "*" else body.partition("-")
        first = number(low)
        last = number(high) if dash else first
        if most == 7 and last == 0 < first:
            last = 7
        found.update(range(first, last + 1, int(step or 1)))
    return {value % 7 for value in found} if most == 7 else found


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(expressions)
@example("0 0 29 2 *")
@example("* * 1 * 5#2")
@example("0 0 * * 5-7/2")
@example("0 0 * * 2-sun")
def test_croniter_reads_an_accepted_expression_as_cron_means_it(expression):
    problem = check_cron(expression)
    if problem is not None:
        if "never occurs" in problem.message:
            with pytest.raises(CroniterBadDateError):
                croniter(expression, START).get_next()
        return
    schedule = croniter(expression, START)
    schedule.get_next()
    for index, text in enumerate(expression.split()):
        if "#" in text or "l" in text.lower().replace("jul", ""):
            continue
        expanded = schedule.expanded[index]
        least, most = BOUNDS[index]
        every = set(range(least, min(most, 6) + 1 if most == 7 else most + 1))
        values = every if expanded == ["*"] else set(expanded)
        assert values == meant(text, least, most, NAMES[index]), f"repeat with: {expression!r}"

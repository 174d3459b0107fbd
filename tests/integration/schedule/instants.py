"""The instants that the core computes. Every host is compared with them."""

import datetime as dt
import functools
import itertools
import zoneinfo
from dataclasses import dataclass

from volnux.schedules import Schedule, ScheduleError

COUNT = 30
HOUR = dt.timedelta(hours=1)
ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
)
AFTER = (
    "2028-02-27T21:00:00+00:00",  # 29 February
    # Clock changes: within a day in New York and then in Paris, within a month in Casablanca, Paris
    # and Lord Howe.
    "2026-03-07T12:00:00+00:00",
    "2026-10-24T12:00:00+00:00",
)

_MINUTES = ("*", "0", "30", "*/5", "*/15", "*/7", "0,30", "10-50/10", "59", "5-8")
_HOURS = ("*", "0", "3", "*/2", "*/6", "8-18", "9,17", "0-23/8", "22-23")
_DAYS = ("*", "1", "15", "31", "L", "*/2", "1-7", "10,20,30", "28-31", "1,L", "*/10", "15-20/2")
_MONTHS = ("*", "2", "jan", "1-6", "*/3", "JUN,dec", "feb-apr", "3,10", "2-12/5")
_WEEKDAYS = (
    "*", "0", "7", "1-5", "mon", "SUN", "sat,sun", "1,3,5", "fri-sun", "5-7", "*/2", "1-5/2",
    "5#2", "1#1", "sun#5", "mon#1,fri#3", "0-3", "wed-fri", "0-6/3", "4#5",
)  # fmt: skip
_SPECIAL = (
    "@hourly", "@daily", "@weekly", "@monthly", "@yearly",
    "0 0 29 2 *", "0 12 29 FEB *", "30 4 1,15 * 5", "0 0 13 * 5", "0 0 L 2 *", "0 0 L * 1",
    "0 0 */31 2 *", "0 0 31 * mon", "0 0 31 */2 *", "0 0 1,15,31 1,5 *", "0 0 29-31 * 1",
    "0 0 * 2 sun#5", "59 23 31 12 *", "0 0 1 1 0", "23 0-20/2 * * *",
    "5 4 * * sun", "0 22 * * 1-5", "0 0,12 1 */2 *", "0 4 8-14 * *", "0 0 1,15 * 3", "05 08 * * *",
    "0-59 * * * *", "*/1 */1 */1 */1 */1", "*/59 * * * *", "*/23 */11 * * *", "0 0 * * 1-7",
    "0 0 * * 0-7", "0 0 * * 6-7", "0 0 29-31 2 *", "0 0 29,30 feb *", "0 0 28,l * *",
    "0 0 * * 7#5", "15 10 * 5 tue#4,thu#2", "0 9 1-7 * mon-fri", "0 0 27-31/2 * *",
    "0 0 */4 * *", "0 0 */7 * *", "0 0 */9 * *", "0 0 1,28,30 * *", "0 0 L,l * 1",
    # These are refused, each with its reason.
    "0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6,9,11 *", "60 * * * *", "* 24 * * *", "0 0 0 * *",
    "0 0 32 * *", "0 0 * 13 *", "0 0 * * 8", "0 0 L-3 * *", "0 0 15W * *", "0 0 * * 5L",
    "H * * * *", "R * * * *", "@reboot", "@midnight", "@every 5m", "0 0 ? * *", "5/15 * * * *",
    "50-10 * * * *", "* * * * * *", "0 0 * * fri-mon", "0 0 1 1", "*/0 * * * *", "0 0 * * 5#6",
    "0 0 * * 5#2,1", "0 0 15 * 5#2", "0 0 L * 5#1", "0 0 1 * mon#1", "0 0 30 2 mon",
    "0 0 31 2 MON", "0 0 1-31 * 1", "0 0 1 * 0-6", "0 0 1-31,L * 1", "0 0 31,L * *", "0 0 1,30 * *",
)  # fmt: skip


def expressions() -> list[str]:
    """All expressions, accepted and refused, each once."""
    found = list(_SPECIAL)
    found += [f"{minute} {hour} * * *" for minute, hour in itertools.product(_MINUTES, _HOURS)]
    found += [f"30 1 {day} * {weekday}" for day in _DAYS for weekday in ("*", "1-5", "sun")]
    found += [f"0 9 {day} {month} *" for day, month in itertools.product(_DAYS, _MONTHS)]
    found += [f"15 2 * {month} {weekday}" for month in ("*", "2-3") for weekday in _WEEKDAYS]
    found += [f"*/30 * * * {weekday}" for weekday in _WEEKDAYS]
    found += [f"*/20 */2 {day} * *" for day in _DAYS]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Case:
    """An expression in a time zone, and its first instants after a given one."""

    schedule: str
    timezone: str
    after: dt.datetime
    next: list[dt.datetime]


@functools.cache
def cases(zone: str) -> list[Case]:
    """What the core computes in a time zone, for every second expression: the hosts are slow."""
    found = []
    half = ZONES.index(zone) % 2
    for number, text in enumerate(expressions()):
        if number % 2 != half or text in refused():
            continue
        # Clock changes meet one in four of them.
        for after in AFTER if number % 8 < 2 else AFTER[:1]:
            begin = dt.datetime.fromisoformat(after)
            instants = itertools.islice(Schedule((text,), zone).instants(begin), COUNT)
            found.append(Case(text, zone, begin, list(instants)))
    assert len({case.schedule for case in found}) >= 150
    return found


@functools.cache
def refused() -> dict[str, str]:
    """The expressions that the core refuses, with its reasons."""
    found = {}
    for text in expressions():
        try:
            Schedule((text,))
        except ScheduleError as error:
            found[text] = str(error)
    assert len(found) >= 30
    return found


def in_clock_change(moment: dt.datetime, zone: str) -> bool:
    """Whether a clock changes within an hour of a moment."""
    local = zoneinfo.ZoneInfo(zone)
    offsets = {(moment + span).astimezone(local).utcoffset() for span in (-HOUR, HOUR * 0, HOUR)}
    return len(offsets) > 1

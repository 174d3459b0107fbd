"""When schedules fire, above all where clocks change."""

import datetime as dt
import itertools
import subprocess
import sys
import zoneinfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from volnux.graph import compile
from volnux.pointy import parse
from volnux.pointy.cron import PRESETS
from volnux.scheduler import ScheduleTrigger
from volnux.schedules import Schedule, ScheduleError, clock_changes, schedule_warnings

PARIS = "Europe/Paris"


def at(text, zone="UTC"):
    return dt.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))


def shown(schedule, after, count):
    """The next instants on the clock of the schedule."""
    found = itertools.islice(schedule.instants(after), count)
    return [f"{each.astimezone(schedule.zone):%m-%d %H:%M%z}" for each in found]


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        # A time that the clock skips comes as much later as the clock is put forward.
        ("30 2 * * *", PARIS, "2026-03-28T12:00", "03-29 03:30+0200 03-30 02:30+0200"),
        ("0,30 2 * * *", PARIS, "2026-03-28T12:00", "03-29 03:00+0200 03-29 03:30+0200"),
        ("0 */2 * * *", PARIS, "2026-03-29T00:30", "03-29 03:00+0200 03-29 04:00+0200"),
        # Two times that fall on one instant are one run.
        ("30 2,3 * * *", PARIS, "2026-03-28T12:00", "03-29 03:30+0200 03-30 02:30+0200"),
        ("*/30 * * * *", PARIS, "2026-03-29T01:00", "03-29 01:30+0100 03-29 03:00+0200"),
        # A time that comes twice is the first of the two.
        ("30 2 * * *", PARIS, "2026-10-24T12:00", "10-25 02:30+0200 10-26 02:30+0100"),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", "11-01 01:30-0400 11-02 01:30-0500"),
        ("*/30 2 * * *", PARIS, "2026-10-24T12:00", "10-25 02:00+0200 10-25 02:30+0200"),
        # Every hour goes on in the second pass.
        (
            "0 * * * *",
            PARIS,
            "2026-10-25T01:30",
            "10-25 02:00+0200 10-25 02:00+0100 10-25 03:00+0100",
        ),
        ("0 0-23 * * 0", PARIS, "2026-10-25T01:30", "10-25 02:00+0200 10-25 02:00+0100"),
        # Half an hour forward; a day that is left out; clocks that change at midnight.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", "10-04 02:45+1100"),
        ("15 * * * *", "Australia/Lord_Howe", "2026-10-04T01:30", "10-04 02:45+1100"),
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00", "12-31 09:00+1400 01-01 09:00+1400"),
        ("30 0 * * *", "America/Havana", "2026-03-07T12:00", "03-08 01:30-0400"),
        ("30 23 * * *", "America/Sao_Paulo", "2019-02-16T12:00", "02-16 23:30-0200"),
        # The Monday after a clock change is a whole one.
        ("0 * * * mon", PARIS, "2026-03-23T23:30", "03-30 00:00+0200 03-30 01:00+0200"),
        # Leap years, month ends, numbered weekdays.
        ("0 0 29 2 *", "UTC", "2096-03-01T00:00", "02-29 00:00+0000"),
        ("0 9 L * *", "UTC", "2028-02-01T00:00", "02-29 09:00+0000 03-31 09:00+0000"),
        ("0 9 * * 5#2", "UTC", "2026-05-01T00:00", "05-08 09:00+0000 06-12 09:00+0000"),
        ("0 0 13 * fri", "UTC", "2026-02-01T00:00", "02-06 00:00+0000 02-13 00:00+0000"),
        ("0 0 * * 7", "UTC", "2026-02-01T00:00", "02-08 00:00+0000"),
    ],
)
def test_next_instants(text, zone, after, expected):
    schedule = Schedule((text,), zone)
    count = len(expected.split()) // 2
    assert " ".join(shown(schedule, at(after, zone), count)) == expected


def test_a_fifth_sunday_in_february_is_found_across_1900_and_2100():
    schedule = Schedule(("0 0 * 2 sun#5",))
    found = itertools.islice(schedule.instants(at("2080-01-01")), 2)
    assert [each.year for each in found] == [2088, 2128]


def test_there_is_nothing_after_the_last_year():
    assert Schedule(("0 0 1 1 *",)).after(at("9999-06-01")) is None
    assert Schedule(("0 0 1 1 *",)).before(at("0001-01-01")) is None


EDGES = ("0001-01-01T00:00", "0002-01-01T00:00", "9998-12-31T23:59", "9999-12-31T23:59:59.999999")


@pytest.mark.parametrize("start", [None, "0001-01-01", "0001-12-31", "9998-12-31", "9999-12-31"])
@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles", PARIS]
)
def test_the_ends_of_the_calendar(zone, start):
    """These instants exist in every zone. A moment that exists in no zone raises nothing."""
    zones = [zoneinfo.ZoneInfo(name) for name in (zone, "Asia/Tokyo", "America/Los_Angeles")]
    now = at("2026-01-01T12:00")
    for text in ("* * * * *", "30 2 * * *", "0 0 L * *"):
        schedule = Schedule((text,), zone, start and dt.date.fromisoformat(start))
        for edge, local in itertools.product(EDGES, zones):
            moment = dt.datetime.fromisoformat(edge).replace(tzinfo=local)
            before, after = schedule.before(moment), schedule.after(moment)
            assert before is None or before < moment
            assert after is None or after > moment
            for each in filter(None, (before, after)):
                assert [each.astimezone(other) for other in zones] == [each] * 3
            trigger = ScheduleTrigger(schedule, every=True, from_start=True, begin=moment)
            trigger.get_next_fire_time(None, now)
            trigger.get_next_fire_time(moment, now)
            until = moment if moment.year > 9000 else moment + dt.timedelta(days=3)
            list(clock_changes(schedule, moment, until))
    first = Schedule(("0 6 * * *",), zone, dt.date(1, 1, 1)).after(at("2026-01-01"))
    assert first == Schedule(("0 6 * * *",), zone).after(at("2026-01-01"))


def test_several_expressions_fire_once_an_instant():
    schedule = Schedule(("0 6 * * *", "0 */6 * * *"))
    assert shown(schedule, at("2026-01-01"), 4) == [
        "01-01 06:00+0000",
        "01-01 12:00+0000",
        "01-01 18:00+0000",
        "01-02 00:00+0000",
    ]


def test_nothing_comes_before_the_start_date():
    schedule = Schedule(("@daily",), PARIS, dt.date(2026, 5, 1))
    assert schedule.after(at("2020-01-01")) == at("2026-05-01", PARIS)
    assert schedule.before(at("2026-05-01", PARIS)) is None
    assert schedule.before(at("2026-05-01T00:01", PARIS)) == at("2026-05-01", PARIS)


@pytest.mark.parametrize(
    ("expressions", "zone", "message"),
    [
        (("61 * * * *",), "UTC", "wrong: minute: expected 0 to 59, found '61'"),
        (("0 0 30 2 *",), "UTC", "this date never occurs"),
        (("0 6 8-1 * *",), "UTC", "at column 5: day of month: the range 8-1 is in the wrong order"),
        (("@daily",), "Europe/Pariss", "there is no time zone 'Europe/Pariss'; did you mean"),
        ((), "UTC", "at least one"),
    ],
)
def test_what_is_wrong_is_said(expressions, zone, message):
    with pytest.raises(ScheduleError) as refusal:
        Schedule(expressions, zone)
    assert message in str(refusal.value)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="needs a time zone"):
        Schedule(("@daily",)).after(dt.datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused


SAMPLES = (
    "* * * * *",
    "*/15 * * * *",
    "30 2 * * *",
    "0 */2 * * *",
    "0 9 L * *",
    "0 0 13 * fri",
    "15 1-3 * * sun",
    "0 0 29 2 *",
    "@weekly",
    "7 */5 1-10 */3 *",
    "45 23 * * 5#3",
)
ZONES = ("UTC", PARIS, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tokyo")
MOMENTS = st.datetimes(
    dt.datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    dt.datetime(2035, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(dt.UTC),
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(SAMPLES), st.sampled_from(ZONES), MOMENTS)
def test_before_is_the_inverse_of_after(text, zone, moment):
    schedule = Schedule((text,), zone)
    following = schedule.after(moment)
    second = schedule.after(following)
    assert moment < following < second
    assert schedule.before(second) == following
    assert schedule.after(following - dt.timedelta(microseconds=1)) == following
    preceding = schedule.before(moment)
    assert preceding < moment
    assert schedule.after(preceding) >= moment


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(SAMPLES), MOMENTS)
def test_without_clock_changes_croniter_says_the_same(text, moment):
    theirs = croniter(PRESETS.get(text, text), moment)
    ours = Schedule((text,)).instants(moment)
    for _ in range(10):
        assert next(ours) == theirs.get_next(dt.datetime)


def graph(text):
    return compile(parse(f"{text}\nA"))


def test_check_warns_of_the_instants_in_question():
    now = at("2026-01-15")
    source = '@schedule: "30 2 * * *"\n@timezone: Europe/Paris'
    (warning,) = schedule_warnings(graph(source), now=now)
    assert "2026-03-29 02:30 does not exist, the pipeline runs at 03:30+0200" in warning.message
    assert "2026-10-25 02:30 occurs twice, the pipeline runs at 02:30+0200" in warning.message
    assert (warning.span.line, warning.span.column) == (1, 12)


@pytest.mark.parametrize(
    ("source", "backend", "warned"),
    [
        ('@schedule: "30 2 * * *"', None, False),
        ('@schedule: "30 4 * * *"\n@timezone: Europe/Paris', None, False),
        ('@schedule: "30 2 * * 1"\n@timezone: Europe/Paris', None, False),
        ('@schedule: "30 2 1 * *"\n@timezone: Europe/Paris', None, False),
        ('@schedule: "*/30 * * * *"\n@timezone: Europe/Paris', None, False),
        ('@schedule: "*/30 * * * *"\n@timezone: Europe/Paris', "prefect", True),
        ('@schedule: "0 */2 * * *"\n@timezone: Europe/Paris', "airflow", True),
        ('@schedule: "30 2 * * *"\n@timezone: Europe/Paris\n@start-date: 2999-01-01', None, False),
    ],
)
def test_other_schedules_are_silent(source, backend, warned):
    found = schedule_warnings(graph(source), backend=backend, now=at("2026-01-15"))
    assert bool(found) is warned


def test_clock_changes_tell_both_hours():
    schedule = Schedule(("*/30 * * * *",), PARIS)
    forward, back = clock_changes(schedule, at("2026-01-01"), at("2027-01-01"))
    assert (forward.skips, len(forward.times), len(forward.instants)) == (True, 2, 2)
    assert (back.skips, len(back.times), len(back.instants)) == (False, 2, 4)


def test_importing_schedules_is_light():
    program = (
        "import sys, volnux, volnux.schedules, volnux.scheduler; heavy = 'apscheduler', "
        "'sqlalchemy', 'croniter', 'pydantic'; print([n for n in heavy if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

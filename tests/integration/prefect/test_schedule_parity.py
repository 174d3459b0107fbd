"""Prefect's server fires at the instants of the core, but in the hours of a clock change."""

import datetime as dt
import json
import subprocess
import sys
import zoneinfo
from pathlib import Path

import pytest
from prefect.server.schemas.schedules import CronSchedule

from volnux.schedules import Schedule, clock_changes

PROGRAM = Path(__file__).parents[1] / "schedule" / "instants.py"
ZONES = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
]
HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture(scope="session")
def core():
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def by_prefect(text, zone, after, count):
    schedule = CronSchedule(cron=text, timezone=zone)
    dates = schedule._get_dates_generator(n=count, start=after + SECOND)
    return sorted(dt.datetime.fromtimestamp(date.timestamp(), dt.UTC) for date in dates)


def in_clock_change(moment, zone):
    """Whether a clock changes within an hour of a moment."""
    local = zoneinfo.ZoneInfo(zone)
    offsets = {(moment + span).astimezone(local).utcoffset() for span in (-HOUR, HOUR * 0, HOUR)}
    return len(offsets) > 1


@pytest.mark.parametrize("zone", ZONES)
def test_prefect_agrees_outside_of_clock_changes(core, zone):
    cases = [case for case in core["cases"] if case["timezone"] == zone]
    assert len({case["schedule"] for case in cases}) >= 300
    for case in cases:
        after = dt.datetime.fromisoformat(case["after"])
        expected = [dt.datetime.fromisoformat(text) for text in case["next"]]
        # It may have one more or less in each hour of a clock change.
        found = by_prefect(case["schedule"], zone, after, len(expected) + 8)
        assert [m for m in found if m <= expected[-1] and not in_clock_change(m, zone)] == [
            m for m in expected if not in_clock_change(m, zone)
        ], case["schedule"]


# What remains: docs/scheduling.md has this table.
@pytest.mark.parametrize(
    ("text", "zone", "day", "by_core", "by_host"),
    [
        ("30 2 * * *", "Europe/Paris", "2026-03-29", ["03:30+0200"], ["01:30+0100"]),
        ("30 2 * * *", "Europe/Paris", "2026-10-25", ["02:30+0200"], ["02:30+0200"]),
        ("30 1 * * *", "America/New_York", "2026-11-01", ["01:30-0400"], ["01:30-0400"]),
        ("0 */2 * * *", "Europe/Paris", "2026-03-29", ["03:00+0200"], ["01:00+0100"]),
        (
            "*/30 * * * *",
            "Europe/Paris",
            "2026-03-29",
            ["01:00+0100", "01:30+0100", "03:00+0200", "03:30+0200"],
            ["01:00+0100", "01:30+0100", "03:00+0200", "03:30+0200"],
        ),
        (
            "*/30 * * * *",
            "Europe/Paris",
            "2026-10-25",
            ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100", "03:00+0100", "03:30+0100"],
            ["02:00+0200", "02:30+0200", "03:00+0100", "03:30+0100"],
        ),
        (
            "0 * * * *",
            "Europe/Paris",
            "2026-03-29",
            ["01:00+0100", "03:00+0200"],
            ["01:00+0100", "03:00+0200"],
        ),
    ],
)
def test_in_the_hours_of_a_clock_change(text, zone, day, by_core, by_host):
    local = zoneinfo.ZoneInfo(zone)
    noon = dt.datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=local)
    schedule = Schedule((text,), zone)
    (change,) = {
        c.at for c in clock_changes(Schedule(("* * * * *",), zone), noon - 24 * HOUR, noon)
    }

    def shown(instants):
        near = [m for m in instants if change - HOUR <= m < change + 2 * HOUR]
        hours = {int(when[:2]) for when in (*by_core, *by_host)}
        local_times = [m.astimezone(local) for m in near]
        return [f"{m:%H:%M%z}" for m in local_times if m.hour in hours]

    start = noon - 24 * HOUR
    core = [m for m, _ in zip(schedule.instants(start), range(60), strict=False)]
    assert shown(core) == by_core
    assert shown(by_prefect(text, zone, start, 60)) == by_host


def test_a_refused_expression_has_a_reason(core):
    assert len(core["refused"]) >= 30
    assert all(core["refused"].values())

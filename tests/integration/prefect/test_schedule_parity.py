"""Prefect's server fires at the instants of the core, except in the hours of a clock change."""

import datetime as dt
import zoneinfo

import prefect
import pytest
from prefect.server.schemas.schedules import CronSchedule

from tests.integration.schedule.instants import HOUR, ZONES, cases, in_clock_change, refused
from volnux.schedules import Schedule, clock_changes

SECOND = dt.timedelta(seconds=1)


def by_prefect(text, zone, after, count):
    schedule = CronSchedule(cron=text, timezone=zone)
    dates = schedule._get_dates_generator(n=count, start=after + SECOND)
    return sorted(dt.datetime.fromtimestamp(date.timestamp(), dt.UTC) for date in dates)


@pytest.mark.parametrize("zone", ZONES)
def test_prefect_agrees_outside_of_clock_changes(zone):
    for case in cases(zone):
        # It may have one more or less in each hour of a clock change.
        found = by_prefect(case.schedule, zone, case.after, len(case.next) + 8)
        assert [m for m in found if m <= case.next[-1] and not in_clock_change(m, zone)] == [
            m for m in case.next if not in_clock_change(m, zone)
        ], case.schedule


def since_3_9(found, before):
    """What a version of Prefect computes for a time that the clock skips."""
    return found if tuple(map(int, prefect.__version__.split(".")[:2])) >= (3, 9) else before


# What remains: docs/scheduling.md has this table.
@pytest.mark.parametrize(
    ("text", "zone", "day", "by_core", "by_host"),
    [
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-03-29",
            ["03:30+0200"],
            since_3_9(["03:30+0200"], ["01:30+0100"]),
        ),
        ("30 2 * * *", "Europe/Paris", "2026-10-25", ["02:30+0200"], ["02:30+0200"]),
        ("30 1 * * *", "America/New_York", "2026-11-01", ["01:30-0400"], ["01:30-0400"]),
        (
            "0 */2 * * *",
            "Europe/Paris",
            "2026-03-29",
            ["03:00+0200"],
            since_3_9(["03:00+0200"], ["01:00+0100"]),
        ),
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


def test_a_refused_expression_has_a_reason():
    assert all(refused().values())

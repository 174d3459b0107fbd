"""`volnux backfill`: which times run, and what it refuses."""

import datetime as dt
from pathlib import Path

import pytest

DAY = dt.timedelta(days=1)

FLOW = """
@schedule: "30 2 * * *"
@timezone: Europe/Berlin
@input: day: date = scheduled
Load
"""

EVENTS = """
from volnux import event

@event
def Load(day):
    with open("ran", "a") as ran:
        print(day, file=ran)
    return True, None
"""


@pytest.fixture
def backfill(cli):
    Path("daily.pty").write_text(FLOW)
    Path("daily_events.py").write_text(EVENTS)

    def backfill(first, last, *arguments):
        return cli("backfill", "daily.pty", "--from", first, "--to", last, *arguments)

    return backfill


def ran():
    path = Path("ran")
    return path.read_text().split() if path.exists() else []


def test_reverse_and_all(backfill):
    days = "2026-05-10", "2026-05-12"
    assert backfill(*days, "--reverse").code == 0
    assert backfill(*days, "--again", "all").code == 0
    assert [day[-2:] for day in ran()] == ["12", "11", "10", "10", "11", "12"]
    assert backfill(*days, "--again", "failed").out.endswith("0 to run\n\nnothing to run\n")


@pytest.mark.parametrize(
    ("days", "arguments", "message"),
    [
        (("2026-05-32", "2026-05-12"), [], "--from takes a day such as 2026-01-31"),
        (("2026-05-12", "2026-05-11"), [], "the last day, 2026-05-11, is before the first one"),
        (("2026-05-12", "2026-05-13"), ["--input", "day=x"], "'day'"),
        (("2026-05-12", "2026-05-13"), ["--store", "none"], "a backfill needs a store of runs"),
    ],
)
def test_what_cannot_be_filled(backfill, days, arguments, message):
    found = backfill(*days, *arguments)
    assert (found.code, ran()) == (2, [])
    assert message in found.err


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (("9000-05-10", "9999-12-31"), "daily: 0 times of the schedule, 0 to run\n"),
        (("0001-01-01", "0002-01-02"), "daily: 2 times of the schedule, 2 to run\n"),
    ],
)
def test_days_that_are_far_away(backfill, days, said):
    found = backfill(*days, "--dry-run")
    assert (found.code, found.out.partition("  ")[0]) == (0, said)


def test_only_past_times_run(backfill):
    today = dt.datetime.now(dt.UTC).date()
    found = backfill(today - 2 * DAY, today + 2 * DAY, "--dry-run")
    assert len(found.out.splitlines()) in (3, 4)


def test_a_fault_of_volnux_does_not_end_as_a_success(backfill, monkeypatch):
    monkeypatch.setattr("volnux.pipeline.Pipeline.start", None)
    with pytest.raises(TypeError):
        backfill("2026-05-12", "2026-05-12")


def test_an_approval_without_a_usable_store(backfill):
    Path("daily_events.py").write_text("from volnux import approval\n\nLoad = approval('{day}?')\n")
    Path("text").touch()
    found = backfill("2026-05-12", "2026-05-12", "--store", "text/runs.db")
    assert found.code == 2


def test_a_file_without_a_schedule(backfill):
    Path("daily.pty").write_text('@input: day: str = "monday"\nLoad')
    found = backfill("2026-05-10", "2026-05-12")
    assert found.code == 2
    assert "daily has no schedule to fill: add a line such as @schedule: @daily" in found.err

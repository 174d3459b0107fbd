"""`volnux backfill`: which times run, and what it refuses."""

from pathlib import Path

import pytest

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


def test_a_file_without_a_schedule(backfill):
    Path("daily.pty").write_text('@input: day: str = "monday"\nLoad')
    found = backfill("2026-05-10", "2026-05-12")
    assert found.code == 2
    assert "daily has no schedule to fill: add a line such as @schedule: @daily" in found.err

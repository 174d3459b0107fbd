"""`volnux backfill`: each time of a schedule runs once, also after failures and Ctrl-C."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

FLOW = """
@schedule: "30 2 * * *"
@timezone: Europe/Berlin
@input: day: date = scheduled
Load
"""

EVENTS = """
import os
import signal
from pathlib import Path
from volnux import event

@event
def Load(day):
    with open("ran", "a") as ran:
        print(day, file=ran)
    if str(day) == "2026-04-10" and not Path("ok").exists():
        os.kill(os.getpid(), signal.SIGINT)
    if day.day in (3, 5, 8) and not Path("ok").exists():
        raise ValueError(f"no data of {day}")
    return True, None
"""


@pytest.fixture(autouse=True)
def flow():
    Path("daily.pty").write_text(FLOW)
    Path("daily_events.py").write_text(EVENTS)


COMMAND = [sys.executable, "-m", "volnux", "backfill", "daily.pty"]


def backfill(*arguments):
    return subprocess.run(
        [*COMMAND, "--from", "2026-03-20", "--to", "2026-04-18", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ran():
    path = Path("ran")
    return path.read_text().split() if path.exists() else []


def test_thirty_days_with_failures_and_an_interrupt():
    planned = backfill("--dry-run")
    assert planned.returncode == 0
    assert planned.stdout.startswith("daily: 30 times of the schedule, 30 to run\n")
    # In the night of the clock change, the time is later.
    assert "\n  2026-03-28 02:30 +0100\n  2026-03-29 03:30 +0200\n" in planned.stdout
    assert ran() == []

    first = backfill()
    assert first.returncode == 130, first.stderr
    assert "2026-04-03 02:30 +0200: failed in" in first.stdout
    assert "Load (ValueError: no data of 2026-04-03)" in first.stdout
    assert "stopping: 1 run may still finish" in first.stdout
    left = 30 - len(ran())
    assert 1 <= left <= 8
    assert first.stdout.endswith(f"\n{27 - left} success, 3 failed, {left} not started\n")

    Path("ok").touch()
    second = backfill("--again", "failed", "--max-active", "3")
    assert second.returncode == 0, second.stderr
    assert second.stdout.startswith(f"daily: 30 times of the schedule, {3 + left} to run\n")
    counts = Counter(ran())
    assert len(counts) == 30
    assert {day for day, count in counts.items() if count == 2} == {
        *("2026-04-03", "2026-04-05", "2026-04-08")
    }

    third = backfill()
    assert (third.returncode, len(ran())) == (0, 33)
    assert third.stdout.endswith("30 times of the schedule, 0 to run\n\nnothing to run\n")


def test_two_backfills_at_once_run_no_time_twice():
    Path("ok").touch()
    command = [*COMMAND, "--from", "2026-05-01", "--to", "2026-05-08", "--max-active", "2"]
    both = [
        subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True)
        for more in ((), ("--reverse",))
    ]
    said = [each.communicate(timeout=120)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert Counter(Counter(ran()).values()) == {1: 8}

"""The scheduler beside a backfill: none of them does what the other one did."""

import threading
from collections import Counter
from pathlib import Path

import pytest

from volnux import event
from volnux.cli.start import start as volnux
from volnux.scheduler import RunState
from volnux.scheduler.kept import KeptRuns
from volnux.scheduler.targets import Target

TEXT = """
@schedule: @daily
@start-date: 2025-12-25
@catchup: true
@events: tests.unit.schedule.test_backfill
@input: day: date = scheduled
Load
"""

RAN = []
STARTED, GO_ON = threading.Event(), threading.Event()


@event
def Load(day):
    RAN.append(day.day)
    if day.day == 26:
        STARTED.set()
        assert GO_ON.wait(60)
    return day.day != 28, None


@pytest.fixture(autouse=True)
def flow():
    RAN.clear()
    STARTED.clear()
    GO_ON.clear()
    Path("daily.pty").write_text(TEXT)


def backfill(*arguments):
    days = "--from", "2025-12-25", "--to", "2026-01-01"
    return volnux(["backfill", "daily.pty", *days, *arguments])


@pytest.fixture
def scheduler(make):
    scheduler = make(keep=True)
    scheduler.start()
    scheduler.add_job("daily.pty")
    return scheduler


def test_neither_does_what_the_other_one_did(scheduler, capfd):
    looks = threading.Thread(target=scheduler.advance, args=(scheduler.clock.now,))
    looks.start()
    assert STARTED.wait(60)
    assert volnux(["backfill", "daily.pty", "--from", "2025-12-26", "--to", "2025-12-29"]) == 1
    said = capfd.readouterr().out
    assert said.startswith("daily: 4 times of the schedule, 3 to run\n")
    assert RAN == [25, 26, 27, 28, 29]
    GO_ON.set()
    looks.join()
    assert Counter(RAN) == dict.fromkeys([25, 26, 27, 28, 29, 30, 31, 1], 1)
    skipped = [run for run in scheduler.runs() if run.state is RunState.SKIPPED]
    assert [run.scheduled.day for run in reversed(skipped)] == [27, 28, 29]
    assert all("has this time" in run.message for run in skipped)
    assert backfill() == 0
    assert backfill("--again", "failed") == 1
    assert Counter(RAN)[28] == 2
    assert len(RAN) == 9


def test_a_repeated_run_replaces_the_one_that_was_interrupted(scheduler):
    GO_ON.set()
    scheduler.advance(scheduler.clock.now)
    last, before, *_ = scheduler.runs()
    target = Target(file="daily.pty")
    with KeptRuns().turn(target, last.scheduled, last.run_id, repeats=True) as (store, taken):
        assert taken is None
        assert store.last().id == before.run_id
    with KeptRuns().turn(target, before.scheduled, "new", repeats=False) as (_, taken):
        assert taken == f"the run {before.run_id[:12]} has this time"


def test_a_store_that_cannot_be_used_is_one_warning(scheduler, caplog):
    GO_ON.set()
    Path(".volnux").write_text("not a folder")
    scheduler.advance(scheduler.clock.now)
    assert len(RAN) == 8
    assert len([each for each in caplog.messages if "are not kept" in each]) == 1


def test_a_scheduler_whose_runs_are_not_kept(scheduler, monkeypatch):
    GO_ON.set()
    monkeypatch.setenv("VOLNUX_STORE", "none")
    scheduler.advance(scheduler.clock.now)
    assert len(RAN) == 8
    assert not Path(".volnux").exists()

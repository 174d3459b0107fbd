"""Catching up on missed runs: in order, a limited number at a time, across restarts."""

import datetime as dt
import threading

import pytest
from apscheduler.job import Job
from apscheduler.triggers.interval import IntervalTrigger

from volnux import Pipeline, event
from volnux.scheduler import PipelineScheduler, RunState
from volnux.scheduler.jobs import BATCH, due
from volnux.scheduler.trigger import ScheduleTrigger
from volnux.schedules import Schedule

MADE = []
STOP_AT = []
STOPPED = threading.Event()
GO_ON = threading.Event()


@event
def Tick(self):
    MADE.append(self.run_id)
    if len(MADE) in STOP_AT:
        STOPPED.set()
        GO_ON.wait(20)
    return True, None


class Ticking(Pipeline):
    class Meta:
        pointy = "Tick"
        schedule = "* * * * *"
        start_date = "2000-01-01"
        catchup = True


@pytest.fixture(autouse=True)
def fresh():
    for each in (MADE, STOP_AT):
        each.clear()
    for each in (STOPPED, GO_ON):
        each.clear()


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def job(trigger, start, *, coalesce):
    made = Job.__new__(Job)
    made.trigger, made.coalesce, made.next_run_time = trigger, coalesce, start
    return made


def made_instants(scheduler, state=RunState.SUCCESS):
    return [r.scheduled for r in reversed(scheduler.runs()) if r.state is state]


NOW = at("2026-01-01T12:00:00.5")
MINUTES = ScheduleTrigger(Schedule(("* * * * *",)), every=True)
SECONDS = IntervalTrigger(seconds=1, timezone="UTC")


@pytest.mark.parametrize(
    ("trigger", "coalesce", "first", "count", "upcoming"),
    [
        (MINUTES, False, "2000-01-01T00:00", BATCH, "2000-01-01T01:40"),
        (SECONDS, False, "2000-01-01T00:00", BATCH, "2000-01-01T00:01:40"),
        # One run for all of them does not list them, nor does it walk through 26 years of seconds.
        (SECONDS, True, "2026-01-01T12:00", 1, "2026-01-01T12:00:01"),
        (
            IntervalTrigger(seconds=1, timezone="UTC", end_date=at("2025-01-01")),
            True,
            "2025-01-01T00:00",
            1,
            None,
        ),
    ],
)
def test_a_long_past_is_taken_on_in_parts(trigger, coalesce, first, count, upcoming):
    found, after = due(job(trigger, at("2000-01-01"), coalesce=coalesce), NOW)
    assert (found[0], len(found)) == (at(first), count)
    assert after == (upcoming and at(upcoming))


def test_what_is_due_meanwhile_comes_after_what_was_missed(make, clock):
    """250 minutes are due at once, and more while they run: each runs once, in order."""
    clock.now = at("2000-01-01T04:09:30")
    scheduler = make()
    scheduler.add_job(Ticking)
    scheduler.start()
    for _ in range(8):
        scheduler.look()
        clock.now += dt.timedelta(minutes=1)
    instants = made_instants(scheduler)
    assert len(instants) == 257
    assert instants == [at("2000-01-01") + n * dt.timedelta(minutes=1) for n in range(257)]
    started = [r.started for r in reversed(scheduler.runs())]
    assert started == sorted(started)


def test_a_job_that_catches_up_is_not_due_until_its_runs_have_ended(make, clock):
    clock.now = at("2000-01-01T04:09:30")
    STOP_AT.append(3)
    scheduler = make(workers=2)
    scheduler.add_job(Ticking)
    scheduler.start()
    scheduler._process_jobs()
    assert STOPPED.wait(20)
    for _ in range(3):
        clock.now += dt.timedelta(minutes=1)
        assert scheduler._process_jobs() == 30.0
    assert len(scheduler.runs()) == BATCH
    GO_ON.set()
    scheduler.shutdown()
    assert made_instants(scheduler, RunState.SKIPPED) == []


def test_catching_up_goes_on_after_a_restart_in_its_middle(make, clock):
    clock.now = at("2000-01-01T04:09:30")
    STOP_AT.append(30)
    first = make("jobs.db")
    first.add_job(Ticking)
    first.start()
    first._process_jobs()
    assert STOPPED.wait(20)
    # It is told to end, and what runs may finish: the other 70 stay in the ledger.
    ending = threading.Thread(target=first.shutdown)
    ending.start()
    while not first._pipelines._stopping.is_set():
        pass
    GO_ON.set()
    ending.join(20)
    assert len(made_instants(first)) == 30
    second = make("jobs.db")
    second.start()
    for _ in range(5):
        second.look()
    assert made_instants(second) == [
        at("2000-01-01") + n * dt.timedelta(minutes=1) for n in range(250)
    ]
    assert len(MADE) == len(set(MADE)) == 250


def test_the_real_scheduler_begins_with_a_long_past_at_once():
    STOP_AT.append(250)
    scheduler = PipelineScheduler()
    scheduler.add_job(Ticking)
    scheduler.start()
    assert STOPPED.wait(60)
    GO_ON.set()
    scheduler.shutdown()
    instants = made_instants(scheduler)
    assert instants == [
        at("2000-01-01") + n * dt.timedelta(minutes=1) for n in range(len(instants))
    ]

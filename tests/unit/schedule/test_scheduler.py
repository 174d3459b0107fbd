"""`PipelineScheduler` with a clock that the test controls: due jobs run once, at their instant."""

import datetime as dt
import logging
import threading

import pytest
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
)
from apscheduler.jobstores.base import ConflictingIdError
from apscheduler.triggers.cron import CronTrigger

from volnux import InputDataField, InputError, Pipeline, event
from volnux.graph.outcome import RunStatus
from volnux.graph.report import RunReport
from volnux.scheduler import PipelineScheduler, RunState, SchedulerError, StoreInUseError
from volnux.schedules import Schedule, ScheduleError

MADE = []
GO_ON = threading.Event()


@event
def Tick(name):
    MADE.append(name)
    return True, name


@event
def Fail():
    raise ValueError("no luck today")


@event
def Wait():
    return GO_ON.wait(20), None


class Ticking(Pipeline):
    name = InputDataField(data_type=str, default="tick")

    class Meta:
        pointy = "Tick"


class Failing(Pipeline):
    class Meta:
        pointy = "Fail"


class Waiting(Pipeline):
    class Meta:
        pointy = "Wait"


@pytest.fixture(autouse=True)
def fresh():
    MADE.clear()
    GO_ON.clear()
    yield
    GO_ON.set()


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def states(scheduler, job_id=None):
    return [(f"{r.scheduled:%d %H:%M}", r.state.value) for r in reversed(scheduler.runs(job_id))]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_years_of_schedules(make, clock):
    scheduler = make()
    start, end = at("2026-01-01T12:00"), at("2029-01-01T12:00")
    schedules = {
        "paris": Schedule(("30 2 * * 0",), "Europe/Paris"),
        "york": Schedule(("30 1 1-7 3,11 *", "0 9 L * *"), "America/New_York"),
        "leap": Schedule(("0 0 29 2 *",)),
        "fridays": Schedule(("15 23 * * 5#2",), "Australia/Lord_Howe"),
    }
    for name, schedule in schedules.items():
        trigger = list(schedule.expressions)
        scheduler.add_job(Ticking, trigger, timezone=schedule.timezone, id=name)
    made = {name: [] for name in schedules}
    scheduler.add_listener(
        lambda event: made[event.job_id].append(
            (event.scheduled_run_time.astimezone(dt.UTC), clock.now - event.scheduled_run_time)
        ),
        EVENT_JOB_EXECUTED,
    )
    scheduler.start()
    scheduler.advance(end)
    for name, schedule in schedules.items():
        expected = []
        for instant in schedule.instants(start):
            if instant > end:
                break
            expected.append(instant)
        assert made[name] == [(instant, dt.timedelta(0)) for instant in expected]
    assert len(MADE) > 240


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [("04 06:00", "success")]),
        ({"coalesce": False}, [(f"0{n} 06:00", "success") for n in (2, 3, 4)]),
        ({"misfire_grace_time": 3600}, [("04 06:00", "missed")]),
        ({"misfire_grace_time": 8 * 3600}, [("04 06:00", "success")]),
        (
            {"coalesce": False, "misfire_grace_time": 36 * 3600},
            [("02 06:00", "missed"), ("03 06:00", "success"), ("04 06:00", "success")],
        ),
    ],
)
@pytest.mark.parametrize("added_again", [True, False])
def test_runs_that_were_missed_while_no_scheduler_ran(make, clock, options, expected, added_again):
    def add(scheduler):
        scheduler.add_job(Ticking, "0 6 * * *", **options)

    first = make("jobs.db")
    add(first)
    first.start()
    first.shutdown()
    clock.now = at("2026-01-04T12:00")
    second = make("jobs.db")
    if added_again:
        add(second)
    second.start()
    second.advance(at("2026-01-04T13:00"))
    assert states(second) == expected
    assert second.get_job("Ticking").next_run_time == at("2026-01-05T06:00")


def test_a_long_pause_of_a_frequent_job_costs_one_run(make, clock):
    first = make("jobs.db")
    first.add_job(Ticking, "* * * * *")
    first.start()
    first.shutdown()
    clock.now = at("2030-01-01T00:00")
    second = make("jobs.db")
    second.start()
    second.advance(at("2030-01-01T00:01"))
    assert states(second) == [("01 00:00", "success"), ("01 00:01", "success")]


FILE = '@schedule: "0 6 * * *"\n@start-date: 2025-12-30\n@events: ticks\n'


@pytest.fixture
def file(own_folder):
    (own_folder / "ticks.py").write_text(
        "from volnux import event\n@event\ndef Tick():\n    return True, None\n"
    )

    def write(more=""):
        path = own_folder / "daily.pty"
        path.write_text(f"{FILE}{more}Tick\n")
        return path

    return write


def test_a_file_brings_its_own_schedule(make, file):
    scheduler = make()
    job = scheduler.add_job(file("@max-active-runs: 3\n@timezone: Asia/Tokyo\n"))
    scheduler.start()
    assert (job.id, job.max_instances, job.coalesce) == ("daily", 3, True)
    assert job.next_run_time == at("2026-01-01T21:00")
    scheduler.advance(at("2026-01-02T12:00"))
    assert states(scheduler) == [("01 21:00", "success")]


def test_catchup_begins_with_the_start_date_and_makes_every_run_once(make, clock, file):
    scheduler = make("jobs.db")
    scheduler.add_job(file("@catchup: true\n"))
    scheduler.start()
    scheduler.advance(at("2026-01-01T13:00"))
    expected = [(f"{n} 06:00", "success") for n in ("30", "31", "01")]
    assert states(scheduler) == expected
    scheduler.shutdown()
    again = make("jobs.db")
    again.add_job(file("@catchup: true\n"))
    again.start()
    clock.now = at("2026-01-02T13:00")
    again.advance(at("2026-01-02T14:00"))
    assert states(again) == [*expected, ("02 06:00", "success")]


def test_pause_resume_and_remove(make, clock):
    scheduler = make()
    scheduler.add_job(Ticking, "cron", hour=6)
    scheduler.start()
    scheduler.pause_job("Ticking")
    scheduler.advance(at("2026-01-03T12:00"))
    assert scheduler.get_jobs()[0].next_run_time is None
    scheduler.resume_job("Ticking")
    scheduler.advance(at("2026-01-04T12:00"))
    assert states(scheduler) == [("04 06:00", "success")]
    scheduler.remove_job("Ticking")
    assert scheduler.get_jobs() == []
    scheduler.add_job(Ticking, "cron", hour=6)


def test_listeners_hear_what_became_of_runs(make, clock):
    heard = []
    scheduler = make()
    scheduler.add_listener(heard.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED)
    scheduler.add_job(Ticking, "date", run_date=at("2026-01-01T13:00"), kwargs={"name": "x"})
    scheduler.add_job(Failing, "date", run_date=at("2026-01-01T14:00"))
    scheduler.start()
    scheduler.advance(at("2026-01-01T15:00"))
    done, failed = heard
    assert (done.code, done.job_id) == (EVENT_JOB_EXECUTED, "Ticking")
    assert done.retval.places["Tick"].result == "x"
    assert (failed.code, failed.job_id) == (EVENT_JOB_ERROR, "Failing")
    assert "no luck today" in str(failed.exception)
    (record,) = scheduler.runs("Failing")
    assert (record.state, record.run_id) == (
        RunState.FAILED,
        failed.exception.context.report.run_id,
    )
    assert "no luck today" in record.message


def test_what_is_due_while_a_job_runs_is_skipped(make, caplog):
    caplog.set_level(logging.ERROR)
    heard = []
    scheduler = make(workers=2)
    scheduler.add_listener(heard.append, EVENT_JOB_MAX_INSTANCES)
    scheduler.add_job(Waiting, "interval", hours=1, start_date=at("2026-01-01T13:00"))
    scheduler.start()
    for hour in ("13:00", "14:00", "15:00"):
        scheduler.clock.now = at(f"2026-01-01T{hour}")
        scheduler._process_jobs()
    GO_ON.set()
    scheduler.shutdown()
    assert states(scheduler) == [
        ("01 13:00", "success"),
        ("01 14:00", "skipped"),
        ("01 15:00", "skipped"),
    ]
    assert len(heard) == 2


def test_one_scheduler_a_store(make):
    first = make("jobs.db")
    first.start()
    second = make("jobs.db")
    second.add_job(Ticking, "@daily")
    with pytest.raises(StoreInUseError, match=r"jobs\.db \(process \d+ on .*use another store"):
        second.start()
    first.shutdown()
    second.start()
    assert [job.id for job in second.get_jobs()] == ["Ticking"]


@pytest.mark.parametrize(
    ("fields", "expression"),
    [
        ({"hour": 6}, "0 6 * * *"),
        ({"minute": "*/5"}, "*/5 * * * *"),
        ({"hour": 6, "minute": 30, "day_of_week": "mon-fri"}, "30 6 * * mon-fri"),
        ({"day": 1}, "0 0 1 * *"),
        ({"month": "jan"}, "0 0 1 jan *"),
        ({"day_of_week": "sun"}, "0 0 * * sun"),
        ({"crontab": "30 6 * * 1-5"}, "30 6 * * 1-5"),
        ({"crontab": "@weekly", "timezone": "Europe/Paris"}, "@weekly"),
    ],
)
def test_cron_as_apscheduler_writes_it(make, fields, expression):
    job = make().add_job(Ticking, "cron", **fields)
    assert job.trigger.schedule.expressions == (expression,)
    assert job.trigger.schedule.timezone == fields.get("timezone", "UTC")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"day_of_week": "0"}, "0 means Monday in APScheduler but Sunday in cron"),
        ({"day_of_week": "mon", "day": 1}, "both in APScheduler and either in cron"),
        ({"second": 5}, "no field 'second'"),
        ({"week": 5}, "no field 'week'"),
        ({}, "takes a crontab string"),
        ({"hour": 25}, "expected 0 to 23, found '25'"),
        ({"hour": 6, "jitter": 5}, "does not support jitter"),
        ({"hour": 6, "timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
    ],
)
def test_cron_that_would_mean_two_things_is_refused(make, fields, message):
    with pytest.raises((ScheduleError, SchedulerError), match=message):
        make().add_job(Ticking, "cron", **fields)


def test_triggers_of_apscheduler_work_as_they_are(make):
    scheduler = make()
    scheduler.add_job(Ticking, CronTrigger(second="*/20", timezone="UTC"), id="seconds")
    scheduler.add_job(Ticking, id="now")
    scheduler.start()
    scheduler.advance(at("2026-01-01T12:01"))
    assert [state for _, state in states(scheduler, "seconds")] == ["success"] * 4
    assert states(scheduler, "now") == [("01 12:00", "success")]


def test_start_and_end_dates(make):
    scheduler = make()
    scheduler.add_job(
        Ticking, "0 6 * * *", start_date="2026-01-03 07:00:00", end_date="2026-01-05 07:00:00"
    )
    scheduler.start()
    scheduler.advance(at("2026-02-01T00:00"))
    assert states(scheduler) == [("04 06:00", "success"), ("05 06:00", "success")]
    assert scheduler.get_jobs() == []


def test_what_cannot_be_a_job(make):
    scheduler = make()
    with pytest.raises(TypeError, match="a job runs a pipeline"):
        scheduler.add_job(print, "@daily")
    with pytest.raises(TypeError, match="by name"):
        scheduler.add_job(Ticking, "@daily", args=["x"])
    with pytest.raises(InputError, match="nam"):
        scheduler.add_job(Ticking, "@daily", kwargs={"nam": "x"})
    with pytest.raises(SchedulerError, match="at the top of a module"):

        class Inside(Pipeline):
            class Meta:
                pointy = "Tick"
                events = "ticks"

        scheduler.add_job(type("Other", (Ticking,), {"__module__": __name__}), "@daily")
    scheduler.add_job(Ticking, "@daily")
    scheduler.start()
    with pytest.raises(ConflictingIdError):
        scheduler.add_job(Ticking, "@daily")
    with pytest.raises(SchedulerError, match="cannot be used"):
        PipelineScheduler("mysql+nosuch://somewhere")


def test_an_instance_brings_its_inputs(make):
    scheduler = make()
    scheduler.add_job(Ticking(name="from the instance"))
    scheduler.start()
    scheduler.advance(at("2026-01-01T12:00"))
    assert MADE == ["from the instance"]


def test_another_schedule_of_a_known_job_counts_from_now(make, clock):
    first = make("jobs.db")
    first.add_job(Ticking, "0 6 * * *")
    first.start()
    first.shutdown()
    clock.now = at("2026-01-04T12:00")
    second = make("jobs.db")
    second.add_job(Ticking, "0 7 * * *")
    second.start()
    second.advance(at("2026-01-05T12:00"))
    assert states(second) == [("05 07:00", "success")]


def test_a_failed_run_leaves_its_report_and_says_once_what_failed(make, caplog):
    scheduler = make()
    scheduler.add_job(Failing, "date", run_date=at("2026-01-01T13:00"))
    scheduler.add_job(Ticking, "date", run_date=at("2026-01-01T14:00"))
    scheduler.start()
    scheduler.advance(at("2026-01-01T15:00"))
    ticked, failed = scheduler.runs()
    report = RunReport.from_json(scheduler.report(failed.run_id))
    assert (report.run_id, report.status) == (failed.run_id, RunStatus.FAILED)
    assert 'raise ValueError("no luck today")' in report.places["Fail"].failure.traceback
    assert scheduler.report(ticked.run_id[:12])["places"]["Tick"]["result"] == "tick"
    assert scheduler.report("nothing") is None
    said = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [record.name for record in said] == ["volnux.run", "volnux.scheduler"]
    assert all(failed.run_id in record.message for record in said)
    assert caplog.text.count('raise ValueError("no luck today")') == 1


def test_of_each_job_the_latest_reports_of_each_kind_are_kept(make, clock, monkeypatch):
    monkeypatch.setattr("volnux.scheduler.ledger.REPORTS_KEPT", 2)
    scheduler = make()
    scheduler.add_job(Failing, "0 * * * *", id="fails")
    scheduler.add_job(Ticking, "0 * * * *", id="works")
    scheduler.add_job(Ticking, "30 13 * * *", id="rare")
    scheduler.start()
    scheduler.advance(at("2026-01-01T18:15"))
    kept = {
        job_id: [
            f"{r.scheduled:%H:%M}" for r in scheduler.runs(job_id) if scheduler.report(r.run_id)
        ]
        for job_id in ("fails", "works", "rare")
    }
    assert kept == {
        "fails": ["18:00", "17:00"],
        "works": ["18:00", "17:00"],
        "rare": ["13:30"],
    }
    runs = scheduler.runs("works")
    assert len(runs) == 7
    # After a month nothing is left of them, in the ledger neither.
    for job_id in kept:
        scheduler.remove_job(job_id)
    clock.now += dt.timedelta(days=35)
    scheduler.look()
    assert scheduler.runs() == []
    assert not any(scheduler.report(run.run_id) for run in runs)


@event
def Much():
    return True, "x" * 2_000_000


class Large(Pipeline):
    class Meta:
        pointy = "Much -> Fail"


def test_a_large_report_is_kept_without_its_values(make):
    scheduler = make()
    scheduler.add_job(Large, "date", run_date=at("2026-01-01T13:00"))
    scheduler.start()
    scheduler.advance(at("2026-01-01T14:00"))
    (record,) = scheduler.runs()
    report = scheduler.report(record.run_id)
    assert "left out: the report has 2,0" in report["places"]["Much"]["result"]["repr"]
    assert "no luck today" in report["places"]["Fail"]["failure"]["traceback"]

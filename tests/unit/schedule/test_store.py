"""The store of a scheduler: who may read it, how it is written, and what happens when it fails."""

import contextlib
import datetime as dt
import json
import logging
import os
import sqlite3
import stat
import traceback
import zoneinfo
from pathlib import Path

import pytest
import sqlalchemy as sa
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from volnux import InputDataField, Pipeline, event
from volnux.scheduler import PipelineScheduler, SchedulerError, ScheduleTrigger, StoreInUseError
from volnux.scheduler import scheduler as scheduler_module
from volnux.scheduler.stored import read_job, read_work, write_job, write_work
from volnux.scheduler.targets import Target
from volnux.schedules import Schedule

PARIS = zoneinfo.ZoneInfo("Europe/Paris")


@event
def Tick():
    return True, None


class Ticking(Pipeline):
    anything = InputDataField(data_type=object, default=None)

    class Meta:
        pointy = "Tick"


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def states(scheduler, job_id=None):
    return [(f"{r.scheduled:%H:%M}", r.state.value) for r in reversed(scheduler.runs(job_id))]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Give up on a locked database at once, and try again soon."""
    monkeypatch.setattr("volnux.scheduler.store._BUSY_SECONDS", 0.05)
    monkeypatch.setattr("volnux.scheduler.executor._FIRST_WAIT", 0.01)


@contextlib.contextmanager
def locked(path):
    """Another program holds the database."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


# Things that are not a store.


def text(path):
    Path("jobs.db").write_text("not a database, but what somebody wrote " * 10)


def folder(path):
    Path("jobs.db").mkdir()


def hard_link(path):
    sqlite3.connect("other.db").close()
    os.link("other.db", "jobs.db")


def link_loop(path):
    Path(path).symlink_to(path)


@pytest.mark.parametrize(
    ("prepare", "store", "message"),
    [
        (link_loop, "jobs.db", "Too many levels of symbolic links"),
        (None, "me:PW-1234@host/db", "looks like a URL without"),
        (text, "jobs.db", "file is not a database; name another file"),
        (folder, "jobs.db", "is not a file"),
        (hard_link, "jobs.db", "has 2 names"),
        (None, "nowhere/jobs.db", "there is no folder"),
        (None, "sqlite:///file:jobs.db?uri=true", "give a path instead"),
        (None, "mysql+nosuch://me:PW-1234@host/db", "cannot be used"),
        (None, "postgresql+nosuch://me:PW-1234@host/db", "cannot be used"),
        (None, "postgresql+nosuch://me:PW-1234/5@host/db", "cannot be used"),
        (None, "postgresql://me@host:port/db?password=PW-1234", "cannot be used"),
        (None, "PW-1234://", "cannot be used"),
        (None, "jobs\0.db", "cannot be used"),
    ],
)
def test_what_is_no_store_is_said_in_one_sentence_and_left_alone(prepare, store, message):
    if prepare:
        prepare(store)
    before = {path.name: path.lstat().st_mode for path in Path().iterdir()}
    with pytest.raises(SchedulerError, match=message) as caught:
        PipelineScheduler(store).start()
    shown = "".join(traceback.format_exception(caught.value))
    assert store.startswith("PW") or "PW-1234" not in shown
    assert "\n" not in str(caught.value)
    assert {path.name: path.lstat().st_mode for path in Path().iterdir()} == before


@pytest.mark.parametrize(
    "spelled",
    [
        "jobs.db",
        "./jobs.db",
        "link.db",
        "linked/jobs.db",
        "linked/../here/jobs.db",
        "sqlite:///jobs.db",
        "sqlite:///link.db",
        "sqlite:///{here}/jobs.db",
        "sqlite+pysqlite:///{here}/linked/jobs.db",
        "sqlite:///jobs.db?check_same_thread=false",
        "hard.db",
    ],
)
def test_one_store_has_one_scheduler_however_it_is_spelled(own_folder, monkeypatch, spelled):
    here = own_folder / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("link.db").symlink_to("jobs.db")
    Path("linked").symlink_to(here)
    first = PipelineScheduler("jobs.db")
    first.start()
    try:
        if spelled == "hard.db":
            os.link("jobs.db", "hard.db")
        second = PipelineScheduler(spelled.format(here=here))
        error = SchedulerError if spelled == "hard.db" else StoreInUseError
        with pytest.raises(error, match=r"another scheduler is using|has 2 names"):
            second.start()
    finally:
        first.shutdown()
    assert [each._engine.pool.checkedin() for each in (first, second)] == [0, 0]


# Who may read it.


def modes():
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path().iterdir()}


def test_a_store_and_its_journals_are_private():
    before = os.umask(0)
    try:
        scheduler = PipelineScheduler("jobs.db")
        scheduler.add_job(Ticking, "@daily")
        scheduler.start()
        names = {"jobs.db", "jobs.db-wal", "jobs.db-shm", "jobs.db.lock"}
        assert modes() == dict.fromkeys(names, 0o600)
        scheduler.shutdown()
    finally:
        os.umask(before)


def test_a_store_that_others_could_read_is_closed_to_them():
    old = sqlite3.connect("jobs.db")
    old.execute("PRAGMA journal_mode=WAL")
    old.execute("CREATE TABLE something (x)")
    for path in Path().iterdir():
        path.chmod(0o644)
    Path("jobs.db.lock").touch(0o644)
    scheduler = PipelineScheduler("jobs.db")
    scheduler.start()
    assert set(modes().values()) == {0o600}
    scheduler.shutdown()
    old.close()


# How it is written.

JOB = {
    "version": 1,
    "id": "job",
    "func": "volnux.scheduler.executor:run_target",
    "executor": "default",
    "kwargs": {},
    "name": "A job, 工作",
    "misfire_grace_time": None,
    "coalesce": True,
    "max_instances": 2,
}
MOMENT = dt.datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1)
SCHEDULE = Schedule(("30 2 * * *", "@daily"), "Europe/Paris", dt.date(2026, 1, 1))
INPUTS = {"text": "a\n\u2028\x00", "more": [1, 2.5, None, True, {"deep": []}], "big": 2**70}


def interval(**more):
    return IntervalTrigger(seconds=1.5, timezone=PARIS, start_date=MOMENT, **more)


@pytest.mark.parametrize(
    ("trigger", "inputs", "moment", "plain"),
    [
        (ScheduleTrigger(SCHEDULE, every=True, begin=MOMENT), INPUTS, MOMENT, True),
        (ScheduleTrigger(Schedule(("@hourly",)), end=at("2027-01-01")), {}, None, True),
        (DateTrigger(MOMENT), {"x": 1}, at("2026-01-01T00:00:00.123457"), True),
        (interval(end_date=at("2030-01-01")), {}, MOMENT, True),
        # These JSON would give back as something else, or cannot carry.
        (interval(jitter=3), {}, MOMENT, False),
        (CronTrigger(second="*/5", timezone="UTC"), {}, MOMENT, False),
        (DateTrigger(MOMENT), {"x": (1, 2)}, MOMENT, False),
        (DateTrigger(MOMENT), {"x": [{"y": {1: 2}}]}, MOMENT, False),
        (DateTrigger(MOMENT), {"x": float("nan")}, MOMENT, False),
        (DateTrigger(MOMENT), {"x": "\ud800"}, MOMENT, False),
        (DateTrigger(MOMENT), {"x": dt.date(2026, 1, 1)}, MOMENT, False),
        (DateTrigger(MOMENT), {"x": {1}}, MOMENT, False),
    ],
)
def test_jobs_and_runs_are_json_where_that_is_exact(trigger, inputs, moment, plain):
    target = Target(module="shop", name="Daily", inputs=inputs)
    state = {**JOB, "trigger": trigger, "args": (target,), "next_run_time": moment}
    written = write_job(state)
    assert written.startswith(b"{") == plain
    found = read_job(written)
    assert found["trigger"].__getstate__() == trigger.__getstate__()
    # By `repr`, as NaN is not itself and times in other zones are equal.
    assert {k: repr(v) for k, v in found.items() if k != "trigger"} == {
        k: repr(v) for k, v in state.items() if k != "trigger"
    }
    work = write_work(target, 60)
    assert repr(read_work(work)) == repr((target, 60))
    if plain:
        assert work.startswith(b"{")


def test_a_store_of_an_earlier_version_is_read(make, clock):
    engine = sa.create_engine("sqlite:///jobs.db")
    job = make("scratch.db").add_job(Ticking, "0 6 * * *", id="old")
    job.next_run_time = at("2026-01-02T06:00")
    job._jobstore_alias = "default"
    job._modify(misfire_grace_time=None, coalesce=True, max_instances=1)
    store = SQLAlchemyJobStore(engine=engine)
    store.start(None, "default")
    store.add_job(job)
    engine.dispose()
    scheduler = make("jobs.db")
    scheduler.start()
    scheduler.advance(at("2026-01-02T07:00"))
    assert states(scheduler) == [("06:00", "success")]
    with contextlib.closing(sqlite3.connect("jobs.db")) as database:
        (state,) = database.execute("SELECT job_state FROM apscheduler_jobs")
    assert json.loads(state[0])["target"]["name"] == "Ticking"


def test_a_job_that_cannot_be_read_stays_and_the_others_run(make, caplog):
    first = make("jobs.db")
    first.add_job(Ticking, "0 13 * * *", id="good")
    first.add_job(Ticking, "0 13 * * *", id="bad")
    first.start()
    first.shutdown()
    with contextlib.closing(sqlite3.connect("jobs.db")) as database, database:
        change = "UPDATE apscheduler_jobs SET job_state = ? WHERE id = 'bad'"
        database.execute(change, (b'{"version": 1, "trigger": {"kind": "moon"}}',))
    second = make("jobs.db")
    second.start()
    second.advance(at("2026-01-01T14:00"))
    assert states(second) == [("13:00", "success")]
    assert [r.message for r in caplog.records if "bad" in r.message] == [
        "the job bad in the store cannot be read: KeyError: 'id'"
    ]
    with contextlib.closing(sqlite3.connect("jobs.db")) as database:
        found = database.execute("SELECT count(*) FROM apscheduler_jobs").fetchone()
    assert found == (2,)
    second.add_job(Ticking, "0 15 * * *", id="bad", replace_existing=True)
    second.advance(at("2026-01-01T16:00"))
    assert states(second, "bad") == [("15:00", "success")]


# When it fails.


def test_what_is_due_while_the_store_is_locked_runs_afterwards_once(make, clock, caplog):
    scheduler = make("jobs.db")
    scheduler.add_job(Ticking, "0 13 * * *")
    scheduler.start()
    clock.now = at("2026-01-01T13:00")
    with locked("jobs.db"):
        for _ in range(3):
            assert scheduler._process_jobs() == scheduler_module._RETRY
    for _ in range(3):
        scheduler.look()
    assert states(scheduler) == [("13:00", "success")]
    assert [record.message.rpartition("jobs.db ")[2] for record in caplog.records] == [
        "fails and will be retried: database is locked",
        "works again",
    ]


@event
def Lock():
    """Ends while another program holds the database, which releases it when that was noticed."""
    other = sqlite3.connect("jobs.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")

    class LetGo(logging.Handler):
        def emit(self, record):
            if "will be retried" in record.getMessage():
                logging.getLogger("volnux.scheduler").removeHandler(self)
                other.execute("ROLLBACK")
                other.close()

    logging.getLogger("volnux.scheduler").addHandler(LetGo())
    return True, None


class Locking(Pipeline):
    class Meta:
        pointy = "Lock"


def test_a_run_that_ends_while_the_store_is_locked_is_written_down_later(make):
    scheduler = make("jobs.db")
    scheduler.add_job(Locking, "0 13 * * *")
    scheduler.start()
    scheduler.advance(at("2026-01-01T14:00"))
    assert states(scheduler) == [("13:00", "success")]


def test_a_full_disk_is_waited_for(make, clock, caplog):
    scheduler = make("jobs.db")
    full = []

    @sa.event.listens_for(scheduler._engine, "checkout")
    def _(connection, *_):
        # SQLite's own way to have no more room.
        connection.execute(f"PRAGMA max_page_count = {1 if full else 1_000_000}")

    for number in range(20):
        scheduler.add_job(Ticking, "0 13 * * *", id=f"a job with a long name {number}" * 50)
    scheduler.start()
    clock.now = at("2026-01-01T13:00")
    full.append(True)
    assert scheduler._process_jobs() == scheduler_module._RETRY
    assert "database or disk is full" in caplog.text
    full.clear()
    for _ in range(3):
        scheduler.look()
    assert [state for _, state in states(scheduler)] == ["success"] * 20


def test_a_store_that_is_deleted_comes_back_with_all_that_was_in_it(make, clock, caplog):
    scheduler = make("jobs.db")
    scheduler.add_job(Ticking, "0 13,15 * * *")
    scheduler.start()
    scheduler.advance(at("2026-01-01T14:00"))
    for path in Path().glob("jobs.db*"):
        path.unlink()
    scheduler.advance(at("2026-01-01T16:00"))
    assert states(scheduler) == [("13:00", "success"), ("15:00", "success")]
    assert "was deleted and has been restored" in caplog.text
    assert set(modes().values()) == {0o600}
    with pytest.raises(StoreInUseError):
        make("jobs.db").start()
    scheduler.shutdown()
    again = make("jobs.db")
    assert states(again) == [("13:00", "success"), ("15:00", "success")]


def test_a_store_that_is_replaced_is_served_as_it_is(make, clock):
    other = make("other.db")
    other.add_job(Ticking, "0 15 * * *", id="other")
    other.start()
    other.shutdown()
    scheduler = make("jobs.db")
    scheduler.add_job(Ticking, "0 13,15 * * *", id="own")
    scheduler.start()
    Path("other.db").replace("jobs.db")
    scheduler.advance(at("2026-01-01T16:00"))
    assert states(scheduler) == [("15:00", "success")]
    assert [job.id for job in scheduler.get_jobs()] == ["other"]


class Broken(BaseTrigger):
    """Works only once, for its first instant."""

    def get_next_fire_time(self, previous, now):
        if previous is None:
            return at("2026-01-01T12:30")
        raise OverflowError("date value out of range")

    def __getstate__(self):
        return {}


def test_a_trigger_that_fails_keeps_no_other_job_from_running(make, caplog):
    scheduler = make()
    scheduler.add_job(Ticking, Broken(), id="broken", coalesce=False)
    scheduler.add_job(Ticking, "0 13 * * *", id="good")
    scheduler.start()
    scheduler.advance(at("2026-01-01T14:00"))
    assert states(scheduler) == [("13:00", "success")]
    assert scheduler.get_job("broken").next_run_time is None
    assert "the trigger of job broken failed, so the job is paused: OverflowError" in caplog.text

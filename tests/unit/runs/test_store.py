"""What a store keeps, finds and removes."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import decimal
import functools
import gc
import getpass
import logging
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import volnux
from volnux import event
from volnux.backends import RunOptions, get_backend
from volnux.calling import pipeline_of
from volnux.events.answers import Question
from volnux.events.outcome import Call
from volnux.loading import load_plan
from volnux.runs import KeptStatus, RunStoreError, Store, read_value
from volnux.runs.given import given_of
from volnux.runs.keeping import Keep, seconds_of

ME = [sys.modules[__name__]]


@dataclasses.dataclass
class Order:
    amount: decimal.Decimal


@event
def Fine(previous_result=None):
    return True, 1


@event
def Wrong():
    raise ValueError("no way")


@event(retry_policy={"backoff_factor": 0})
def Again(previous_result=None):
    raise ValueError("no way")


@event(retry_policy={"retry_on_failure": True, "backoff_factor": 0})
def No():
    return False, "no"


@event
def Ordered():
    return True, Order(decimal.Decimal("1.20"))


@event
def Opaque():
    return True, object()


@event
def Long():
    return True, ["x" * 1000] * 2000


@event
def Token(token):
    return True, [f"the token is {token}", {token: 1}]


@event
def Logs():
    logging.getLogger("app").warning("it is %s", "late")
    try:
        raise KeyError("inner")
    except KeyError:
        logging.getLogger("app").exception("oh\0\ud800")
    logging.getLogger("app").debug("too fine")
    return True, None


@event
async def LogsToo():
    await asyncio.sleep(0)
    logging.getLogger("app").error("from a coroutine")
    return True, None


class Nameless:
    def __str__(self):
        raise RuntimeError("no text")


@event
def LogsBadly():
    log = logging.getLogger("app\udcff")
    log.warning(Nameless())
    log.warning("%d", "x")
    logging.makeLogRecord({"name": "other", "msg": "of another process"})
    return True, None


@event
def Chatters():
    for number in range(1_200):
        logging.getLogger("app").error("line %d", number)
    return True, None


@event
def Floods():
    for _ in range(3):
        logging.getLogger("app").error("x" * 600_000)
    return True, None


@event(retry_policy={"backoff_factor": 0})
def Raises(token):
    logging.getLogger("app").error("the token is %s", token)
    raise ValueError("no way")


@pytest.fixture
def store():
    with Store("runs.db") as opened:
        yield opened


def run(text, store, **more):
    return volnux.run(text=text, events=ME, store=store, **more)


def place_of(store, name, run_id="last"):
    return next(p for p in store.places(store.run(run_id).id) if p.place == name)


# What is kept.


def test_results_keep_their_types(store):
    run("Ordered -> Fine", store)
    plan = pipeline_of(None, "Ordered", ME).plan()
    kept = place_of(store, "Ordered")
    assert read_value(kept.result, plan.visible) == Order(decimal.Decimal("1.20"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Opaque", "the result of Opaque is of type object: return a value of a type that"),
        ("Long", "the result of Long has more than 1 MB: set VOLNUX_VALUES to keep it"),
    ],
)
def test_a_result_that_cannot_be_kept_says_why(store, name, why):
    assert run(f"{name} -> Fine", store).status == "success"
    kept = place_of(store, name)
    assert (kept.result, kept.state, kept.descriptor) == (None, "done", 1)
    assert kept.unkept.startswith(why)
    assert place_of(store, "Fine").unkept is None


def test_the_attempts_of_a_place_that_was_repeated(store):
    run("Fine -> Again * 3 (0 -> No * 2 (0 -> Again * 150))", store)
    kept = {place.place: place for place in store.places(store.run("last").id)}
    assert kept["Fine"].tries == ()
    assert [each.failure for each in kept["Again"].tries] == ["ValueError: no way"] * 3
    assert [each.failure for each in kept["No"].tries] == ["it returned 'no'"] * 2
    times = [time for each in kept["Again"].tries for time in (each.started, each.ended)]
    assert times == sorted(times)
    assert kept["Again"].ended == times[-1]
    assert (kept["Again__2"].attempts, kept["Again__2"].tries) == (150, ())


def test_a_large_result_is_in_a_file_if_there_is_a_place_for_it(store, monkeypatch):
    monkeypatch.setenv("VOLNUX_VALUES", "large")
    run("Long", store, run_id="one")
    kept = place_of(store, "Long")
    assert len(kept.result) < 500
    assert read_value(kept.result) == ["x" * 1000] * 2000
    assert [path.name for path in Path("large").iterdir()] == ["one"]


def test_secrets_are_not_kept(store):
    text = "@secret: token\n@input: given: str\n@input: other: str\nToken -> Wrong"
    pipeline = pipeline_of(None, text, ME)
    plan = pipeline.plan()
    options = RunOptions(store=store, secrets={"token": "hunter22"})
    from volnux_standalone import StandaloneBackend

    inputs = plan.bind({"given": "so hunter22", "other": "y"})
    StandaloneBackend().run(plan, inputs, options)
    assert store.run("last").inputs == {"given": None, "other": '"y"'}
    assert place_of(store, "Token").result == '["the token is ***",{"***":1}]'
    store.close()
    assert b"hunter22" not in b"".join(path.read_bytes() for path in Path().glob("runs.db*"))


def test_inputs_and_texts_are_kept(store):
    Path("part.pty").write_text(f"@events: {__name__}\n@input: n: int = 1\nFine\n")
    Path("flow.pty").write_text(
        '@use: part = "part.pty"\n@input: day: date = "2026-01-31"\nFine -> part\n'
    )
    flow = Path("flow.pty").read_text()
    report = volnux.run("flow.pty", events=__name__, store=store)
    kept = store.run(report.run_id)
    assert (kept.file, kept.source) == (str(Path("flow.pty").resolve()), flow)
    assert list(kept.used.values()) == [Path("part.pty").read_text()]
    assert read_value(kept.inputs["day"]) == dt.date(2026, 1, 31)
    assert kept.versions["volnux"] == volnux.__version__
    assert kept.scheduled_at == report.scheduled_at


def test_an_error_of_the_run_itself_is_its_failure(store):
    report = run("!", store)
    kept = store.run("last")
    assert (kept.status, str(kept.failure)) == ("failed", str(report.failure))


def test_log_lines_belong_to_the_place_that_logged_them(store):
    run("Logs -> LogsToo -> Logs", store, run_id="one")
    lines = store.lines("one")
    places = ["Logs", "Logs", "LogsToo", "Logs__2", "Logs__2"]
    assert [line.place for line in lines] == places
    assert [line.level for line in lines[:3]] == ["WARNING", "ERROR", "ERROR"]
    first, second, third = lines[:3]
    assert (first.text, first.logger, first.attempt) == ("it is late", "app", 1)
    assert second.text.startswith("oh\\x00\\ud800\nTraceback")
    assert second.text.endswith("KeyError: 'inner'")
    assert third.text == "from a coroutine"
    assert store.lines("one", "Logs") == lines[:2]
    assert abs(first.at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_log_lines_come_from_worker_processes(store, monkeypatch):
    monkeypatch.setenv("VOLNUX_SECRET_TOKEN", "s3cr3t-text")
    flow = "@secret: token\nLogs{0} -> LogsToo{0} -> Chatters{0} -> Raises{0} * 2"
    run(flow.format(""), store, run_id="here")
    run(flow.format("[executor=process]"), store, run_id="there")
    here, there = (
        [dataclasses.replace(line, at=None) for line in store.lines(run_id)]
        for run_id in ("here", "there")
    )
    assert there == here
    assert [(line.attempt, line.text) for line in there[-2:]] == [
        (1, "the token is ***"),
        (2, "the token is ***"),
    ]


def test_log_lines_from_a_worker_process_have_a_limit(store):
    run("Floods[executor=process]", store, run_id="one")
    long, last = store.lines("one")
    assert long.text.endswith("(600,000 characters)")
    assert last.text == "further log lines are not kept"


def test_what_is_logged_badly_harms_nobody(store, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    assert run("LogsBadly", store, run_id="one").status == "success"
    lines = [(line.logger, line.text) for line in store.lines("one")]
    assert lines[0][0] == "app\\udcff"
    assert "Nameless object" in lines[0][1]
    assert lines[1:] == [("app\\udcff", "%d")]


def test_a_place_may_not_log_without_end(store):
    run("Chatters -> Logs", store, run_id="one")
    lines = [line.text for line in store.lines("one", "Chatters")]
    assert (len(lines), lines[999]) == (1_001, "line 999")
    assert lines[1_000] == "further log lines are not kept"
    assert len(store.lines("one", "Logs")) == 2


def test_lines_outside_of_a_kept_run_are_not_kept(store):
    run("Logs", store, run_id="one")
    run("Logs", None)
    logging.getLogger("app").error("of nobody")
    assert len(store.lines("one")) == 2


def test_only_the_first_answer_to_an_open_question_counts(store, monkeypatch):
    run("Fine", store, run_id="one")
    question = Question("one", "Fine", "Ship?", ("yes", "no"), time.time() + 60)
    assert not store.answer("one", "Fine", "yes")
    assert store.ask(question)
    assert not store.ask(dataclasses.replace(question, run_id="two"))
    assert store.answer_of("one", "Fine") is None
    # In a container, a user may have a number only.
    monkeypatch.setattr(getpass, "getuser", functools.partial({}.__getitem__, "nobody"))
    assert store.answer("one", "Fine", "yes")
    assert not store.answer("one", "Fine", "no", by="ada")
    with Store.open("runs.db") as other:
        assert other.answer_of("one", "Fine") == "yes"
    assert store.answer_of("two", "Fine") is None
    assert store.ask(question)  # again, in the next attempt
    assert store.answer_of("one", "Fine") is None


# Finding and removing.


def test_runs_are_found_by_the_beginning_of_their_id(store):
    for name in ("abc", "abc1", "abc2", "abc3", "b_d", "bxd"):
        run("Fine", store, run_id=name)
    assert store.run("abc1").id == "abc1"
    assert store.run("abc").id == "abc"  # the whole id
    assert store.run("b_").id == "b_d"
    assert store.run("last").id == "bxd"
    for wrong, said in {
        "ab": "several runs begin with 'ab', such as abc3 and abc2: give more of the id",
        "z": "there is no run 'z' in ",
        "": "there is no run in ",
        "%": "there is no run '%'",
        "\udcff": "there is no run",
    }.items():
        with pytest.raises(RunStoreError) as caught:
            store.run(wrong)
        assert said in str(caught.value)


def test_a_file_whose_name_is_not_utf_8(store):
    path = Path(os.fsdecode(b"a\xff.pty"))
    path.write_text("Fine")
    plan = load_plan(path, events=[__name__])
    get_backend("standalone").run(plan, {}, RunOptions(store=store))
    assert [each.pipeline for each in store.list(file=path)] == ["a\\udcff"]


def test_lists(store):
    for name in ("one", "two"):
        Path(f"{name}.pty").write_text(f"{'Fine' if name == 'one' else 'Wrong'}\n")
        volnux.run(f"{name}.pty", events=__name__, store=store, run_id=name)
    later = dt.datetime.now(dt.UTC)
    run("Wrong", store, run_id="three")

    def ids(**which):
        return [each.id for each in store.list(**which)]

    assert ids() == ["three", "two", "one"]
    assert ids(limit=1) == ["three"]
    assert ids(file="one.pty") == ["one"]
    assert ids(file=Path("two.pty").resolve()) == ["two"]
    assert ids(pipeline="two") == ["two"]
    assert ids(status=KeptStatus.FAILED) == ["three", "two"]
    assert ids(since=later) == ["three"]
    assert store.last(file="one.pty").id == "one"
    assert store.last(file="one.pty", unsuccessful=True) is None
    assert store.last(unsuccessful=True).id == "three"
    assert store.last(file="none.pty") is None


def test_a_store_that_is_not_referenced_is_closed():
    store = Store.open("runs.db")
    connection = store._connection
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_removed_runs_leave_nothing(store):
    for name in ("one", "two"):
        run("Logs -> Wrong", store, run_id=name)
        store.ask(Question(name, "Logs", "Ship?", ("yes", "no"), 0.0))
    assert store.remove(["one", "none"]) == 1
    assert [each.id for each in store.list()] == ["two"]
    assert store.places("one") == store.lines("one") == []
    assert store.run("two").source == "Logs -> Wrong"
    store.remove(["two"])
    with contextlib.closing(store.connect()) as connection:
        for table in ("runs", "places", "lines", "questions", "sources"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_old_runs_go(store):
    store.keep = Keep.of(["30d", 3])
    for number in range(6):
        run("Wrong" if number in (1, 4) else "Fine", store, run_id=str(number))
    assert len(store.list()) == 6
    month = 31 * 86_400
    with contextlib.closing(store.connect()) as connection:
        connection.execute(f"UPDATE runs SET started = started - {month} WHERE id < '5'")
        # Another pipeline, whose last run failed: it may be resumed.
        connection.execute("UPDATE runs SET pipeline = 'other' WHERE id IN ('1')")
    run("Fine", store, run_id="6")
    assert sorted(each.id for each in store.list()) == ["1", "4", "5", "6"]


@pytest.mark.parametrize(
    ("setting", "keep"),
    [
        ("30d", Keep(0, 30 * 86_400)),
        (7, Keep(7, 0)),
        (["2w", 10], Keep(10, 14 * 86_400)),
        ("all", Keep(None, None)),
    ],
)
def test_how_long_runs_are_kept(setting, keep):
    assert Keep.of(setting) == keep


@pytest.mark.parametrize("setting", ["forever", 0, -1, True, 1.5, {}, ["30d", "x"]])
def test_what_says_nothing_about_how_long(setting):
    with pytest.raises(RunStoreError, match="is none of: an age such as 30m, 12h, 30d or 2w, a"):
        Keep.of(setting)


def test_ages():
    assert [seconds_of(age) for age in ("30m", " 2h", "1d", "2w")] == [1800, 7200, 86400, 1209600]
    assert [seconds_of(age) for age in ("", "m", "1", "1y", "-1d", "123456d")] == [None] * 6


def test_a_store_of_an_earlier_version_is_migrated(monkeypatch, store):
    from volnux.runs import database

    run("Fine", store, run_id="one")
    store.close()
    monkeypatch.setattr(database, "VERSION", database.VERSION + 1)
    change = "ALTER TABLE runs ADD COLUMN colour TEXT; UPDATE runs SET colour = 'red'"
    monkeypatch.setattr(database, "_MIGRATIONS", {database.VERSION - 1: change})
    with Store.open("runs.db") as opened:
        assert opened.run("one").status == "success"
        connection = opened.connect()
        assert connection.execute("SELECT colour FROM runs").fetchone() == ("red",)
        assert connection.execute("PRAGMA user_version").fetchone() == (database.VERSION,)
        connection.close()


# What an event was given.


def spec_and_call(text="Fine", **call):
    plan = pipeline_of(None, text, ME).plan()
    return plan.spec("Fine"), Call("Fine", "run", **call)


def test_what_an_event_was_given():
    same = given_of(*spec_and_call(previous_result=[1, "x"], inputs={"a": 1}))
    assert len(same) == 64
    assert same == given_of(*spec_and_call(previous_result=[1, "x"], inputs={"a": 1}, attempt=3))
    others = [
        given_of(*spec_and_call(**call))
        for call in (
            {"previous_result": [1, "y"], "inputs": {"a": 1}},
            {"previous_result": (1, "x"), "inputs": {"a": 1}},
            {"previous_result": [1, "x"], "inputs": {"a": 2}},
            {"previous_result": [1, "x"], "inputs": {"a": 1}, "items": (("each", 1),)},
            {"previous_result": None},
            {},
        )
    ]
    assert others[-1] == others[-2]
    assert len({same, *others}) == 6
    assert given_of(*spec_and_call(previous_result=object())) is None


def test_the_digest_is_the_same_in_every_process():
    code = (
        "import tests.unit.runs.test_store as t\n"
        "names = {f'name{n}' for n in range(50)}\n"
        "print(t.given_of(*t.spec_and_call(previous_result={'all': names, 'each': (names,)})))"
    )
    root = Path(__file__).parents[3]
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
    assert b"None" not in told.pop()


def test_what_is_kept_is_what_given_of_says(store):
    Path("flow.pty").write_text("@input: n: int = 3\nFine |-> Fine -> Fine\n")
    volnux.run("flow.pty", events=__name__, store=store, run_id="one")
    plan = load_plan("flow.pty", events=[__name__])
    first, second, third = store.places("one")
    received = {"Fine": None, "Fine__2": 1, "Fine__3": None}
    for kept in (first, second, third):
        call = Call(kept.place, "another", {"n": 3}, received[kept.place])
        assert kept.given == given_of(plan.spec(kept.place), call)
    assert first.given == third.given != second.given


def test_what_is_committed_when_the_run_says_that_it_ended(store):
    class Watches(volnux.backends.RunObserver):
        def run_ended(self, report):
            with Store.open("runs.db", create=False) as other:
                seen.append((other.run(report.run_id).status, len(other.places(report.run_id))))

    seen = []
    run(" -> ".join(["Fine"] * 50), store, observer=Watches())
    assert seen == [("success", 50)]


def test_what_has_ended_is_soon_committed(store):
    class Watches(volnux.backends.RunObserver):
        def place_started(self, node, attempt):
            if node.id == "Fine__2":
                end = time.monotonic() + 20
                while time.monotonic() < end and not seen:
                    with Store.open("runs.db") as other:
                        seen.extend(p for p in other.places("one") if p.state == "done")

    seen = []
    run("Fine -> Fine", store, observer=Watches(), run_id="one")
    assert [place.place for place in seen] == ["Fine"]

"""Arguments, `!`, secrets, times and time limits on a real Airflow."""

import datetime as dt
import shutil
import urllib.error
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import MetaData, create_engine, select

from tests.integration.airflow.test_server import put

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECRET = "hush-4711-hush"

TELLING = """
import logging, structlog, sys
log = logging.getLogger(__name__)
@event
def Tells(token, region):
    print("printed", token)
    print("complained about", token, file=sys.stderr)
    log.warning("logged %s", token)
    structlog.get_logger("other").warning("said", what=[token])
    return True, {"token": token, "list": [f"Bearer {token}"], "region": region}
@event
def Raises(key):
    try:
        raise KeyError(key)
    except KeyError as error:
        raise ValueError(f"refused {key}") from error
@event
def Told(previous_result): return True, str(previous_result)
"""


def test_a_secret_is_nowhere(server):
    server.post("/variables", {"key": "region", "value": "eu"})
    server.post("/variables", {"key": "token", "value": SECRET})
    put(
        server,
        "@variable: region: str\n@secret: token\n"
        "{Tells || Tells [executor=process]} -> {Raises(key=token) * 2 (0 |-> Told)\n"
        "  || Raises(key=token) [executor=process]} (0 |-> Told -> !)",
        "hushed",
        events=TELLING,
    )
    run = server.trigger("hushed")
    assert server.ended("hushed", run) == "failed"
    hidden = {"token": "***", "list": ["Bearer ***"], "region": "eu"}
    for place in ("Tells", "Tells__2"):
        assert server.xcom("hushed", run, place) == hidden
        log = server.task_log("hushed", run, place)
        assert "printed ***" in log
        assert "complained about ***" in log
        assert "logged ***" in log
    tasks = server.tasks("hushed", run)
    assert server.fields("hushed", run, "Raises")["arguments"] == "key=token"
    assert "refused ***" in server.fields("hushed", run, "Raises")["outcome"]
    assert server.xcom("hushed", run, "Told") == "ValueError: refused ***"
    assert tasks["fail-1"]["state"] == "failed"
    said = "the flow fails here: hushed.pty:4, after ValueError: refused ***"
    assert said in server.task_log("hushed", run, "fail-1")
    for task, item in tasks.items():
        for number in range(1, item["try_number"] + 1):
            assert SECRET not in server.task_log("hushed", run, task, number)
    # All that Airflow keeps: its logs and XComs as files, and its database.
    shown = [
        (path.name, line)
        for path in server.home.rglob("*")
        if path.is_file() and not path.name.startswith("airflow.db")
        for line in path.read_bytes().splitlines()
        if SECRET.encode() in line
    ]
    assert shown == []
    rows = _rows_with(server.database, SECRET)
    assert [(table, row) for table, row in rows if table != "variable"] == []


def _rows_with(database, text):
    """The rows of a database that have a text, by table."""
    engine = create_engine(database)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)):
                shown = [bytes(each) if isinstance(each, memoryview) else each for each in row]
                if text in str(shown):
                    yield table.name, shown


def test_times_choices_and_arguments(server):
    put(
        server,
        '@timezone: Europe/Berlin\n@schedule: "0 6 1 1 *"\n@start-date: 2026-01-01\n'
        '@input: day: date = scheduled - 1d, "the day to load"\n'
        "@input: before: datetime = previous\n"
        '@input: mode: "full" | "delta" = "full"\n@input: many: int(1..9) = 3\n'
        "Show(many=many)",
        "timely",
        events="""
@event
def Show(self, day, before, mode, many):
    return True, [str(day), before.isoformat(), self.scheduled_at.isoformat(), mode, many]
""",
        # This one is loaded by the bundle or the importer, the others by the loader.
        folder=server.home / "more",
    )
    params = server.get("/dags/timely/details")["params"]
    assert params["day"]["description"] == "the day to load (left empty: scheduled - 1d)"
    assert params["mode"]["schema"]["enum"] == ["full", "delta"]
    # What the form sends for fields that are left empty, and for dates.
    told = server.trigger("timely", {"day": None}, at="2026-06-02T04:00:00Z")
    given = {"day": "2026-05-05", "before": "2026-05-04T00:00:00+02:00", "mode": "delta"}
    asked = server.trigger("timely", given)
    assert server.ended("timely", told) == "success"
    assert server.xcom("timely", told, "Show") == [
        "2026-06-01",
        "2026-01-01T06:00:00+01:00",
        "2026-06-02T06:00:00+02:00",
        "full",
        3,
    ]
    assert server.ended("timely", asked) == "success"
    shown = server.xcom("timely", asked, "Show")
    assert (shown[:2], shown[3:]) == (["2026-05-05", given["before"]], ["delta", 3])
    for wrong in ({"mode": "half"}, {"many": 10}, {"day": "2026-13-44"}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.trigger("timely", wrong)
        assert refused.value.code == 400


def test_a_run_that_takes_too_long(server):
    put(
        server,
        "@run-timeout: 15s\n{Quick -> {Slow (0 -> Late) || Again * 5}} (0 -> Late) -> Late",
        "too_long",
        events="""
import time
@event
def Quick(): return True, "quick"
@event
def Slow(): time.sleep(120)
@event(retry_policy={"backoff_factor": 60})
def Again(): raise ValueError("again")
@event
def Late(): return True, None
""",
    )
    run = server.trigger("too_long")
    assert server.ended("too_long", run) == "failed"
    states = server.states("too_long", run)
    assert {task: state for task, state in states.items() if "-" not in task} == {
        "Quick": "success",
        "Slow": "failed",
        "Again": "failed",
        "Late": "upstream_failed",
        "Late__2": "upstream_failed",
        "Late__3": "upstream_failed",
    }
    said = "the run took longer than 15 s, its @run-timeout"
    assert said in server.task_log("too_long", run, "Slow")
    assert server.xcom("too_long", run, "Slow", "volnux")["descriptor"] is None


def test_the_nightly_example_loads_the_same_day_however_it_is_started(server):
    example = Path(__file__).parents[3] / "examples/nightly"
    shutil.copy(example / "nightly_events.py", server.dags)
    server.post("/variables", {"key": "database", "value": str(server.home / "warehouse.db")})
    berlin = ZoneInfo("Europe/Berlin")
    begin = dt.datetime.now(berlin).date() - dt.timedelta(days=2)
    text = (example / "nightly.pty").read_text(encoding="utf-8")
    put(server, f"@start-date: {begin}\n@catchup: true\n{text}", "nightly")

    def loaded(run):
        assert server.ended("nightly", run) == "success"
        return server.xcom("nightly", run, "Count")["day"]

    def scheduled():
        runs = server.get("/dags/nightly/dagRuns?order_by=run_after")["dag_runs"]
        return [each for each in runs if each["run_type"] == "scheduled"]

    first, *_ = server.until("the schedule has fired", scheduled)
    instant = dt.datetime.fromisoformat(first["logical_date"]).astimezone(berlin)
    assert (instant.date(), instant.hour) == (begin, 5)
    day_before = str(begin - dt.timedelta(days=1))
    assert loaded(first["dag_run_id"]) == day_before
    # By hand, for the same time; another second, since a logical date is taken once.
    by_hand = (instant + dt.timedelta(seconds=1)).isoformat()
    assert loaded(server.trigger("nightly", at=by_hand)) == day_before
    run = server.trigger("nightly")
    asked = server.get(f"/dags/nightly/dagRuns/{run}")["run_after"]
    today = dt.datetime.fromisoformat(asked).astimezone(berlin).date()
    assert loaded(run) == str(today - dt.timedelta(days=1))

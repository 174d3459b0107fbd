"""Airflow with two Celery workers: pipelines, and what happens to them when something breaks."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from tests.conformance.test_server_on_airflow import report_of_run
from tests.docker.cases import TEN, furnish_cases, unlike_standalone
from tests.docker.pipelines import EXAMPLES, FAULTS, SMOKE, furnish, furnish_examples
from tests.docker.stacks import engine, running
from volnux.loading import load_plan
from volnux.testing import write_case

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def airflow(docker_engine):
    """The stack, with all DAGs in it."""

    def everything(folder: Path) -> None:
        furnish(folder)
        furnish_cases(folder)
        furnish_examples(folder)

    with running("airflow", everything) as stack:
        wanted = {*SMOKE, *FAULTS, "traced", *EXAMPLES, *(case.name for case in TEN)}
        stack.until("all DAGs are there", lambda: wanted <= stack.dag_ids())
        yield stack


@pytest.fixture(autouse=True)
def whole_again(airflow):
    """Start what the previous test has stopped."""
    airflow.whole_again()


@pytest.mark.smoke
def test_three_pipelines(airflow):
    runs = {name: airflow.trigger(name) for name in SMOKE}
    ended = {name: airflow.ended(name, run) for name, run in runs.items()}
    states = {name: airflow.states(name, run) for name, run in runs.items()}
    assert ended == dict.fromkeys(SMOKE, "success"), states
    assert airflow.xcom("sales", runs["sales"], "Report") == [3150, "Oslo"]
    assert airflow.tasks("fragile", runs["fragile"])["Fragile"]["try_number"] == 2
    assert airflow.xcom("fragile", runs["fragile"], "Report") == "survived"
    assert states["caught"] == {
        "Broken": "failed",
        "Fetch": "upstream_failed",
        "catch-1": "success",
        "Explain": "success",
        "Report": "skipped",
    }
    assert airflow.xcom("caught", runs["caught"], "Explain") == "ValueError"
    log = airflow.task_log("sales", runs["sales"], "Report")
    assert "reporting [3150, 'Oslo']" in log
    assert "Report finished with descriptor 1 after 1 attempt" in log


def test_the_examples(airflow):
    runs = {name: airflow.trigger(name) for name in EXAMPLES}
    ended = {name: airflow.ended(name, run) for name, run in runs.items()}
    states = {name: airflow.states(name, run) for name, run in runs.items()}
    assert ended == dict.fromkeys(EXAMPLES, "success"), states
    assert set(states["weather"].values()) == {"success"}
    # There is no store yet: that is what it shows.
    assert states["backup"]["make_archive"] == states["backup"]["notify"] == "success"
    assert airflow.xcom("weather", runs["weather"], "DrawChart").endswith("/data/weather.png")


def start_and_kill_worker(airflow, dag):
    """Begin a run, and kill the worker that runs its long event."""
    key = uuid.uuid4().hex
    run = airflow.trigger(dag, {"key": key, "seconds": 600})
    engine.docker("kill", airflow.host_of(key, "Long"))
    return key, run


@pytest.mark.fault
@pytest.mark.smoke
def test_a_lost_worker_with_attempts_left(airflow):
    key, run = start_and_kill_worker(airflow, "lost_twice")
    assert airflow.ended("lost_twice", run) == "success"
    assert airflow.tasks("lost_twice", run)["Long"]["try_number"] == 2
    assert airflow.count(key, "begin", "Before") == 1
    assert airflow.count(key, "begin", "Long") == 2
    assert airflow.count(key, "end", "Long") == 1
    assert airflow.count(key, "end", "After") == 1
    first, second = (
        m["host"] for m in airflow.marked(key) if m["what"] == "begin" and m["place"] == "Long"
    )
    assert first != second


@pytest.mark.fault
def test_a_lost_worker_without_a_policy(airflow):
    key, run = start_and_kill_worker(airflow, "lost_once")
    assert airflow.ended("lost_once", run) == "failed"
    assert airflow.states("lost_once", run) == {
        "Before": "success",
        "Long": "failed",
        "After": "upstream_failed",
    }
    assert airflow.count(key, "begin", "Long") == 1
    assert airflow.count(key, "begin", "After") == 0


def each_place_ran_once(stack, key, places):
    assert {p: stack.count(key, "begin", p) for p in places} == dict.fromkeys(places, 1)
    assert {p: stack.count(key, "end", p) for p in places} == dict.fromkeys(places, 1)


def test_ten_cases(airflow, tmp_path):
    wrong = {}
    runs = [(case, airflow.trigger(case.name, case.inputs)) for case in TEN]
    for case, run in runs:
        plan = load_plan(write_case(case, tmp_path / "plans" / case.name))
        report = report_of_run(airflow, plan, case.name, run, plan.bind(case.inputs))
        if found := unlike_standalone(case, report, tmp_path / case.name):
            wrong[case.name] = found
    assert wrong == {}


def test_traces(airflow):
    run = airflow.trigger("traced")
    assert airflow.ended("traced", run) == "success"
    spans = airflow.until("all spans", lambda: airflow.spans(5))
    assert sorted(span["name"] for span in spans) == ["First", "Second", "Second", "work", "work"]
    assert len({span["context"]["trace_id"] for span in spans}) == 1
    names = {span["context"]["span_id"]: span["name"] for span in spans}
    above = [names[span["parent_id"]] for span in spans if span["name"] == "work"]
    assert above == ["Second", "Second"]
    places = {s["attributes"].get("volnux.place") for s in spans} - {None}
    assert places == {"First", "Second", "Second__2"}


CHAIN = ("Nap", "Nap__2", "Nap__3", "Nap__4", "Nap__5")


@pytest.mark.fault
def test_the_scheduler_is_killed(airflow):
    key = uuid.uuid4().hex
    run = airflow.trigger("chain", {"key": key, "seconds": 5})
    airflow.host_of(key, "Nap")
    (scheduler,) = airflow.containers("scheduler")
    engine.docker("kill", scheduler)
    time.sleep(10)
    engine.docker("start", scheduler)
    assert airflow.ended("chain", run) == "success"
    each_place_ran_once(airflow, key, CHAIN)


@pytest.mark.fault
def test_postgres_is_restarted(airflow):
    key = uuid.uuid4().hex
    run = airflow.trigger("chain", {"key": key, "seconds": 5})
    airflow.host_of(key, "Nap__2")
    engine.docker("restart", *airflow.containers("postgres"))
    assert airflow.ended("chain", run) == "success"
    each_place_ran_once(airflow, key, CHAIN)


@pytest.mark.fault
def test_a_worker_is_cut_off_for_a_while(airflow):
    key = uuid.uuid4().hex
    run = airflow.trigger("chain", {"key": key, "seconds": 12})
    worker = airflow.host_of(key, "Nap__2")
    with airflow.cut_off(worker):
        time.sleep(20)
    assert airflow.ended("chain", run) == "success"
    each_place_ran_once(airflow, key, CHAIN)

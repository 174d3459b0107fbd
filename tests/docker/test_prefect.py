"""A Prefect server with two workers: pipelines, and what happens to them when something breaks."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import pytest

from tests.conformance.chosen import shown_on_prefect
from tests.docker.cases import TEN, furnish_cases, unlike_standalone
from tests.docker.pipelines import EXAMPLES, SMOKE, furnish, furnish_examples
from tests.docker.stacks import engine, running
from volnux.graph import RunReport

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def prefect(docker_engine):
    """The stack, with everything deployed."""

    def everything(folder: Path) -> None:
        furnish(folder)
        furnish_cases(folder, telling=True)
        furnish_examples(folder)

    with running("prefect", everything) as stack:
        yield stack


@pytest.fixture(autouse=True)
def whole_again(prefect):
    """Start what the previous test has stopped."""
    prefect.whole_again()


@pytest.mark.smoke
def test_three_pipelines(prefect):
    runs = {name: prefect.trigger(name) for name in SMOKE}
    ended = {name: prefect.ended(run) for name, run in runs.items()}
    assert ended == dict.fromkeys(SMOKE, "COMPLETED"), prefect.logs()
    done = ("COMPLETED", "Completed", 1)
    places = ("Fetch", "Mend", "Total", "Best", "Report")
    wanted = {**dict.fromkeys(places, done), "Check": ("COMPLETED", "Outcome 3", 1)}
    assert prefect.shown(runs["sales"], wanted) == wanted
    wanted = {
        "Broken": ("COMPLETED", "Handled", 2),
        "Explain": done,
        "Report": ("CANCELLED", "Skipped", 0),
    }
    assert prefect.shown(runs["caught"], wanted) == wanted
    prefect.until("its log", lambda: "reporting [3150, 'Oslo']" in prefect.log(runs["sales"]))


def test_the_examples(prefect):
    runs = {name: prefect.trigger(name) for name in EXAMPLES}
    ended = {name: prefect.ended(run) for name, run in runs.items()}
    assert ended == dict.fromkeys(EXAMPLES, "COMPLETED"), prefect.logs()


def start_and_kill_worker(prefect, name):
    """Begin a run, and kill the worker that runs its long event."""
    key = uuid.uuid4().hex
    run = prefect.trigger(name, {"key": key, "seconds": 600})
    engine.docker("kill", prefect.host_of(key, "Long"))
    return key, run


@pytest.mark.fault
@pytest.mark.smoke
def test_a_lost_worker(prefect):
    # The policy of an event works inside the flow run's process, which is gone with the worker.
    key, run = start_and_kill_worker(prefect, "lost_twice")
    assert prefect.ended(run) == "CRASHED"
    assert prefect.count(key, "begin", "Long") == 1
    assert prefect.count(key, "begin", "After") == 0


@pytest.mark.fault
def test_a_lost_worker_whose_run_may_begin_again(prefect):
    key, run = start_and_kill_worker(prefect, "lost_again")
    prefect.until("it ran again", lambda: prefect.count(key, "end", "After"), seconds=300)
    assert prefect.ended(run) == "COMPLETED"
    assert prefect.get(f"/flow_runs/{run}")["run_count"] == 2
    # It begins from its beginning, on the other worker.
    assert prefect.count(key, "begin", "Before") == 2
    assert prefect.count(key, "begin", "Long") == 2
    assert prefect.count(key, "end", "After") == 1


@pytest.mark.fault
def test_a_lost_worker_that_had_not_begun(prefect):
    key = uuid.uuid4().hex
    spare, *others = prefect.containers("worker")
    engine.docker("kill", *others)
    run = prefect.trigger("lost_again", {"key": key, "seconds": 3})
    prefect.until("the worker takes it", lambda: prefect.state(run)["type"] == "PENDING")
    engine.docker("kill", spare)
    assert prefect.count(key, "begin", "Before") == 0
    prefect.whole_again()
    prefect.until("it ran", lambda: prefect.count(key, "end", "After"), seconds=300)
    assert prefect.ended(run) == "COMPLETED"
    assert prefect.count(key, "begin", "Long") == 1


def test_ten_cases(prefect, tmp_path):
    wrong = {}
    runs = [(case, prefect.trigger(case.name, case.inputs)) for case in TEN]
    for case, run in runs:
        state = prefect.ended(run, seconds=400)
        path = prefect.marks / run
        prefect.until(f"the report of {case.name}", path.exists, seconds=30)
        report = RunReport.from_json(json.loads(path.read_text()))
        found = unlike_standalone(case, report, tmp_path / case.name)
        if state != {"success": "COMPLETED", "failed": "FAILED"}[case.expected.status]:
            found.append(f"the flow run is {state}")
        # What the page shows is the same once more.
        handled = [place for place, item in report.places.items() if item.handled]
        wanted = shown_on_prefect(case, handled)
        if (page := prefect.shown(run, wanted)) != wanted:
            found.append(f"the page shows {page}, expected {wanted}")
        if found:
            wrong[case.name] = found
    assert wrong == {}


def test_traces(prefect):
    run = prefect.trigger("traced")
    assert prefect.ended(run) == "COMPLETED"
    spans = prefect.until("all spans", lambda: prefect.spans(6))
    names = ["First", "RUN traced", "Second", "Second", "work", "work"]
    assert sorted(span["name"] for span in spans) == names
    assert len({span["context"]["trace_id"] for span in spans}) == 1
    by_id = {span["context"]["span_id"]: span["name"] for span in spans}
    above = [by_id[span["parent_id"]] for span in spans if span["name"] == "work"]
    assert above == ["Second", "Second"]
    places = {s["attributes"].get("volnux.place") for s in spans} - {None}
    assert places == {"First", "Second", "Second__2"}


CHAIN = ("Nap", "Nap__2", "Nap__3", "Nap__4", "Nap__5")


def each_place_ran_once(stack, key, places):
    assert {p: stack.count(key, "begin", p) for p in places} == dict.fromkeys(places, 1)
    assert {p: stack.count(key, "end", p) for p in places} == dict.fromkeys(places, 1)


@pytest.mark.fault
def test_the_server_is_killed(prefect):
    key = uuid.uuid4().hex
    run = prefect.trigger("chain", {"key": key, "seconds": 5})
    prefect.host_of(key, "Nap")
    (server,) = prefect.containers("server")
    engine.docker("kill", server)
    time.sleep(10)
    engine.docker("start", server)
    assert prefect.ended(run) == "COMPLETED"
    each_place_ran_once(prefect, key, CHAIN)


@pytest.mark.fault
def test_postgres_is_restarted(prefect):
    key = uuid.uuid4().hex
    run = prefect.trigger("chain", {"key": key, "seconds": 5})
    prefect.host_of(key, "Nap__2")
    engine.docker("restart", *prefect.containers("postgres"))
    assert prefect.ended(run) == "COMPLETED"
    each_place_ran_once(prefect, key, CHAIN)


@pytest.mark.fault
def test_a_worker_is_cut_off_for_a_while(prefect):
    key = uuid.uuid4().hex
    run = prefect.trigger("chain", {"key": key, "seconds": 8})
    worker = prefect.host_of(key, "Nap__2")
    with prefect.cut_off(worker):
        time.sleep(20)
    assert prefect.ended(run) == "COMPLETED"
    each_place_ran_once(prefect, key, CHAIN)

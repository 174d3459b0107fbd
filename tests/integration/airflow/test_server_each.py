"""`each` and `task` on a real Airflow: what the page shows, killed tasks, a cleared instance."""

import os

import pytest

from tests.conformance.test_server_on_airflow import report_of_run
from tests.integration.airflow.test_server import put
from volnux.graph import RunStatus, State
from volnux.loading import load_plan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EVENTS = """
import dataclasses, datetime, decimal, logging, os, pathlib, time, zoneinfo
HOME = pathlib.Path(os.environ["AIRFLOW_HOME"])
def ran(name):
    with (HOME / "ran.txt").open("a") as file:
        print(name, file=file)
@event
def List():
    ran("List")
    return True, [1, 2, 3]
@event
def Tenfold(url):
    logging.getLogger("shop").warning("fetching %s", url)
    return True, url * 10
@event
def Odd(url): return url % 2 == 0, url
@event
def Same(previous_result):
    ran("Same")
    return True, previous_result
@event
def Shown(previous_result): return True, previous_result.message
@event
def Dies(url):
    ran(f"Dies {url}")
    if url == 2 and not (HOME / "goes_on").exists():
        os.kill(os.getpid(), 9)
    return True, url
@event
def Late():
    ran("Late")
    raise ValueError
@event
def Last():
    ran("Last")
    return True, "last"
@dataclasses.dataclass(frozen=True)
class Order:
    number: int
    price: decimal.Decimal
    at: datetime.datetime
NOON = datetime.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
ORDERS = (Order(1, decimal.Decimal("1.20"), NOON), {1, 2}, (3, "x"), b"large " * 20_000)
@event
def Orders(): return True, ORDERS
@event
def Same_order(x): return True, x
@event
def There(previous_result): return True, previous_result
@event
def Compared(previous_result: list): return True, tuple(previous_result) == ORDERS
@event
def Sleeps():
    (HOME / "sleeping").write_text(str(os.getpid()))
    time.sleep(300)
"""


def report(server, dag, run):
    """The report of a run that has ended."""
    return report_of_run(server, load_plan(server.dags / f"{dag}.pty"), dag, run, {})


def test_what_the_page_shows(server):
    text = "List |-> {Tenfold |-> Same}[each=url, task=load] |-> Tenfold[each=url] |-> Same"
    put(server, text, "every_item", events=EVENTS)
    run = server.trigger("every_item")
    assert server.ended("every_item", run) == "success"
    tasks = server.tasks("every_item", run)
    names = {name: item["rendered_map_index"] for name, item in tasks.items() if "[" in name}
    assert names == {
        "load[0]": "load[0] 1",
        "load[1]": "load[1] 2",
        "load[2]": "load[2] 3",
        "Tenfold__2[0]": "Tenfold__2[0] 10",
        "Tenfold__2[1]": "Tenfold__2[1] 20",
        "Tenfold__2[2]": "Tenfold__2[2] 30",
    }
    assert server.xcom("every_item", run, "gather-2") == [100, 200, 300]
    assert "Tenfold[1]: fetching 2" in server.task_log("every_item", run, "load[1]")
    places = report(server, "every_item", run).places
    assert list(places) == [
        "List",
        *(f"{place}[{i}]" for place in ("Tenfold", "Same", "Tenfold__2") for i in range(3)),
        "Same__2",
    ]
    assert places["Same__2"].result == [100, 200, 300]


def test_values_keep_their_types(server, monkeypatch):
    monkeypatch.setenv("VOLNUX_VALUES", str(server.home / "values"))
    text = (
        "Orders |-> Same_order[each=x] |-> There [executor=process]\n"
        "  |-> {Same |-> Same}[each=y, task=load] |-> Compared"
    )
    put(server, text, "typed", events=EVENTS)
    run = server.trigger("typed")
    assert server.ended("typed", run) == "success"
    plan = load_plan(server.dags / "typed.pty")
    orders = plan.specs[0].function.__globals__["ORDERS"]
    found = report_of_run(server, plan, "typed", run, {}).places
    assert found["Orders"].result == orders
    assert found["Compared"].result is True
    assert found["There"].result == list(orders)
    for place in ("Same_order", "Same", "Same__2"):
        assert tuple(found[f"{place}[{i}]"].result for i in range(len(orders))) == orders
    assert found["Same[0]"].result.at.tzinfo == orders[0].at.tzinfo
    # What Airflow stores for a large item is a reference to a file.
    item = server.xcom("typed", run, "Same_order[3]")
    assert item["$volnux"] == "bytes"
    assert (server.home / "values" / item["value"]["file"]["path"]).stat().st_size == 120_000


def clear(server, dag_id, run, place, **which):
    """Clear tasks of a run that has ended, among them this place. Returns how it ends then."""
    before = server.tasks(dag_id, run)[place]["try_number"]
    data = {"dag_run_id": run, "reset_dag_runs": True, "dry_run": False, **which}
    address = f"/dags/{dag_id}/clearTaskInstances"
    server.until("it is cleared", lambda: server.post(address, data))
    server.until("it runs again", lambda: server.tasks(dag_id, run)[place]["try_number"] > before)
    return server.ended(dag_id, run)


def test_a_killed_instance_is_cleared_alone(server):
    (server.home / "goes_on").unlink(missing_ok=True)
    put(server, "List |-> Dies[each=url] |-> Same", "killed", events=EVENTS)
    run = server.trigger("killed")
    assert server.ended("killed", run) == "failed"
    assert server.states("killed", run) == {
        "List": "success",
        "each-1": "success",
        "Dies[0]": "success",
        "Dies[1]": "failed",
        "Dies[2]": "success",
        "gather-1": "failed",
        "Same": "upstream_failed",
    }
    found = report(server, "killed", run)
    assert found.places["Dies[1]"].failure.type == "volnux.WorkerLost"
    (server.home / "goes_on").touch()
    which = {"task_ids": [["Dies", 1]], "include_downstream": True, "only_failed": False}
    assert clear(server, "killed", run, "Dies[1]", **which) == "success"
    tasks = server.tasks("killed", run)
    names = ("List", "each-1", "Dies[0]", "Dies[1]", "Dies[2]")
    assert {name: tasks[name]["try_number"] for name in names} == {
        "List": 1,
        "each-1": 1,
        "Dies[0]": 1,
        "Dies[1]": 2,
        "Dies[2]": 1,
    }
    assert server.xcom("killed", run, "Same") == [1, 2, 3]


def test_clearing_what_failed_runs_only_what_was_not_done(server):
    """An item is killed, later place 9 of 10 fails, and its code is fixed."""
    (server.home / "goes_on").unlink(missing_ok=True)
    (server.home / "ran.txt").unlink(missing_ok=True)

    def ran():
        lines = (server.home / "ran.txt").read_text().splitlines()
        (server.home / "ran.txt").unlink()
        return sorted(lines)

    text = (
        "List |-> Dies[each=url] |-> Same -> Same || Same || Same || Same || Same -> Late -> Last"
    )
    put(server, text, "fixed", events=EVENTS)
    run = server.trigger("fixed")
    assert server.ended("fixed", run) == "failed"
    assert ran() == ["Dies 1", "Dies 2", "Dies 3", "List"]
    (server.home / "goes_on").touch()
    assert clear(server, "fixed", run, "Dies[1]", only_failed=True) == "failed"
    assert ran() == ["Dies 2", "Late", *["Same"] * 6]
    fixed = EVENTS.replace("raise ValueError", "return True, None")
    (server.dags / "fixed_events.py").write_text(f"from volnux import *\n{fixed}")
    assert clear(server, "fixed", run, "Late", only_failed=True) == "success"
    assert ran() == ["Last", "Late"]
    assert server.xcom("fixed", run, "Same") == [1, 2, 3]


def test_a_killed_part(server):
    text = "List |-> {Same -> Dies}[each=url] (0 |-> Shown)"
    (server.home / "goes_on").unlink(missing_ok=True)
    put(server, text, "killed_part", events=EVENTS)
    run = server.trigger("killed_part")
    assert server.ended("killed_part", run) == "success"
    found = report(server, "killed_part", run)
    assert found.status == RunStatus.SUCCESS
    assert found.places["Shown"].result == "the worker that ran body-1[1] died"
    assert found.places["Same[1]"].failure.type == "volnux.WorkerLost"
    assert found.places["Dies[1]"].state is State.FAILED
    assert found.places["Dies[2]"].state is State.DONE


def test_a_part_that_is_ended_leaves_no_process_behind(server):
    put(server, "{Sleeps[executor=process]}[task=tidy]", "ended", events=EVENTS)
    run = server.trigger("ended")
    marker = server.home / "sleeping"
    server.until("it sleeps", marker.exists, seconds=120)
    child = int(server.until("it has said who it is", marker.read_text))
    task = f"/dags/ended/dagRuns/{run}/taskInstances/tidy"
    server.until("it is marked", lambda: server.patch(task, {"new_state": "failed"}))

    def gone():
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        return False

    server.until("its process has ended", gone, seconds=60)
    assert server.ended("ended", run) == "failed"


def test_a_failed_instance_that_is_marked_as_a_success(server):
    put(server, "List |-> Odd[each=url] |-> Same", "marked_item", events=EVENTS)
    run = server.trigger("marked_item")
    assert server.ended("marked_item", run) == "failed"
    task = f"/dags/marked_item/dagRuns/{run}/taskInstances/Odd"
    # Airflow itself clears what failed after the instance, and so the run goes on each time.
    for number, ended in ((0, "failed"), (2, "success")):
        path = f"{task}/{number}"
        server.until("it is marked", lambda path=path: server.patch(path, {"new_state": "success"}))
        assert server.ended("marked_item", run) == ended
    assert server.xcom("marked_item", run, "Same") == [None, 2, None]

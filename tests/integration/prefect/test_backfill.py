"""`volnux backfill --backend prefect`: one flow run of the deployment for each past time."""

import contextlib
import contextvars
import datetime as dt
import threading
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import State, StateType
from prefect.flow_engine import run_flow
from prefect.states import Completed, Failed
from volnux_prefect import load_flow
from volnux_prefect.pastruns import past_runs

from volnux.backends.port import RunControl
from volnux.cli.start import start as volnux
from volnux.kit.backfill import Fill
from volnux.loading import load_plan
from volnux.runs.model import KeptStatus

SCHEDULE = '@schedule: "30 2 * * *"\n@timezone: Europe/Berlin\n@events: flow_events\n'

DAY = "@input: day: date = scheduled\n@input: limit: int = 1\n"

EVENTS = """
from volnux import EventBase

class Tell(EventBase):
    def process(self):
        with open("told", "a") as told:
            print(self.scheduled_at.isoformat(), self.inputs.get("day"), file=told)
        return True, None
"""


@pytest.fixture
def deploy(server, write):
    """Deploys a text, and returns the flow and the id of the deployment."""

    def deploy(text, name):
        write("flow_events.py", EVENTS)
        flow = load_flow(write(f"{name}.pty", text))
        return flow, flow.to_deployment(name=name, schedules=[]).apply()

    return deploy


@pytest.fixture
def working(monkeypatch):
    """Does with each flow run of a deployment what a worker would do, in a thread."""
    monkeypatch.setattr("volnux_prefect.pastruns._PERIOD", 0.3)

    @contextlib.contextmanager
    def working(deployment, run):
        ended = threading.Event()

        def work():
            with get_client(sync_client=True) as client:
                while not ended.wait(0.1):
                    for found in client.get_scheduled_flow_runs_for_deployments([deployment]):
                        run(client, client.read_flow_run(found.id))

        # With the settings and the client of the tests.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(work,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    return working


def flow_runs(deployment):
    only = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=only)


def backfill(capfd, file, first, last, *arguments):
    days = ["--from", first, "--to", last]
    code = volnux(["backfill", file, "--backend", "prefect", *days, *arguments])
    return code, capfd.readouterr()


def test_thirty_days_with_failures_that_are_begun_again(deploy, working, capfd):
    _, deployment = deploy(f"{SCHEDULE}{DAY}Tell\n", "daily")
    days = "2026-03-20", "2026-04-18"
    bad = {"2026-04-03", "2026-04-05", "2026-04-08"}

    def run(client, flow_run):
        day = flow_run.parameters["scheduled_at"][:10]
        state = Failed(message=f"no data of {day}") if day in bad else Completed()
        client.set_flow_run_state(flow_run.id, state, force=True)

    code, said = backfill(capfd, "daily.pty", *days, "--dry-run")
    assert (code, flow_runs(deployment)) == (0, [])
    assert said.out.startswith("daily: 30 times of the schedule, 30 to run\n")
    with working(deployment, run):
        more = "--max-active", "3", "--input", "limit=7", "--reverse"
        code, said = backfill(capfd, "daily.pty", *days, *more)
        assert code == 1, said.err
        assert said.out.endswith("\n27 success, 3 failed\n")
        assert "no data of 2026-04-03" in said.out
        named = {each.name: each.parameters for each in flow_runs(deployment)}
        assert len(named) == 30
        # In the night of the clock change, the time is later.
        assert named["backfill 2026-03-29T03:30:00+02:00"] == {
            "limit": 7,
            "scheduled_at": "2026-03-29T03:30:00+02:00",
        }
        bad.clear()
        code, said = backfill(capfd, "daily.pty", *days, "--again", "failed")
        assert (code, len(flow_runs(deployment))) == (0, 33)
        assert said.out.startswith("daily: 30 times of the schedule, 3 to run\n")
    code, said = backfill(capfd, "daily.pty", *days, "--again", "failed")
    assert said.out.endswith("30 times of the schedule, 0 to run\n\nnothing to run\n")


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        (f"{SCHEDULE}{DAY}Tell\n", "speaks", "2026-03-29T03:30:00+02:00 2026-03-29\n"),
        # Without a parameter for it, the flow run is scheduled for that time.
        (f"{SCHEDULE}Tell\n", "tells", "2026-03-29T03:30:00+02:00 None\n"),
    ],
    ids=["by its parameter", "by its schedule"],
)
def test_the_flow_run_has_the_time(deploy, working, capfd, text, name, told):
    flow, deployment = deploy(text, name)

    def run(_, flow_run):
        run_flow(flow, flow_run, return_type="state")

    with working(deployment, run):
        for more in ((), (), ("--again", "all")):
            code, said = backfill(capfd, f"{name}.pty", "2026-03-29", "2026-03-29", *more)
            assert code == 0, said.err
    assert Path("told").read_text() == told * 2
    assert len(flow_runs(deployment)) == 2


def test_a_flow_run_that_has_not_ended_or_was_cancelled_or_deleted(deploy, capfd):
    _, deployment = deploy(f"{SCHEDULE}{DAY}Tell\n", "held")
    days = "2026-03-29", "2026-03-29"

    def to_run(*arguments):
        out = backfill(capfd, "held.pty", *days, *arguments, "--dry-run")[1].out
        return "1 to run" in out

    with get_client(sync_client=True) as client:
        held = client.create_flow_run_from_deployment(
            deployment, parameters={"scheduled_at": "2026-03-29T03:30"}
        )
        assert not to_run("--again", "all")
        client.set_flow_run_state(held.id, State(type=StateType.CANCELLING))
        assert not to_run()
        assert to_run("--again", "failed")
        client.delete_flow_run(held.id)
        assert to_run()


def test_a_backfill_that_is_cancelled(deploy):
    _, deployment = deploy(f"{SCHEDULE}{DAY}Tell\n", "stopped")
    instant = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)
    control = RunControl()
    control.cancel()
    with past_runs(load_plan("stopped.pty"), Fill([instant])) as runs:
        assert runs.known([instant]) == {}
        filled = runs.run(instant, control)
        assert runs.known([instant]) == {instant: KeptStatus.CANCELLED}
    assert (filled.status, filled.why) == ("cancelled", "")
    assert filled.run_id == str(flow_runs(deployment)[0].id)


def test_without_a_deployment(server, write, capfd):
    write("shop/flow_events.py", EVENTS)
    write("shop/new.pty", f"{SCHEDULE}{DAY}Tell\n")
    code, said = backfill(capfd, "shop/new.pty", "2026-03-29", "2026-03-29")
    assert code == 2
    assert "has no deployment of new\n  hint: make it: volnux prefect deploy shop\n" in said.err

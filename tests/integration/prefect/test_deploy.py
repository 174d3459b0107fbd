"""From a folder of `.pty` files to runs on a server: init, deploy, worker, run, schedule."""

import os
import re
import time
import uuid

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

from tests.conformance.cases import CASES, EVENTS
from tests.integration.prefect.server import end, start, surroundings
from tests.integration.prefect.states import expected_task_runs, task_runs, wait_for_flow_run
from volnux.cli.start import start as volnux

ORDERS = """\
@name: orders
@description: "Ships the orders of a day."
@tags: shop, daily
@schedule: "* * * * *"
@timezone: Europe/Paris
@events: flow_events
@input: day: date = "2026-01-01"
@input: limit: int = 3

A |-> Check (3 -> Bad (0 -> B), 1 -> C) |-> Show
"""

MORE = (
    EVENTS
    + """

@event
def Check(limit, day):
    return (3 if limit > 5 else True), [limit, str(day)]


@event
def Show(previous_result, limit, day):
    import logging

    logging.getLogger(__name__).warning("showing %s", limit)
    return True, [previous_result, limit, day.isoformat()]
"""
)

USER = """\
# Ours, since 2025.
name: shop   # the shop

pull:
- prefect.deployments.steps.set_working_directory:
    directory: {here}

deployments:
# Somebody else's flow.
- name:   nightly
  entrypoint: other.py:nightly
  work_pool: {{name: default}}   # keep


# the end
"""


def init(capfd):
    code = volnux(["prefect", "init", "."])
    return code, capfd.readouterr()


def test_init_takes_the_files_that_every_command_takes(capfd, tmp_path):
    (tmp_path / "flow_events.py").write_text(MORE)
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "orders.pty").write_text(ORDERS)
    (tmp_path / "orders.pty").symlink_to("..data/orders.pty")
    (tmp_path / "circle").symlink_to(".")
    (tmp_path / "._orders.pty").write_bytes(b"\0")
    os.mkfifo(tmp_path / "pipe.pty")
    assert "pipe.pty: warning: skipped" in init(capfd)[1].err
    assert (tmp_path / "flows.py").read_text().endswith('\norders = load_flow("orders.pty")\n')
    (tmp_path / "gone.pty").symlink_to("nowhere")
    assert volnux(["prefect", "init", "."]) == 1
    assert "gone.pty: error: it cannot be read: it is a link to nothing" in capfd.readouterr().err


@pytest.fixture
def shop(write):
    """A folder with two pipelines."""
    write("orders.pty", ORDERS)
    write("case.pty", f"@events: flow_events\n{CASES[6].text}\n")
    return write("flow_events.py", MORE).parent


def test_init_writes_both_files(shop, capfd):
    code, said = init(capfd)
    assert code == 0
    assert "created prefect.yaml" in said.out
    project = yaml.safe_load((shop / "prefect.yaml").read_text())
    orders = next(d for d in project["deployments"] if d["name"] == "orders")
    assert orders["entrypoint"] == "flows.py:orders"
    assert orders["parameters"] == {"day": "2026-01-01", "limit": 3}
    assert orders["tags"] == ["shop", "daily"]
    assert orders["schedules"] == [
        {"slug": "orders-1", "cron": "* * * * *", "timezone": "Europe/Paris"}
    ]
    assert orders["work_pool"] == {"name": "default"}
    assert (
        (shop / "flows.py")
        .read_text()
        .endswith('case = load_flow("case.pty")\norders = load_flow("orders.pty")\n')
    )


def test_init_again_changes_nothing(shop, capfd):
    init(capfd)
    before = {p: p.read_bytes() for p in (shop / "flows.py", shop / "prefect.yaml")}
    code, said = init(capfd)
    assert code == 0
    assert "is as it should be" in said.out
    assert {p: p.read_bytes() for p in before} == before


def test_init_follows_the_pty_until_somebody_changes_the_deployment(shop, write, capfd):
    init(capfd)
    write("orders.pty", ORDERS.replace("limit: int = 3", "limit: int = 4"))
    init(capfd)
    text = (shop / "prefect.yaml").read_text()
    assert "limit: 4" in text
    edited = text.replace("limit: 4", "limit: 40  # more")
    (shop / "prefect.yaml").write_text(edited)
    write("orders.pty", ORDERS.replace("limit: int = 3", "limit: int = 5"))
    _, said = init(capfd)
    assert "kept parameters of the deployment orders as you wrote it" in said.out
    assert "-   limit: 40  # more" in said.out
    assert (shop / "prefect.yaml").read_text() == edited


def test_init_tells_of_a_flow_whose_file_is_gone(shop, capfd):
    _, said = init(capfd)
    assert "Deploy them:  volnux prefect deploy ." in said.out
    (shop / "case.pty").unlink()
    code, said = init(capfd)
    assert code == 0
    assert "flows.py loads case.pty, which is not there any more: take case out" in said.out


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_user_wrote_survives_byte_for_byte(shop, capfd, end):
    text = USER.format(here=shop).replace("\n", end)
    (shop / "prefect.yaml").write_bytes(text.encode())
    flows = f"import os{end}from volnux_prefect import load_flow{end}{end}mine = 3 # odd{end}"
    (shop / "flows.py").write_bytes(flows.encode())
    assert init(capfd)[0] == 0
    after = (shop / "prefect.yaml").read_bytes().decode()
    head, tail = text.split(f"# keep{end}")
    assert after.startswith(head + "# keep" + end)
    assert after.endswith(tail)
    names = [d["name"] for d in yaml.safe_load(after)["deployments"]]
    assert names == ["nightly", "case", "orders"]
    assert (shop / "flows.py").read_bytes().decode().startswith(flows)
    init(capfd)
    assert (shop / "prefect.yaml").read_bytes().decode() == after


def test_init_shows_the_errors_of_all_files_and_writes_nothing(shop, write, capfd):
    write("orders.pty", ORDERS.replace("A |->", "Aa =>"))
    write("case.pty", "@catchup: true\n@schedule: @daily\n@input: n: int\nA")
    write("case_events.py", MORE)
    code, said = init(capfd)
    assert code == 2
    assert "orders.pty:10:4: error" in said.err
    assert "case.pty:1:1: error: prefect has no catchup" in said.err
    assert "case.pty:3:1: error: the input 'n' is required" in said.err
    assert not (shop / "flows.py").exists()


@pytest.fixture
def worker(prefect, tmp_path):
    """A process worker of Prefect."""
    prefect("work-pool", "create", "default", "--type", "process", "--overwrite")
    process = start(
        *("worker", "start", "--pool", "default", "--type", "process"),
        output=tmp_path / "worker.log",
        cwd=tmp_path,
        env=surroundings(PREFECT_LOGGING_TO_API_ENABLED="true"),
    )
    yield
    end(process)


def flow_run_in(text: str) -> uuid.UUID:
    found = re.search(r"UUID: ([0-9a-f-]{36})", text)
    assert found, text
    return uuid.UUID(found[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_deployed_flows_run_by_hand_and_by_schedule(shop, prefect, worker, capfd):
    assert init(capfd)[0] == 0
    deployed = prefect("deploy", "--all", "--no-prompt")
    assert "orders/orders" in deployed.stdout

    # By hand, with parameters: a branch with a handled failure is taken, another is not.
    ordered = prefect("deployment", "run", "orders/orders", "-p", "limit=9", "-p", "day=2026-02-03")
    refused = prefect("deployment", "run", "orders/orders", "-p", "limit=many", check=False)
    assert refused.returncode == 1
    assert "'many' is not of type 'integer'" in " ".join(refused.stdout.split())
    case = prefect("deployment", "run", "case/case")

    flow_run = wait_for_flow_run(flow_run_in(ordered.stdout))
    assert flow_run.state.name == "Completed", flow_run.state
    assert flow_run.parameters == {"day": "2026-02-03", "limit": 9}
    assert {"shop", "daily"} <= set(flow_run.tags)
    expected = {
        "A": ("COMPLETED", "Completed"),
        "Check": ("COMPLETED", "Outcome 3"),
        "Bad": ("FAILED", "Failed"),
        "B": ("COMPLETED", "Completed"),
        "C": ("COMPLETED", "Skipped"),
        "Show": ("COMPLETED", "Completed"),
    }
    found = task_runs(flow_run.id, expected)
    assert {n: (t.state.type.value, t.state.name) for n, t in found.items()} == expected
    upstream = {str(each.id) for each in found["Show"].task_inputs["upstream"]}
    assert upstream == {str(found[name].id) for name in ("Bad", "B", "C")}

    flow_run = wait_for_flow_run(flow_run_in(case.stdout))
    assert flow_run.state.name == "Completed"
    expected = expected_task_runs(CASES[6].places)
    found = task_runs(flow_run.id, expected)
    assert {n: (t.state.type.value, t.state.name) for n, t in found.items()} == expected

    # By its schedule, each minute.
    scheduled = _scheduled_run()
    assert scheduled.auto_scheduled
    assert scheduled.state.name == "Completed"
    assert scheduled.parameters["limit"] == 3

    # What an event logs is in the log of its task run.
    log = prefect("flow-run", "logs", str(scheduled.id)).stdout
    assert "showing 3" in log


def _scheduled_run():
    # The server has many runs of other tests, and tells no more than 200 of them at once.
    deployed = DeploymentFilter(name=DeploymentFilterName(any_=["orders"]))
    ended = FlowRunFilter(
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.COMPLETED, StateType.FAILED])
        )
    )
    until = time.monotonic() + 300
    with get_client(sync_client=True) as client:
        while time.monotonic() < until:
            for each in client.read_flow_runs(flow_run_filter=ended, deployment_filter=deployed):
                if each.auto_scheduled:
                    return each
            time.sleep(1)
    raise AssertionError("no scheduled run ended")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_errors_of_a_file_are_told_by_deploy_and_by_the_worker(shop, write, prefect, worker, capfd):
    assert init(capfd)[0] == 0
    write("orders.pty", ORDERS.replace("@schedule", "# @schedule"))
    prefect("deploy", "--name", "orders", "--no-prompt")
    write("orders.pty", ORDERS.replace("0 -> B)", "0 -> Shwo)"))
    deployed = prefect("deploy", "--all", "--no-prompt", check=False)
    assert deployed.returncode == 1
    said = deployed.stdout + deployed.stderr
    assert "orders.pty:10:29: error: there is no event 'Shwo'" in said
    assert "did you mean 'Show'?" in said
    assert "Could not find object" not in said

    run = prefect("deployment", "run", "orders/orders")
    flow_run = wait_for_flow_run(flow_run_in(run.stdout))
    assert flow_run.state.is_crashed() or flow_run.state.is_failed()
    log = ""
    for _ in range(20):
        log = prefect("flow-run", "logs", str(flow_run.id)).stdout
        if "Shwo" in log:
            break
        time.sleep(1)
    assert "orders.pty:10:29: error: there is no event 'Shwo'" in log.replace("\n", "")

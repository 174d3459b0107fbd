"""From a folder of `.pty` files to runs on a server: init, deploy, worker, run, schedule."""

import datetime as dt
import json
import os
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from volnux_prefect.deployment.plan import Change, Kind, Plan, apply
from volnux_prefect.deployment.project import read_folder
from volnux_prefect.deployment.server import connected

from tests.conformance.cases import CASES, EVENTS
from tests.integration.prefect.hostile import HOSTILE, write_hostile
from tests.integration.prefect.server import end, start, surroundings
from tests.integration.prefect.states import expected_task_runs, task_runs, wait_for_flow_run
from volnux.backends.port import BackendError
from volnux.cli.start import start as volnux
from volnux.loading import FileError

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


@event
def Night(self, day, token):
    import logging

    logging.getLogger(__name__).warning("%s at %s: %s", day, self.scheduled_at.isoformat(), token)
    return True, token
"""
)

NIGHT = """\
@schedule: "* * * * *"
@timezone: Europe/Paris
@events: flow_events
@input: day: date = scheduled - 1d, "the day to load"
@input: mode: "full" | "delta" = "full"
@input: limit: int(1..100) = 10
@secret: night_token

Night(token=night_token)
"""

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
    assert (
        "gone.pty: error: it cannot be read: it is a broken symbolic link" in capfd.readouterr().err
    )


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
    assert "is up to date" in said.out
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
    assert "kept your parameters of the deployment orders" in said.out
    assert "-   limit: 40  # more" in said.out
    assert (shop / "prefect.yaml").read_text() == edited


def test_init_tells_of_a_flow_whose_file_is_gone(shop, capfd):
    _, said = init(capfd)
    assert "Deploy them:  volnux prefect deploy ." in said.out
    (shop / "case.pty").unlink()
    code, said = init(capfd)
    assert code == 0
    assert "flows.py loads case.pty, which no longer exists: remove case" in said.out


def test_of_files_with_one_name_none_is_taken(shop, write, capfd):
    write("archive/orders.pty", ORDERS)
    code, said = init(capfd)
    assert code == 1
    assert "archive/orders.pty: error: orders.pty is also named orders" in said.err
    assert "\norders.pty: error: archive/orders.pty is also named orders" in f"\n{said.err}"
    assert "orders" not in (shop / "flows.py").read_text() + (shop / "prefect.yaml").read_text()


@pytest.mark.parametrize("name", ["flows.py", "prefect.yaml"])
@pytest.mark.parametrize(
    ("content", "told"),
    [(b"a\n\xff", "line 2: the byte 0xFF is not UTF-8"), (None, "this is a directory")],
)
def test_what_cannot_be_read_is_told(shop, capfd, name, content, told):
    (shop / name).mkdir() if content is None else (shop / name).write_bytes(content)
    code, said = init(capfd)
    assert (code, f"{name}: error: {told}" in said.err) == (2, True), said.err


def test_a_file_that_was_edited_meanwhile_stays(shop):
    project = read_folder(shop, work_pool="default")
    (shop / "prefect.yaml").write_text("name: mine\n")
    with pytest.raises(FileError, match=r"prefect.yaml: error: it was changed after it was read"):
        list(project.write())
    assert (shop / "prefect.yaml").read_text() == "name: mine\n"
    assert not (shop / "flows.py").exists()


@pytest.mark.parametrize(
    ("edit", "goes"),
    [
        (("", ""), True),
        (("limit: 3", "limit: 30"), False),
        (("load_flow\n", "load_flow\n\n\ndef twice():\n    return orders\n"), False),
        (('load_flow("orders.pty")', 'load_flow("orders.pty")  # ours'), False),
    ],
)
def test_both_files_lose_a_file_that_is_gone_or_neither(shop, capfd, edit, goes):
    init(capfd)
    (shop / "orders.pty").unlink()
    for name in ("flows.py", "prefect.yaml"):
        (shop / name).write_text((shop / name).read_text().replace(*edit))
    project = read_folder(shop, work_pool="default", prune=True)
    left = ["orders" in text for text in (project.flows[1], project.yaml[1])]
    assert left == [not goes, not goes]
    assert any("no longer exists" in note for note in project.notes()) == (not goes)


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
    assert "case.pty:1:1: error: prefect does not support catchup" in said.err
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
def test_deployed_flows_run_by_hand_and_by_schedule(shop, write, prefect, worker, capfd):
    write("night.pty", NIGHT)
    Secret(value="hunter2/42").save("night-token", overwrite=True)
    assert init(capfd)[0] == 0
    deployed = prefect("deploy", "--all", "--no-prompt")
    assert "orders/orders" in deployed.stdout

    # By hand, with parameters: a branch with a handled failure is taken, another is not.
    ordered = prefect("deployment", "run", "orders/orders", "-p", "limit=9", "-p", "day=2026-02-03")
    refused = prefect("deployment", "run", "orders/orders", "-p", "limit=many", check=False)
    assert refused.returncode == 1
    assert "'many' is not of type 'integer'" in " ".join(refused.stdout.split())
    case = prefect("deployment", "run", "case/case")

    # As if it were a night in June.
    again = prefect("deployment", "run", "night/night", "-p", "scheduled_at=2026-06-01T06:00")
    for wrong, said in (("mode=other", "'other' is not one of"), ("limit=0", "0 is less than")):
        refused = prefect("deployment", "run", "night/night", "-p", wrong, check=False)
        assert said in " ".join(refused.stdout.split())

    flow_run = wait_for_flow_run(flow_run_in(ordered.stdout))
    assert flow_run.state.name == "Completed", flow_run.state
    assert flow_run.parameters == {"day": "2026-02-03", "limit": 9}
    assert {"shop", "daily"} <= set(flow_run.tags)
    expected = {
        "A": ("COMPLETED", "Completed"),
        "Check": ("COMPLETED", "Outcome 3"),
        "Bad": ("COMPLETED", "Handled"),
        "B": ("COMPLETED", "Completed"),
        "C": ("CANCELLED", "Skipped"),
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

    flow_run = wait_for_flow_run(flow_run_in(again.stdout))
    assert flow_run.state.name == "Completed", flow_run.state
    assert_logged(flow_run.id, "2026-05-31 at 2026-06-01T06:00:00+02:00: ***")

    # By its schedule, each minute.
    night = _scheduled_run("night")
    at = night.expected_start_time.astimezone(ZoneInfo("Europe/Paris"))
    day = at.date() - dt.timedelta(days=1)
    assert_logged(night.id, f"{day} at {at.isoformat()}: ***")

    scheduled = _scheduled_run("orders")
    assert scheduled.auto_scheduled
    assert scheduled.state.name == "Completed"
    assert scheduled.parameters["limit"] == 3

    # What an event logs is in the log of its task run.
    assert_logged(scheduled.id, "showing 3")


def assert_logged(flow_run_id, text):
    """A text is in the log of a flow run, at the latest some seconds after its end."""
    only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
    until = time.monotonic() + 60
    log = ""
    with get_client(sync_client=True) as client:
        while text not in log and time.monotonic() < until:
            log = "\n".join(each.message for each in client.read_logs(only, limit=200))
            time.sleep(0.2)
    assert text in log


def _scheduled_run(name):
    # The server has many runs of other tests, and tells no more than 200 of them at once.
    deployed = DeploymentFilter(name=DeploymentFilterName(any_=[name]))
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


def deploy(capfd, *options):
    """Call `volnux prefect deploy`. Returns the exit code, its JSON output, and standard error."""
    code = volnux(["prefect", "deploy", ".", "--json", *options])
    said = capfd.readouterr()
    return code, json.loads(said.out or "{}"), said.err


def changes(answer):
    return {each["deployment"]: each["change"] for each in answer["deployments"]}


def on_server(name):
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(name)


@pytest.mark.timeout(240)
def test_deploy_makes_the_server_what_the_folder_says(shop, write, pool, capfd):
    text = ORDERS.replace("@name: orders", "@name: planned")
    write("orders.pty", text)
    write("limits.pty", "@name: limits\n@events: flow_events\nA[concurrency=2]\n")
    (shop / "case.pty").unlink()
    code, plan, _ = deploy(capfd)
    assert (code, plan["applied"]) == (3, False)
    assert not (shop / "flows.py").exists()
    assert changes(plan)["planned/planned"] == "added"
    assert deploy(capfd, "--yes")[0] == 0
    made = on_server("planned/planned")
    assert made.parameters == {"day": "2026-01-01", "limit": 3}
    assert [(each.slug, each.schedule.timezone) for each in made.schedules] == [
        ("planned-1", "Europe/Paris")
    ]
    with get_client(sync_client=True) as client:
        assert client.read_concurrency_limit_by_tag("limits.A").concurrency_limit == 2
        # Somebody works on the page.
        client.update_deployment_schedule(made.id, made.schedules[0].id, active=False)
        client.create_deployment_schedules(made.id, [(CronSchedule(cron="0 1 * * *"), True)])
    code, plan, _ = deploy(capfd)
    assert (code, set(changes(plan).values())) == (0, {"unchanged"})

    # A changed file: the difference is shown, and what the page did stays.
    write("orders.pty", text.replace("limit: int = 3", "limit: int = 4"))
    code, plan, _ = deploy(capfd)
    (change,) = (each for each in plan["deployments"] if each["change"] == "changed")
    assert code == 3
    assert change["differences"]["parameters"] == {
        "before": {"day": "2026-01-01", "limit": 3},
        "after": {"day": "2026-01-01", "limit": 4},
    }
    assert deploy(capfd, "--yes")[0] == 0
    kept = {each.slug: each.active for each in on_server("planned/planned").schedules}
    assert kept == {"planned-1": False, None: True}

    # A removed schedule goes; a key that somebody added stays.
    project = shop / "prefect.yaml"
    entry = project.read_text()
    project.write_text(f"{entry.rstrip()}\n      job_variables: {{env: {{}}}}\n")
    write("orders.pty", re.sub("@schedule.*", "", text))
    assert deploy(capfd, "--yes")[0] == 0
    made = on_server("planned/planned")
    assert [each.slug for each in made.schedules] == [None]
    assert made.job_variables == {"env": {}}

    # A file that is gone: told, and deleted when that is asked for; a broken one is not gone.
    write("limits.pty", "A[")
    code, plan, _ = deploy(capfd, "--prune", "--yes")
    assert (code, "limits/limits" in changes(plan)) == (1, False)
    (shop / "limits.pty").unlink()
    code, plan, _ = deploy(capfd)
    assert (code, changes(plan)["limits/limits"]) == (0, "gone")
    on_server("limits/limits")
    assert deploy(capfd, "--prune", "--yes")[0] == 0
    with pytest.raises(ObjectNotFound):
        on_server("limits/limits")
    assert "limits" not in (shop / "flows.py").read_text() + project.read_text()


def test_deploy_says_what_it_cannot_do(shop, pool, capfd):
    code, answer, _ = deploy(capfd, "--work-pool", "nowhere", "--yes")
    assert code == 1
    assert answer["deployments"] == []
    assert {each["message"] for each in answer["diagnostics"]} == {
        "case: the server has no work pool 'nowhere'",
        "orders: the server has no work pool 'nowhere'",
    }
    text = (shop / "prefect.yaml").read_text().replace("nowhere", "default")
    (shop / "prefect.yaml").write_text(text)
    assert deploy(capfd, "--yes")[0] == 0
    (shop / "prefect.yaml").write_text(text + "\nbuild:\n- a: {}\n")
    answer = deploy(capfd, "--yes")[1]
    assert "orders: its entry has 'build', which needs Prefect's own command" in str(answer)
    # None of these is gone.
    mark = next(line for line in text.splitlines() if "volnux project" in line)
    for wrong in (
        "schedules: [soon]",
        "schedules: [{cron: x}]",
        "work_pool: a",
        "work_pool: {name: nowhere}",
        "name:",
    ):
        entry = {"name": "name: orders", "work_pool": "work_pool: {name: default}"}
        entry[wrong.partition(":")[0]] = wrong
        lines = "".join(f"  {line}\n" for line in entry.values())
        (shop / "prefect.yaml").write_text(
            f"{mark}\ndeployments:\n- entrypoint: flows.py:orders\n{lines}"
        )
        code, answer, _ = deploy(capfd, "--dry-run", "--prune")
        assert (code, "orders/orders" in changes(answer)) == (1, False), wrong
        assert answer["diagnostics"][0]["message"].startswith(("orders: ", "orders.pty: "))


ENTRY = """\
deployments:
- name: orders-{{ $SHOP }}
  entrypoint: flows.py:orders
  schedules:
  - {slug: often, interval: 3600, parameters: {limit: 7}}
  - {slug: seldom, cron: "0 6 13 * 5", day_or: false}
  work_pool:
    name: default
    job_variables: {env: {TOKEN: "{{ $TOKEN }}", RUN: "x-{{ ctx.flow_run.id }}"}}
"""


@pytest.mark.timeout(240)
def test_templates_and_schedules_of_an_entry(shop, pool, capfd, monkeypatch):
    (shop / "case.pty").unlink()
    (shop / "prefect.yaml").write_text(ENTRY)
    monkeypatch.setenv("SHOP", "north")
    monkeypatch.setenv("TOKEN", "s3cret")
    assert deploy(capfd, "--yes")[0] == 0
    made = on_server("orders/orders-north")
    assert made.job_variables == {"env": {"TOKEN": "s3cret", "RUN": "x-{{ ctx.flow_run.id }}"}}
    with get_client(sync_client=True) as client:
        by_hand = [(CronSchedule(cron="0 1 * * *"), True)]
        client.create_deployment_schedules(made.id, by_hand, max_scheduled_runs=5)
    code, answer, _ = deploy(capfd, "--prune")
    assert (code, changes(answer)) == (0, {"orders/orders-north": "unchanged"})

    # A value of a template differs, and is not shown.
    monkeypatch.setenv("TOKEN", "0ther")
    code, answer, _ = deploy(capfd, "--yes")
    hidden = "(filled in from a template)"
    assert answer["deployments"][0]["differences"] == {
        "job_variables": {"before": hidden, "after": hidden}
    }
    limits = {
        each.slug: each.max_scheduled_runs for each in on_server(f"orders/{made.name}").schedules
    }
    assert limits == {"often": None, "seldom": None, None: 5}

    # All of a schedule counts.
    text = (shop / "prefect.yaml").read_text()
    (shop / "prefect.yaml").write_text(
        text.replace("limit: 7", "limit: 8").replace(", day_or: false", "")
    )
    code, answer, _ = deploy(capfd)
    assert code == 3
    differences = answer["deployments"][0]["differences"]
    assert list(differences) == ["schedules"]
    after = differences["schedules"]["after"]
    assert any("parameters={'limit': 8}" in each for each in after)
    assert not any("day_or" in each for each in after)


def elsewhere(address, call):
    """Call something with another server, in a thread, which does not have the shared client."""

    def there():
        with temporary_settings({PREFECT_API_URL: address}):
            return call()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result()


def test_what_was_not_done_is_told_when_the_server_is_lost():
    changes = [Change(Kind.ADDED, name, "a.pty") for name in ("a/a", "b/b")]
    plan = Plan(tuple(changes), ())
    address = "http://127.0.0.1:9/api"
    first, second = elsewhere(address, lambda: list(apply(plan, prune=False)))
    assert f"does not answer at {address}" in first.error
    assert second.error == "not done: the server could not be used"


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(401)

    def log_message(self, *_):
        pass


def test_a_server_that_refuses_is_not_silent():
    def ask():
        with connected():
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as refusing:
        serving = threading.Thread(target=refusing.serve_forever)
        serving.start()
        address = f"http://127.0.0.1:{refusing.server_port}/api"
        try:
            with pytest.raises(BackendError, match=f"{address} answers with an error: 401"):
                elsewhere(address, ask)
        finally:
            refusing.shutdown()
            serving.join()


@pytest.mark.timeout(240)
def test_no_file_hides_another(shop, write, pool, capfd):
    write_hostile(shop)
    code, answer, _ = deploy(capfd, "--yes", "--load-timeout", "15")
    assert code == 1
    fine = {kind for kind, (_, _, said) in HOSTILE.items() if not said}
    assert set(changes(answer)) == {"case/case", "orders/orders", *(f"{k}/{k}" for k in fine)}
    on_server("case/case")
    for kind, (_, _, said) in HOSTILE.items():
        told = "\n".join(
            f"{each['file']}:{each['line']}:{each['column']}: error: {each['message']}"
            for each in answer["diagnostics"]
            if each["file"].endswith(f"{kind}.pty")
        )
        assert said in told, told
        assert bool(said) == bool(told)


LIVE = """
from prefect.blocks.system import Secret
from prefect.variables import Variable
from volnux import event

@event
def A():
    return True, [Secret.load("hidden"), Variable.get("gone"), Variable.get("x", default=1)]
"""


def test_check_asks_the_server(write, server, capfd):
    write("flow_events.py", LIVE)
    write("flow.pty", "A[concurrency=3]\n")
    assert volnux(["prefect", "init", ".", "--work-pool", "missing"]) == 0
    text = Path("prefect.yaml").read_text().replace("name: flow\n", "name: missing2\n")
    Path("prefect.yaml").write_text(
        f'{text.rstrip()}\n    description: "{{{{ prefect.variables.v }}}}"\n'
    )
    capfd.readouterr()
    assert volnux(["check", "--backend", "prefect", "--live", "."]) == 1
    said = capfd.readouterr().out
    for line in (
        "flow.pty:1:1: note: the server's limit for A is not 3 yet",
        "flow_events.py:8:19: warning: the server has no Secret block 'hidden'",
        "flow_events.py:8:42: warning: the server has no variable 'gone'",
        "prefect.yaml:11:7: error: the server has no work pool 'missing', which the deployment "
        "missing2 uses",
        "error: the server has no variable 'v'",
    ):
        assert line in said, said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_errors_of_a_file_are_told_by_deploy_and_by_the_worker(shop, write, prefect, worker, capfd):
    assert init(capfd)[0] == 0
    write("orders.pty", ORDERS.replace("@schedule", "# @schedule"))
    prefect("deploy", "--name", "orders", "--no-prompt")
    prefect("deploy", "--name", "case", "--no-prompt")
    write("orders.pty", ORDERS.replace("0 -> B)", "0 -> Shwo)"))
    deployed = prefect("deploy", "--all", "--no-prompt", check=False)
    assert deployed.returncode == 1
    said = deployed.stdout + deployed.stderr
    assert "orders.pty:10:29: error: there is no event 'Shwo'" in said
    assert "did you mean 'Show'?" in said
    assert "Could not find object" not in said

    # A run loads its own file alone, and its state says what is wrong with that.
    run = prefect("deployment", "run", "orders/orders")
    beside = prefect("deployment", "run", "case/case")
    flow_run = wait_for_flow_run(flow_run_in(run.stdout))
    assert flow_run.state.is_failed()
    assert "orders.pty:10:29: error: there is no event 'Shwo'" in flow_run.state.message
    assert wait_for_flow_run(flow_run_in(beside.stdout)).state.is_completed()


STEP = "@name: clean\n@events: step_events\n@input: limit: int = 3\nCheck(limit=limit, day=1) |-> B"
"""A pipeline that others use."""


@pytest.fixture
def steps(write, tmp_path):
    """A folder with a pipeline that uses another one."""
    write("uses.pty", '@events: flow_events\n@use: clean = "steps/clean.pty"\nA |-> clean |-> B')
    write("flow_events.py", MORE)
    write("steps/clean.pty", STEP)
    write("steps/step_events.py", MORE)
    return tmp_path


@pytest.mark.timeout(240)
def test_a_changed_used_file_is_a_change_of_its_users(steps, write, pool, capfd):
    assert deploy(capfd, "--yes")[0] == 0
    before = on_server("uses/uses").version
    code, plan, _ = deploy(capfd)
    found = {name: change for name, change in changes(plan).items() if name in USERS}
    assert (code, found) == (0, dict.fromkeys(USERS, "unchanged"))
    write("steps/clean.pty", STEP.replace("int = 3", "int = 4"))
    code, plan, _ = deploy(capfd, "--yes")
    assert (code, {name: changes(plan)[name] for name in USERS}) == (
        0,
        dict.fromkeys(USERS, "changed"),
    )
    assert on_server("uses/uses").version != before

    # An error is shown where it is, and the deployments of the users stay.
    write("steps/clean.pty", STEP.replace("|-> B", "|-> Bb"))
    code, plan, _ = deploy(capfd, "--prune", "--yes")
    assert code == 1
    assert not USERS & changes(plan).keys()
    assert [(each["file"], each["message"]) for each in plan["diagnostics"]] == [
        ("steps/clean.pty", "there is no event 'Bb'"),
        ("uses.pty", "it cannot be deployed because of an error at steps/clean.pty:4:31"),
    ]
    assert on_server("uses/uses").name == "uses"


USERS = {"uses/uses", "clean/clean"}


def test_a_used_file_is_in_the_folder_that_is_deployed(steps, write, capfd, monkeypatch):
    shop = steps / "shop"
    shop.mkdir()
    write("shop/flow_events.py", MORE)
    write("shop/own.pty", '@events: flow_events\n@use: clean = "link.pty"\nclean')
    (shop / "link.pty").symlink_to("../steps/clean.pty")
    write("shop/step_events.py", MORE)
    write("shop/out.pty", '@events: flow_events\n@use: clean = "../steps/clean.pty"\nA -> clean')
    for folder, here in ((".", shop), ("shop", steps)):
        monkeypatch.chdir(here)
        assert volnux(["prefect", "init", folder]) == 1
        said = capfd.readouterr().err
        where = "out.pty" if folder == "." else "shop/out.pty"
        assert f"{where}:2:15: error: '" in said
        assert "clean.pty' is outside of the folder that is deployed" in said
        assert said.count("error: ") == 1
        assert 'own = load_flow("own.pty")' in (shop / "flows.py").read_text()
        assert "out.pty" not in (shop / "flows.py").read_text()

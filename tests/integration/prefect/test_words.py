"""Arguments, `!`, variables, secrets, times of a run and run timeouts on a real server."""

import base64
import contextlib
import datetime as dt
import json
import os
import sqlite3
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.exceptions import ParameterTypeError
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Scheduled
from prefect.variables import Variable
from volnux_prefect import load_flow

from tests.integration.prefect.states import (
    flow_run_of,
    task_runs,
    wait_for_flow_run,
    wait_for_states,
)
from volnux.backends import RunOptions, get_backend
from volnux.errors import Severity
from volnux.loading import load_plan

EVENTS = """
import asyncio
import datetime as dt
import logging
import time
from pathlib import Path

from volnux import EventBase, event

log = logging.getLogger(__name__)


@event
def Say(self, what: str, on: dt.date | None = None, more: list | None = None):
    return True, [what, on, more, self.arguments]


@event
def When(self):
    return True, [self.scheduled_at.isoformat(), dict(self.inputs)]


@event
def Uses(token, region):
    return True, [len(token), region]


def told(token):
    print(f"the token is {token}")
    log.warning("the token is %s", token)
    log.error("the token was %s", token, exc_info=ValueError(token))


@event
def Tells(token):
    told(token)
    return True, {"token": token, "deep": [f"<{token}>"]}


@event(executor="process")
def TellsElsewhere(token):
    told(token)
    return True, token


@event
async def Raises(token):
    told(token)
    raise ValueError(f"not with {token}")


@event
def Boom():
    raise OSError("disk is full")


@event
def Ok(previous_result=None):
    return True, previous_result


@event
def Quick():
    return True, "quick"


@event
async def Waits():
    try:
        await asyncio.Event().wait()
    finally:
        Path("cleaned.txt").touch()


def sleeps():
    while not Path("over.txt").exists():
        time.sleep(0.02)
    return True, None


@event
def Sleeps():
    return sleeps()


@event(executor="process")
def SleepsElsewhere():
    return sleeps()


@event(retry_policy={"max_attempts": 3, "backoff_factor": 3600.0, "max_backoff": 3600.0})
def Again():
    raise OSError("not yet")
"""


def state_of(report):
    return wait_for_flow_run(flow_run_of(report)).state


# Arguments.


def test_arguments_are_parameters_of_the_task_run_as_the_text_writes_them(run):
    Variable.set("region", "eu", overwrite=True)
    text = """
        @input: day: date = "2026-01-02"
        @variable: region: str
        Say(what="orders", on=day, more=[1, region, {"a": null}]) -> Say(what="rest")
        """
    report = run(text, EVENTS)
    day = dt.date(2026, 1, 2)
    more = [1, "eu", {"a": None}]
    given = {"what": "orders", "on": day, "more": more}
    assert report.places["Say"].result == ["orders", day, more, given]
    found = task_runs(flow_run_of(report), ["Say", "Say__2"])
    shown = {
        name: [each.model_dump() for each in entries]
        for name, entries in found["Say"].task_inputs.items()
    }
    assert shown == {
        "upstream": [],
        "what": [{"input_type": "constant", "type": '"orders"'}],
        "on": [{"input_type": "parameter", "name": "day"}],
        "more": [{"input_type": "constant", "type": '[1, region, {"a": null}]'}],
    }
    (before,) = found["Say__2"].task_inputs["upstream"]
    assert before.id == found["Say"].id


# `!`.


@pytest.mark.parametrize(
    ("text", "expected", "message"),
    [
        (
            "{Boom -> Ok} (0 |-> Ok -> !)",
            {"Boom": ("COMPLETED", "Handled"), "Ok__2": ("COMPLETED", "Completed")},
            "the flow fails here: flow.pty:1, after Boom failed: OSError: disk is full",
        ),
        ("Ok -> !", {"Ok": ("COMPLETED", "Completed")}, "the flow fails here: flow.pty:1"),
        (
            "{!} (0 |-> Ok, 1 -> Quick)",
            {"Ok": ("COMPLETED", "Completed"), "Quick": ("CANCELLED", "Skipped")},
            "1 done, 1 skipped",
        ),
        (
            "{Ok || !} [evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Ok",
            {"Ok": ("COMPLETED", "Completed"), "Ok__2": ("COMPLETED", "Completed")},
            "2 done",
        ),
    ],
)
def test_the_states_say_where_the_flow_fails(run, text, expected, message):
    report = run(text, EVENTS)
    assert wait_for_states(flow_run_of(report), expected) == expected
    assert state_of(report).message == message
    assert state_of(report).is_failed() is (report.status == "failed")


# Variables and secrets.

VALUE = "hunter2-Zürich/42"
USES = "@variable: Region: str\n@secret: Shop_Token\nUses(token=Shop_Token, region=Region)"


@pytest.fixture
def shop_token(server):
    """A secret on the server."""
    Secret(value=VALUE).save("shop-token", overwrite=True)
    return VALUE


def test_variables_and_secrets_come_from_the_server_or_the_call(run, shop_token):
    Variable.set("region", "eu", overwrite=True)
    assert run(USES, EVENTS).places["Uses"].result == [len(VALUE), "eu"]
    options = RunOptions(variables={"Region": "us"})
    assert run(USES, EVENTS, options=options).places["Uses"].result == [len(VALUE), "us"]


@pytest.mark.parametrize(
    ("directives", "said"),
    [
        (
            "@variable: missing_one: str\n@secret: shop_token\n",
            "the variable 'missing_one' is not set: prefect's server at {server} has no "
            "variable 'missing_one'",
        ),
        (
            '@variable: missing_one: str = "eu"\n@secret: Missing_Token\n',
            "the secret 'Missing_Token' is not set: prefect's server at {server} has no Secret "
            "block 'missing-token'",
        ),
    ],
)
def test_what_the_server_lacks_is_a_failure_that_says_so(
    run, shop_token, server, write, directives, said
):
    secret = directives.split()[-1]
    text = f"{directives}Uses(token={secret}, region=missing_one) * 3"
    place = run(text, EVENTS).places["Uses"]
    assert place.attempts == 1
    assert place.failure.message.replace("/api/", "/api") == said.format(server=server)
    write("flow.pty", text)
    found = get_backend("prefect").check_live(load_plan("flow.pty"))
    (lacking,) = (each for each in found if each.severity is Severity.ERROR)
    assert lacking.message == "the server" + said.partition("{server}")[2]
    assert lacking.text in directives


def test_names_that_prefect_would_take_for_one_are_refused(write):
    write("flow_events.py", EVENTS)
    text = "@secret: a_b\n@secret: A_b\n@variable: x: str\n@variable: X: str\nOk"
    found = get_backend("prefect").check(load_plan(write("flow.pty", text)))
    assert [(each.span.line, each.message) for each in found] == [
        (2, "'a_b' and 'A_b' are both the Secret block 'a-b' of prefect"),
        (4, "'x' and 'X' are both the variable 'x' of prefect"),
    ]


@pytest.mark.parametrize("places", ["Tells -> TellsElsewhere -> Raises (0 |-> Tells)", "Raises"])
def test_a_secret_is_nowhere(server, write, shop_token, caplog, monkeypatch, places):
    # The tests are set to WARNING, as are the workers that they start.
    caplog.set_level("INFO", "prefect.task_runs")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "INFO")
    write("flow_events.py", EVENTS)
    text = f"@secret: token\n{places}"
    Secret(value=VALUE).save("token", overwrite=True)
    path = write("flow.pty", text)
    flow = load_flow(path, log_prints=True, persist_result=True)
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        state = flow(return_state=True)
    APILogHandler().flush()
    flow_run_id = state.state_details.flow_run_id
    wait_for_flow_run(flow_run_id)
    seen = everything(flow_run_id, wanted="the token was ***")
    assert "the token is ***" in seen
    assert "the token was ***" in seen
    if "Tells" in places:
        result = task_runs(flow_run_id, ["Tells"])["Tells"].state.result()
        assert result == {"token": "***", "deep": ["<***>"]}
    for form in (VALUE, json.dumps(VALUE)[1:-1]):
        assert form not in seen
        assert form not in caplog.text
        assert form not in str(state)
    report = get_backend("prefect").run(load_plan(path), {})
    assert "***" in report.dumps()
    assert VALUE not in report.dumps()


def everything(flow_run_id, wanted):
    """What the server tells of a flow run, once a text is in its log."""
    until = time.monotonic() + 30
    only = {"flow_runs": {"id": {"any_": [str(flow_run_id)]}}}
    with get_client(sync_client=True) as client:
        while True:
            logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id])))
            if any(wanted in log.message for log in logs) or time.monotonic() > until:
                break
            time.sleep(0.2)
        found = [log.message for log in logs]
        found.append(client.read_flow_run(flow_run_id).model_dump_json())
        for each in task_runs(flow_run_id).values():
            found.append(each.model_dump_json())
            of_it = {"task_run_id": str(each.id)}
            found.append(client.request("GET", "/task_run_states/", params=of_it).text)
        for path in ("/artifacts/filter", "/flow_runs/filter", "/task_runs/filter"):
            found.append(client.request("POST", path, json=only).text)
        of_it = {"flow_run_id": str(flow_run_id)}
        found.append(client.request("GET", "/flow_run_states/", params=of_it).text)
    for each in Path(os.environ["PREFECT_HOME"], "storage").rglob("*"):
        if each.is_file():
            found.append(stored(each.read_text(encoding="utf-8")))
    return "\n".join(found)


def stored(text):
    """What a file of the result storage holds, alone or in a record: JSON, or a pickle."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = json.loads(text)["result"]
    try:
        json.loads(text)
    except ValueError:
        return base64.b64decode(text).decode(errors="replace")
    return text


# Times of a run.

TIMES = """
    @timezone: Europe/Paris
    @schedule: "0 6 * * *"
    @input: day: date = scheduled - 1d, "the day to load"
    @input: since: datetime = previous
    @input: limit: int(1..100) = 10
    @input: mode: "full" | "delta" = "full"
    When
    """
NIGHT = dt.datetime(2026, 3, 29, 4, tzinfo=dt.UTC)  # six in the morning, the first in summer time


def test_a_run_stands_for_the_instant_that_it_was_scheduled_for(server, write):
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", TIMES))
    at, inputs = flow(scheduled_at=NIGHT)
    assert at == "2026-03-29T06:00:00+02:00"
    assert inputs["day"] == dt.date(2026, 3, 28)
    assert inputs["since"].isoformat() == "2026-03-28T06:00:00+01:00"
    assert flow(scheduled_at="2026-03-29T06:00:00")[0] == at
    # As a worker runs it.
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(flow, state=Scheduled(scheduled_time=NIGHT))
    from prefect.flow_engine import run_flow

    flow_run = wait_for_scheduled(flow_run.id)
    assert run_flow(flow, flow_run, parameters=flow_run.parameters)[0] == at
    assert flow(day=dt.date(2020, 2, 2), scheduled_at=NIGHT)[1]["day"] == dt.date(2020, 2, 2)
    before = dt.datetime.now(dt.UTC)
    assert dt.datetime.fromisoformat(flow()[0]) >= before - dt.timedelta(seconds=60)


def test_the_nightly_example_loads_the_same_day_however_it_is_started(server, write):
    example = Path(__file__).parents[3] / "examples/nightly"
    for name in ("nightly.pty", "nightly_events.py"):
        path = write(name, (example / name).read_text(encoding="utf-8"))
    flow = load_flow(path.with_name("nightly.pty"))
    assert flow(scheduled_at=NIGHT, return_state=True).is_completed()
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(flow, state=Scheduled(scheduled_time=NIGHT))
    from prefect.flow_engine import run_flow

    run_flow(flow, wait_for_scheduled(flow_run.id), parameters={})
    with contextlib.closing(sqlite3.connect(path.with_name("warehouse.db"))) as warehouse:
        days = warehouse.execute("SELECT DISTINCT day FROM sales").fetchall()
    assert days == [("2026-03-28",)]
    assert flow(return_state=True).is_completed()
    yesterday = dt.datetime.now(ZoneInfo("Europe/Berlin")).date() - dt.timedelta(days=1)
    with contextlib.closing(sqlite3.connect(path.with_name("warehouse.db"))) as warehouse:
        days = warehouse.execute("SELECT DISTINCT day FROM sales ORDER BY day").fetchall()
    assert days == [("2026-03-28",), (str(yesterday),)]


def wait_for_scheduled(flow_run_id):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(flow_run_id)


def test_the_report_says_the_instant_and_the_values(run):
    report = run(TIMES, EVENTS, options=RunOptions(scheduled_at=NIGHT))
    assert report.scheduled_at == NIGHT
    assert report.places["When"].result[0] == "2026-03-29T06:00:00+02:00"
    with get_client(sync_client=True) as client:
        parameters = client.read_flow_run(flow_run_of(report)).parameters
    assert dt.datetime.fromisoformat(parameters["scheduled_at"]) == NIGHT


# What inputs take.


def test_the_form_shows_what_inputs_take(server, write):
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", TIMES))
    form = flow.parameters.model_dump_for_openapi()
    assert "required" not in form
    assert form["properties"]["mode"]["enum"] == ["full", "delta"]
    limit = form["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 10)
    assert form["properties"]["day"]["description"] == "the day to load (default: scheduled - 1d)"
    assert form["properties"]["day"]["anyOf"][1] == {"type": "null"}
    assert form["properties"]["scheduled_at"]["description"].startswith("the time that the run")
    for wrong in ({"limit": 0}, {"mode": "other"}):
        with pytest.raises(ParameterTypeError):
            flow(**wrong)
    unchecked = load_flow(Path("flow.pty").absolute(), validate_parameters=False)
    state = unchecked(limit=0, return_state=True)
    assert "expected from 1 to 100" in state.message


# `@run-timeout`.


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Waits -> Ok", ["Waits"]),
        (
            "{Sleeps || SleepsElsewhere || Again} (0 -> Ok)",
            ["Sleeps", "SleepsElsewhere", "Again"],
        ),
    ],
)
def test_past_its_time_a_run_ends_as_failed(run, text, names):
    try:
        report = run(f"@run-timeout: 6s\nQuick -> {text}", EVENTS)
    finally:
        Path("over.txt").touch()
    said = "the run took longer than 6 s, its @run-timeout"
    assert (report.status, report.failure.message) == ("failed", said)
    assert report.places["Quick"].state == "done"
    for name in (*names, "Ok"):
        assert (report.places[name].state, report.places[name].descriptor) == ("failed", None)
    assert report.places["Ok"].attempts == 0
    state = state_of(report)
    assert (state.type.value, state.name, state.message) == ("FAILED", "TimedOut", said)
    found = task_runs(flow_run_of(report), ["Quick", *names])
    assert all(found[name].state.is_failed() for name in names)
    assert "Ok" not in found
    if "Waits" in names:
        assert Path("cleaned.txt").exists()


def test_in_time_nothing_changes(run):
    report = run("@run-timeout: 1h\nQuick -> Boom (0 |-> Ok)", EVENTS)
    assert (report.status, report.failure) == ("success", None)

"""Ways to create a flow in Python, what is pickled with it, and what Prefect's server accepts."""

import importlib
import inspect
import sys
from pathlib import Path

import cloudpickle
import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow_in_subprocess
from prefect.utilities.schema_tools import ValidationError, validate
from pydantic import BaseModel
from volnux_prefect import limits
from volnux_prefect.flow import load_flow, to_flow
from volnux_prefect.parameters import why_no_parameter, why_not_stored

from volnux.backends import RunOptions, get_backend
from volnux.backends.port import BackendError
from volnux.errors import PointyError
from volnux.events import event
from volnux.events.inputs import InputError
from volnux.loading import load_plan
from volnux.pipeline import InputDataField, Pipeline

TEXT = """\
@tags: shop, daily
@schedule: "30 6 * * 1-5"
@schedule: @hourly
@timezone: Europe/Paris
@max-active-runs: 2
@input: n: int = 3
@input: day: date = "2026-01-01"
@input: at: datetime = null
Show
"""

EVENTS = """
from pathlib import Path
from volnux import event

@event
def Show(**given):
    with Path(__file__).with_name("ran.txt").open("a") as file:
        file.write(f"{sorted(given.items())}\\n")
    return True, given.get("n")
"""


@pytest.fixture
def file(write):
    """A pipeline with one event, which writes its inputs to a file."""
    write("flow_events.py", EVENTS)
    return write("flow.pty", TEXT)


def tell(flow, flow_run, state):
    Path("told.txt").write_text(state.name)


@event
def Double(n):
    return True, n * 2


class Doubles(Pipeline):
    n = InputDataField(data_type=int, default=3)

    class Meta:
        pointy = "Double"


@pytest.mark.parametrize("make", [lambda file: load_flow(file), lambda file: to_flow(Doubles)])
def test_a_pickled_flow_is_the_flow(server, file, make):
    flow = make(file).with_options(retries=2, log_prints=True, on_completion=[tell])
    again = cloudpickle.loads(cloudpickle.dumps(flow))
    assert "plan" not in vars(again)
    assert (again.name, again.version, again.retries) == (flow.name, flow.version, 2)
    assert inspect.signature(again.fn) == inspect.signature(flow.fn)
    assert again.plan.fingerprint == flow.plan.fingerprint
    assert again.task_runner == flow.task_runner
    assert again(n=21) == flow(n=21)
    assert Path("told.txt").read_text() == "Completed"
    assert cloudpickle.loads(cloudpickle.dumps(again)).log_prints is True


def test_a_flow_in_another_process_runs_once_with_its_parameters(server, file):
    # So `serve` starts its runs.
    process = run_flow_in_subprocess(load_flow(file), parameters={"n": 21, "day": "2026-02-03"})
    process.join()
    assert process.exitcode == 0
    (ran,) = Path("ran.txt").read_text().splitlines()
    assert "('n', 21)" in ran
    assert "datetime.date(2026, 2, 3)" in ran


def test_an_option_that_cannot_be_pickled_is_named(file):
    flow = load_flow(file, on_failure=[lambda *_, file=sys.stdout: None])
    with pytest.raises(Exception, match="the option on_failure of the flow cannot be sent"):
        cloudpickle.dumps(flow)


def test_a_deployment_from_python_has_what_the_file_says(file):
    made = load_flow(file).to_deployment("x")
    assert made.tags == ["shop", "daily"]
    assert made.concurrency_limit == 2
    assert [(s.slug, s.schedule.cron, s.schedule.timezone) for s in made.schedules] == [
        ("flow-1", "30 6 * * 1-5", "Europe/Paris"),
        ("flow-2", "0 * * * *", "Europe/Paris"),
    ]
    own = load_flow(file).to_deployment("x", cron="0 1 * * *", tags=["mine"], concurrency_limit=5)
    assert [each.schedule.cron for each in own.schedules] == ["0 1 * * *"]
    assert (own.tags, own.concurrency_limit) == (["mine"], 5)
    assert load_flow(file).to_deployment("x", schedules=[]).schedules == []


def test_a_flow_that_a_worker_could_not_find_is_not_deployed(file):
    with pytest.raises(BackendError, match=r"assign it to a variable at the top of .*\.py"):
        load_flow(file).deploy("x", work_pool_name="default")


def test_flows_of_an_imported_module_are_loaded_when_they_are_used(server, file, write):
    write("bad.pty", "Nothing")
    write(
        "some_flows.py",
        """
        from volnux_prefect import load_flow

        sooner = load_flow("flow.pty")
        bad = load_flow("bad.pty")
        gone = load_flow("gone.pty")
        """,
    )
    sys.path.insert(0, str(file.parent))
    try:
        flows = importlib.import_module("some_flows")
    finally:
        sys.path.remove(str(file.parent))
        sys.modules.pop("some_flows", None)
    assert all(isinstance(each, Flow) for each in (flows.sooner, flows.bad, flows.gone))
    assert not hasattr(flows.bad, "no_such_attribute")
    assert flows.sooner.name == "flow"
    assert flows.sooner(n=5) == 5
    for _ in range(2):
        with pytest.raises(PointyError, match=r"bad.pty:1:1: error"):
            flows.bad()


NAMES = sorted(
    name
    for name in {*dir(BaseModel), *inspect.signature(Flow.__call__).parameters, "cls", "data"}
    if not name.startswith("_") and name != "self"  # which the language refuses
)


def test_a_name_of_pydantic_or_prefect_is_refused_or_works(server, write):
    write("flow_events.py", EVENTS)
    lines = "".join(f"@input: {name}: int = 1\n" for name in NAMES)
    found = get_backend("prefect").check(load_plan(write("flow.pty", f"{lines}Show\n")))
    refused = {NAMES[each.span.line - 1] for each in found}
    assert {"model_config", "model_dump", "model_validate", "cls", "wait_for"} <= refused
    assert refused == {name for name in NAMES if why_no_parameter(name)}
    works = [name for name in NAMES if name not in refused]
    assert {"copy", "json", "data", "schema"} <= set(works)
    lines = "".join(f"@input: {name}: int = 1\n" for name in works)
    with pytest.warns(UserWarning, match="shadows an attribute"):
        load_flow(write("flow.pty", f"{lines}Show\n"))(**dict.fromkeys(works, 2))
    assert Path("ran.txt").read_text() == f"{[(name, 2) for name in works]}\n"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", 2**63),
        ("int", -(2**63) - 1),
        ("float", float("inf")),
        ("str", "a\0b"),
        ("str", "\udcff"),
        ("dict", {"__prefect_kind": "json", "value": "1"}),
        ("dict", {"deep": [{"deeper": 2**70}]}),
    ],
)
def test_what_the_server_cannot_store_is_refused_before_a_run_is_made(write, kind, value):
    assert why_not_stored(value)
    write("flow_events.py", EVENTS)
    path = write("flow.pty", f"@input: n: {kind}\nShow")
    plan = load_plan(path)
    for run in (
        lambda: load_flow(path)(n=value),
        lambda: get_backend("prefect").run(plan, {"n": value}, RunOptions()),
    ):
        with pytest.raises(InputError, match="prefect's server cannot store the input 'n'"):
            run()
    assert not Path("ran.txt").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@input: n: int = 9223372036854775808\nShow", "flow.pty:1:1: error: prefect's server"),
        ("@input: l: list = [[18446744073709551616]]\nShow", "flow.pty:1:1: error: prefect's"),
        ("Show[concurrency=99999999999999999999]", "flow.pty:1:1: error: prefect has no limits"),
        ("@tags: {{$HOME}}\nShow", "flow.pty:1:1: error: prefect reads"),
        ("@name: {{$HOME}}\nShow", "flow.pty:1:"),
    ],
)
def test_what_a_file_cannot_say_on_prefect_is_refused_with_its_place(write, text, said):
    write("flow_events.py", EVENTS)
    with pytest.raises((PointyError, BackendError)) as caught:
        load_flow(write("flow.pty", text))
    assert str(caught.value).removeprefix(str(Path.cwd()) + "/").startswith(said)


@pytest.mark.parametrize(
    ("given", "good"),
    [
        ({"day": "2026-02-03"}, True),
        ({"day": "yesterday"}, False),
        ({"at": "2026-02-03T04:05:06.7+01:00"}, True),
        ({"at": "2026-02-03T04:05:06Z"}, True),
        ({"at": None}, True),
        ({"at": "soon"}, False),
        ({"n": 2**63 - 1}, True),
        ({"n": 2**63}, False),
        ({"n": "3"}, False),
    ],
)
def test_the_server_checks_parameters_when_a_run_is_made(file, given, good):
    schema = load_flow(file).parameters.model_dump_for_openapi()
    if good:
        validate(given, schema, raise_on_error=True)
    else:
        with pytest.raises(ValidationError):
            validate(given, schema, raise_on_error=True)


def test_limits_are_made_once(server):
    def made():
        limits._seen.clear()  # as in another process
        limits.make_limits({"once.A": 2, "once.B": 3})
        return client.read_concurrency_limit_by_tag("once.A").updated

    with get_client(sync_client=True) as client:
        first = made()
        assert made() == first
        client.create_concurrency_limit(tag="once.A", concurrency_limit=7)
        assert limits.missing_limits(client, {"once.A": 2, "once.B": 3}) == {"once.A": 2}
        made()
        assert client.read_concurrency_limit_by_tag("once.A").concurrency_limit == 2

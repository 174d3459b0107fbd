"""Results keep their types where Prefect stores them, and piped values are read as annotated."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import FailedRun
from prefect.settings import PREFECT_RESULTS_DEFAULT_SERIALIZER, temporary_settings
from volnux_prefect import load_flow
from volnux_prefect.codegen import source_of
from volnux_prefect.serializer import ValueSerializer

from tests import typed_values
from tests.integration.prefect.server import surroundings
from tests.integration.prefect.states import task_runs, wait_for_flow_run
from volnux.backends import get_backend
from volnux.loading import load_plan
from volnux.strictjson import FormatError

EVENTS = (
    Path(typed_values.__file__).read_text()
    + """
from concurrent.futures import ProcessPoolExecutor
from volnux import event


@event
def Make():
    return True, MANY


@event(executor=ProcessPoolExecutor)
def Elsewhere(previous_result):
    return True, previous_result


@event
async def Awaits(previous_result):
    return True, previous_result


@event
def Flaky(self, previous_result):
    if self.attempt == 1:
        raise ValueError("once")
    return True, previous_result


@event
def Words():
    return True, "some words"


@event
def Rows():
    return True, {"number": "7", "price": "1.20", "at": "2026-01-02T03:04:05"}


@event
def Ship(previous_result: Order):
    return True, previous_result


@event
def Tell(previous_result):
    return True, [previous_result.type, previous_result.message]


@event
def Pair():
    return True, (1, 2)


@event
def Array():
    import numpy

    return True, numpy.arange(6_250_000, dtype=float)


@event
def Halves(previous_result):
    return True, previous_result / 2
"""
)

ELSEWHERE = """
import sys
from prefect.client.orchestration import get_client
from prefect.plugins import load_prefect_collections
from prefect.serializers import Serializer

load_prefect_collections()
assert Serializer(type="volnux").type == "volnux"

from volnux_prefect import load_flow

known = load_flow(sys.argv[1]).plan.spec("Make").function.__globals__
with get_client(sync_client=True) as client:
    state = client.read_flow_run(sys.argv[2]).state
assert known["alike"](state.result(), known["MANY"])
"""


def test_values_of_every_kind_are_stored(server, write):
    write("flow_events.py", EVENTS)
    path = write("flow.pty", "Make |-> Elsewhere |-> Awaits |-> Flaky * 2")
    flow = load_flow(path, persist_result=True)
    known = flow.plan.spec("Make").function.__globals__
    state = flow(return_state=True)
    assert known["alike"](state.result(), known["MANY"])
    flow_run_id = state.state_details.flow_run_id
    found = task_runs(flow_run_id, ["Make", "Elsewhere", "Awaits", "Flaky"])
    for each in found.values():
        assert each.state.data.serializer.type == "volnux"
        assert known["alike"](each.state.result(), known["MANY"])
    assert found["Flaky"].run_count == 2
    # A process that knows only the flow.
    program = [sys.executable, "-c", ELSEWHERE, str(path), str(flow_run_id)]
    done = subprocess.run(program, capture_output=True, text=True, env=surroundings())
    assert done.returncode == 0, done.stderr


def test_piped_values_are_read_as_annotated(server, write, run, monkeypatch):
    text = "{Words |-> Ship * 3 (0 |-> Tell)} || {Rows |-> Ship}"
    report = run(text, EVENTS)
    wanted = get_backend("standalone").run(load_plan("flow.pty"), {})
    assert report.places["Ship"].attempts == 0
    for place, expected in wanted.places.items():
        found = report.places[place]
        assert (found.state, found.descriptor, found.attempts, found.failure) == (
            expected.state,
            expected.descriptor,
            expected.attempts,
            expected.failure,
        )
    message = (
        "Ship received a str from Words, but previous_result must be flow_events.Order: "
        "Input should be a dictionary or an instance of Order"
    )
    assert wanted.places["Tell"].result == ["volnux.InputTypeError", message]
    assert report.places["Tell"].result == ["volnux.InputTypeError", message]
    seen = task_runs(report.run_id, report.places)
    assert (seen["Ship"].state.name, seen["Ship"].run_count) == ("Handled", 1)

    printed = write("printed.py", source_of("flow.pty"))
    monkeypatch.syspath_prepend(str(printed.parent))
    monkeypatch.delitem(sys.modules, "flow_events", raising=False)
    spec = importlib.util.spec_from_file_location("printed", printed)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "printed", module)
    spec.loader.exec_module(module)
    flow = module.flow_flow.with_options(persist_result=True)
    state = asyncio.run(flow(return_state=True))
    told, order = wait_for_flow_run(state.state_details.flow_run_id).state.result()
    assert told == ["volnux.InputTypeError", message]
    assert type(order) is module.SHIP.spec.function.__globals__["Order"]
    assert (order.number, order.at.isoformat()) == (7, "2026-01-02T03:04:05")
    for each in task_runs(state.state_details.flow_run_id, report.places).values():
        assert each.state.data.serializer.type == "volnux"


@pytest.mark.parametrize(
    ("options", "settings"),
    [({"result_serializer": "json"}, {}), ({}, {PREFECT_RESULTS_DEFAULT_SERIALIZER: "json"})],
    ids=["option", "setting"],
)
def test_another_serializer_may_be_chosen(server, write, options, settings):
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", "Pair"), persist_result=True, **options)
    with temporary_settings(settings):
        state = flow(return_state=True)
    flow_run_id = state.state_details.flow_run_id
    states = [wait_for_flow_run(flow_run_id).state, task_runs(flow_run_id, ["Pair"])["Pair"].state]
    for each in states:
        assert each.data.serializer.type == "json"
        assert each.result() == [1, 2]


def test_large_values_are_not_in_storage(server, write, monkeypatch):
    monkeypatch.setenv("VOLNUX_VALUES", str(Path("large").absolute()))
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", "Array |-> Halves"), persist_result=True)
    before = size_of(os.environ["PREFECT_HOME"])
    state = flow(return_state=True)
    flow_run_id = state.state_details.flow_run_id
    array = wait_for_flow_run(flow_run_id).state.result()
    assert (array.nbytes, array[3], array.dtype.kind) == (50_000_000, 1.5, "f")
    found = task_runs(flow_run_id, ["Array", "Halves"])
    assert found["Array"].state.result()[3] == 3
    # Databases and logs grow, but one array would be larger.
    assert size_of(os.environ["PREFECT_HOME"]) - before < 25_000_000
    places = {path.name for path in Path("large", str(flow_run_id)).iterdir()}
    assert places == {"Array", "Halves", "flow"}

    for path in Path("large").rglob("*.*"):
        path.unlink()
    with pytest.raises(FormatError, match="is not there"):
        found["Halves"].state.result(retry_result_failure=False)


def size_of(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def test_a_class_is_known_only_if_its_flow_is_loaded():
    stored = b'{"$volnux": "dataclass", "value": {"class": "orders:Order", "fields": {}}}'
    with pytest.raises(FormatError, match=r"'orders:Order'.*load the flow of the result first"):
        ValueSerializer().loads(stored)


def test_an_exception_is_stored_as_text():
    stored = ValueSerializer().dumps(KeyError("day"))
    found = ValueSerializer().loads(stored)
    assert type(found) is FailedRun
    assert str(found) == "KeyError: 'day'"


def test_a_flow_run_that_raises_is_read_as_a_failure(server, write):
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", "@input: day: date\nPair"), validate_parameters=False)
    state = flow(day="no day", return_state=True)
    with get_client(sync_client=True) as client:
        stored = client.read_flow_run(state.state_details.flow_run_id).state
    with pytest.raises(FailedRun, match=r"^volnux\.[\w.]*InputError: .*day"):
        stored.result()


def test_processes_that_only_load_the_serializer_import_nothing_else():
    program = (
        "import prefect, sys; before = set(sys.modules); import volnux_prefect.serializer; "
        "print(*sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    found = [name for name in done.stdout.split() if name.startswith("volnux")]
    ours = ["volnux", "volnux._lazy", "volnux._version"]
    assert found == [*ours, "volnux_prefect", "volnux_prefect.serializer"], done.stderr

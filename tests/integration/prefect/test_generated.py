"""Flows of `volnux prefect flow` for every case, and for random programs with hostile names.

Most of them run without a server: events run at once, in the process of the test. These tests check
the text; `python -m tests.generated prefect` runs more programs on a server.
"""

import ast
import asyncio
import dataclasses
import datetime as dt

import pytest
from prefect import Flow
from volnux_prefect import plain
from volnux_prefect.codegen import source_of
from volnux_prefect.deployment.project import initialise
from volnux_prefect.instants import PARAMETER, speaks_of_time

from tests.conformance.chosen import CHOSEN
from tests.generated import (
    GENERATED,
    HOSTS,
    comparable,
    comparable_expected,
    faults_of_imports,
    faults_of_runs,
    imported,
    print_programs,
)
from volnux.backends import get_backend
from volnux.events import run_event
from volnux.kit.config import Overridden
from volnux.kit.instants import instant_of
from volnux.loading import load_plan
from volnux.testing import Case, Expected, ExpectedPlace, PlaceScript, all_cases, write_case
from volnux.testing.hostile import TEXTS, hostile_case

IMPORTED = range(1, 31)
RUN = range(1, 4)
WITHOUT_A_SERVER = range(100, 130)

TIMED = {
    case.name
    for case in all_cases()
    if "timeout" in case.text or "within" in f"{case.text} {case.events} {case.files}"
}
"""Cases that need the real time: no time passes here between two calls."""


class Nothing:
    """A host without variables and secrets."""

    def variable(self, name):
        raise LookupError("there are none here")

    secret = variable


class Calls:
    """Runs the events of a run in its own process, without task runs."""

    failed = ()

    def __init__(self, run):
        self.run = run

    async def outcome(self, place, spec, call):
        self.run.received[place.name] = call.previous_result
        call = call._replace(run_id="a run")
        outcome = await asyncio.to_thread(run_event, spec, call, sleep=lambda seconds: None)
        self.run.outcomes[place.name] = outcome
        return outcome

    def give_up(self, why, *, timed_out):
        """Do nothing: events are called until they have ended."""


class Local(plain.Run):
    """A run that executes events in its own process."""

    last = None
    host = None
    scheduled_at = None

    async def __aenter__(self):
        Local.last = self
        self._scheduled_at = self._scheduled_at or instant_of(self._graph, self.scheduled_at)
        self.received, self.outcomes, self.skipped = {}, {}, set()
        self._host = self.host
        self._task_runs = Calls(self)
        return self

    def skip(self, *places):
        self.skipped.update(place.name for place in places)


def places_of(case, folder, monkeypatch):
    """How the places of a case end in its generated flow, in the form of the expected places."""
    path = write_case(case, folder)
    plan = load_plan(path)
    target = path.with_name(GENERATED)
    target.write_text(source_of(path), encoding="utf-8")
    monkeypatch.setattr(plain, "Run", Local)
    instant = case.scheduled_at and dt.datetime.fromisoformat(case.scheduled_at)
    monkeypatch.setattr(Local, "scheduled_at", instant)
    monkeypatch.setattr(Local, "host", Overridden(Nothing(), case.variables, case.secrets))
    inputs = plan.bind(case.inputs, scheduled_at=instant)
    # The flow computes these.
    timed = {item.name for item in plan.timed if item.name not in case.inputs}
    inputs = {name: value for name, value in inputs.items() if name not in timed}
    if speaks_of_time(plan.graph):
        inputs[PARAMETER] = instant
    with imported(target) as module:
        (flow,) = (each for each in vars(module).values() if isinstance(each, Flow))
        state = asyncio.run(flow.fn(**inputs))
    run = Local.last
    found = {}
    for place in case.expected.places:
        ended = run.ended_places.get(place)
        if place in run.skipped:
            found[place] = "skipped"
        # A place whose piped value cannot be read has ended without an attempt.
        elif ended is not None and run.outcomes[place].attempts:
            found[place] = (
                ended.descriptor,
                run.outcomes[place].attempts,
                comparable(ended.result),
                comparable(run.received[place]),
            )
    return "success" if state.is_completed() else "failed", found


def expected_of(case):
    found = {}
    for place, wanted in case.expected.places.items():
        if wanted.state == "skipped":
            found[place] = "skipped"
        elif wanted.attempts and wanted.descriptor is not None:
            result = comparable_expected(wanted.failure or wanted.result)
            received = comparable_expected(wanted.received)
            found[place] = (wanted.descriptor, wanted.attempts, result, received)
    return case.expected.status, found


def told(text):
    """The reported places without the ids of runs."""
    return repr(text).replace("$run_id", "a run")


@pytest.mark.timeout(600)
def test_every_case_without_a_server(tmp_path, monkeypatch):
    hostile = [hostile_case(seed) for seed in WITHOUT_A_SERVER]
    cases = [case for case in all_cases() if case.expected.status and case.name not in TIMED]
    for number, case in enumerate([*cases, *hostile]):
        found = places_of(case, tmp_path / str(number), monkeypatch)
        assert told(found) == told(expected_of(case)), f"{case.name}:\n{case.text}"


FAILS = [
    "A -> !",
    "! || A",
    "A || ! || Boom",
    "{Boom -> A} (0 |-> B -> !)",
    "Boom (0 |-> B |-> !)",
    "No (0 -> !) -> B",
    "{No (0 -> !)} (0 |-> B) -> A",
    "{Nothing (0 -> !)} (0 |-> B) -> A",
    "{A |-> No (0 -> A -> !, 1 -> B)} (0 |-> C (1 -> !), 1 |-> B)",
    "{Boom} (0 |-> {A || No (0 -> !) || !}) -> B",
    "{{A || Boom (0 -> !)} -> C} (0 |-> B |-> A)",
    "{!} (0 |-> B, 1 -> C) |-> A",
    "{{!} (1 -> C)} (0 |-> A)",
    "Three (3 -> A -> !, 1 -> B) -> C",
    "{A || !} [evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> B",
    "{! || Boom} [evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> B",
    "{{Boom (0 -> !) || A} [evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> B || C} -> A",
    "@on-failure: continue\n{Boom (0 |-> B -> !)} -> A",
    "@on-failure: continue\n{A -> !} -> B -> {! || A} |-> C",
    "@on-failure: continue\n{{A -> !} -> B} (0 |-> C) -> A",
    "@on-failure: continue\n{A || Three (3 -> !, 1 -> B)} |-> C",
    "@on-failure: continue\nA -> {Boom (0 -> !)}",
]


@pytest.mark.parametrize("text", FAILS)
def test_a_flow_fails_where_it_says_so(tmp_path, monkeypatch, text):
    script = {
        "Boom": PlaceScript(raises="ValueError"),
        "No": PlaceScript(0, result="no"),
        "Nothing": PlaceScript(0, result=None),
        "Three": PlaceScript(3),
    }
    case = Case("fails", text, Expected(), script=script)
    path = write_case(case, tmp_path / "told")
    report = get_backend("standalone").run(load_plan(path), {})
    places = {
        name: ExpectedPlace(
            place.state,
            place.descriptor,
            place.attempts,
            place.result,
            place.received,
            place.failure,
        )
        for name, place in report.places.items()
    }
    case = dataclasses.replace(case, expected=Expected(report.status.value, places))
    found = places_of(case, tmp_path / "made", monkeypatch)
    assert told(found) == told(expected_of(case))


@pytest.mark.parametrize("case", CHOSEN[::2], ids=str)
def test_a_case_on_a_server(case, server, tmp_path):
    path = write_case(case, tmp_path)
    plan = load_plan(path)
    target = path.with_name(GENERATED)
    target.write_text(source_of(path), encoding="utf-8")
    assert HOSTS["prefect"].run(target, plan, case) == []


def test_random_programs_with_hostile_names_are_imported(tmp_path):
    print_programs("prefect", IMPORTED, tmp_path)
    assert list(faults_of_imports(tmp_path)) == []


def test_random_programs_with_hostile_names_do_the_same(server, tmp_path):
    assert list(faults_of_runs("prefect", RUN, tmp_path)) == []


def test_file_names_of_a_folder_are_no_code(tmp_path):
    (tmp_path / "events.py").write_text(
        "from volnux import event\n\nA = event(lambda: (True, 1))\n"
    )
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{text}.pty").write_text(f"@name: p{number}\nA")
    initialise(tmp_path, work_pool="default")
    tree = ast.parse((tmp_path / "flows.py").read_bytes())
    assert {type(each) for each in tree.body} == {ast.Expr, ast.ImportFrom, ast.Assign}
    values = [each.value for each in ast.walk(tree) if isinstance(each, ast.Constant)]
    assert {f"{text}.pty" for text in TEXTS} <= set(values)

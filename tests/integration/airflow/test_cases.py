"""The cases on `dag.test()`: exact task states and reports, also for generated source."""

import importlib.util
import subprocess
import sys

import pytest
from airflow.sdk import DAG
from volnux_airflow import AirflowBackend
from volnux_airflow.local import run_dag
from volnux_airflow.source import source_of
from volnux_airflow.translate import build_dag

from tests.conformance.cases import ATTEMPTS, CASES, EVENTS, RECEIVED
from tests.integration.airflow.names import DagSerialization
from volnux.events.modules import is_shared
from volnux.loading import load_plan


def plan_of(folder, case, name):
    (folder / "events.py").write_text(EVENTS)
    (folder / f"{name}.pty").write_text(case.text)
    return load_plan(folder / f"{name}.pty")


def shown(report):
    """A report without times and ids."""
    return report.status, {
        place: (
            item.state,
            item.descriptor,
            item.attempts,
            item.result,
            item.received,
            item.failure and (item.failure.type, item.failure.message),
        )
        for place, item in report.places.items()
    }


def generated(plan, folder, monkeypatch):
    """The DAG of the Python source of a plan."""
    monkeypatch.syspath_prepend(str(folder))
    if not is_shared():  # otherwise each folder has its own module of this name
        monkeypatch.delitem(sys.modules, "events", raising=False)
    path = folder / f"{plan.graph.name}_dag.py"
    path.write_text(source_of(plan))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    # The DAG stands in a `with` and needs no name there.
    made = []
    enter = DAG.__enter__

    def entering(self):
        made.append(self)
        return enter(self)

    monkeypatch.setattr(DAG, "__enter__", entering)
    spec.loader.exec_module(module)
    monkeypatch.setattr(DAG, "__enter__", enter)
    return made[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.number))
def test_case(case, tmp_path, monkeypatch):
    plan = plan_of(tmp_path, case, f"local_{case.number}")
    report = AirflowBackend().run(plan, {})
    assert report.status == case.status
    states = {"d": "done", "s": "skipped", "f": "failed", "x": "failed"}
    for place, (state, descriptor) in case.places.items():
        item = report.places[place]
        attempts = ATTEMPTS.get(case.number, {}).get(place, int(state in "df"))
        assert (item.state, item.descriptor, item.attempts) == (
            states[state],
            descriptor,
            attempts,
        ), place
    if case.number in RECEIVED:
        place, value = RECEIVED[case.number]
        received = report.places[place].received
        assert getattr(received, "type", received) == value
    # The Python source does the same, and is laid out as formatters want it.
    dag = generated(plan, tmp_path, monkeypatch)
    assert serialized(dag) == serialized(build_dag(plan))
    again = run_dag(dag, plan, {})
    assert shown(again) == shown(report)


ANY = r'"a\u0085b\u007fc\u2028d\re\n\tf\ufeff\uffff\ud83d\ude00 \\ \" \"\"\" {{x}} %s"'
"""Any character, as a string of the language."""


def test_generated_source_has_any_character(folder, monkeypatch):
    text = f"@description: {ANY}\n@input: x: str = {ANY}\n@input: y: dict = {{{ANY}: 1}}\nA"
    here = folder(**{"events.py": EVENTS, "any.pty": text})
    plan = load_plan(here / "any.pty")
    ours, theirs = build_dag(plan), generated(plan, here, monkeypatch)
    assert theirs.params["x"] == plan.graph.inputs[0].default
    assert serialized(ours) == serialized(theirs)


def test_generated_source_is_formatted_and_says_what_the_file_says(folder, monkeypatch):
    here = folder(
        **{
            "events.py": EVENTS,
            "full.pty": """
            @name: orders
            @description: Orders "daily"
            @schedule: "0 6 * * *"
            @timezone: Europe/Berlin
            @tags: a, b
            @max-active-runs: 2
            @input: day: date = "2026-01-01"
            @input: limit: int = 3

            {A || Bad -> Boom * 3 [timeout=3, pool="x"]} (0 |-> H, 1 -> S)
             |-> {Ok || {A -> B} || {C || D}}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]
             |-> Ok (0 -> B, 1 |-> {C || P}) |-> F [executor=process, priority=5, queue=q,
             every=5, within=60]
             -> {{A || B} (1 -> {C || D}) || {{Ok (0 -> A)} (0 -> B)} (1 -> C)} (1 -> D)
            """,
        }
    )
    plan = load_plan(here / "full.pty")
    path = here / "orders_dag.py"
    path.write_text(source_of(plan))
    assert_formatted(path)
    ours, theirs = build_dag(plan), generated(plan, here, monkeypatch)
    assert serialized(ours) == serialized(theirs)
    waits = theirs.get_task("F").spec
    assert (waits.every, waits.within) == (5, 60)


def assert_formatted(path, rules="E,F,W"):
    """A Python file is laid out as formatters want it, and linters find nothing."""
    for command in (["format", "--check"], ["check", "--select", rules]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--isolated",
                "--line-length",
                "88",
                str(path),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def serialized(dag):

    data = DagSerialization.to_dict(dag)
    for location in ("fileloc", "relative_fileloc", "bundle_name"):
        data["dag"].pop(location, None)
    return data

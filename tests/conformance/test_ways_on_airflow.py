"""A case has the same result, however its file becomes a DAG."""

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

from tests.conformance.chosen import CHOSEN, REPEATED
from volnux.loading import load_plan
from volnux.testing import differences, write_case


def by_loader(path, plan, monkeypatch):
    from volnux_airflow import load_dags

    (dag,) = load_dags(path.with_name("dags.py")).values()
    return dag


def by_bundle(path, plan, monkeypatch):
    from volnux_airflow.bundle import dag_of

    return dag_of(str(path), f"{path.name}.py", "{}")


def by_source(path, plan, monkeypatch):
    """The generated Python file, imported as by the DAG processor."""
    from airflow.sdk import DAG
    from volnux_airflow.source import source_of

    # The way out of Pointy: it imports the events as any Python file would.
    monkeypatch.syspath_prepend(str(path.parent))
    for file in path.parent.rglob("*.py"):
        monkeypatch.delitem(sys.modules, file.stem, raising=False)
    target = path.with_name("generated_dag.py")
    target.write_text(source_of(plan), encoding="utf-8")
    made = []
    enter = DAG.__enter__

    def entering(dag):
        made.append(dag)
        return enter(dag)

    monkeypatch.setattr(DAG, "__enter__", entering)
    spec = importlib.util.spec_from_file_location(target.stem, target)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    monkeypatch.setattr(DAG, "__enter__", enter)
    return made[0]


WAYS = [by_loader, by_bundle, by_source]
CASES = [*CHOSEN, *REPEATED]


@pytest.mark.parametrize(
    ("case", "way"),
    [(case, WAYS[number % len(WAYS)]) for number, case in enumerate(CASES)],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_a_case(case, way, own_folder: Path, monkeypatch):
    """It runs in one of the ways. In the others it is the same DAG."""
    from volnux_airflow.home import enter_own_home

    enter_own_home()
    from volnux_airflow.local import run_dag

    from tests.integration.airflow.test_cases import serialized

    path = write_case(case, own_folder / case.name)
    plan = load_plan(path)
    dag = way(path, plan, monkeypatch)
    with warnings.catch_warnings():
        # What Airflow itself warns of would end its tasks.
        warnings.simplefilter("ignore")
        report = run_dag(dag, plan, plan.bind(case.inputs))
    assert differences(case.expected, report) == [], case.text
    texts = [serialized(each(path, plan, monkeypatch)) for each in WAYS]
    for text in texts:
        assert text == texts[0]

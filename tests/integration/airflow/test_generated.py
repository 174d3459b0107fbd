"""The files of `volnux airflow dag`: hostile names, deep nesting, and what cannot be written.

`python -m tests.generated airflow` runs more of the random programs.
"""

import ast
import importlib.util
import subprocess
import sys

import pytest
from volnux_airflow import all_of, any_of
from volnux_airflow.bundle import PtyDagBundle
from volnux_airflow.outcomes import TaskOutcome
from volnux_airflow.source import source_of
from volnux_airflow.translate import build_dag

from tests.generated import faults_of_imports, faults_of_runs, print_programs
from tests.integration.airflow.test_cases import generated, serialized
from volnux.loading import load_plan
from volnux.pysource import PythonSourceError
from volnux.testing.hostile import TEXTS

IMPORTED = (*range(1, 31), 780, 988, 1437)
RUN = range(1, 4)

EVENT = "from volnux import event\n\n\n@event\ndef {name}():\n    return True, None\n"


def test_random_programs_with_hostile_names_are_imported(tmp_path):
    print_programs("airflow", IMPORTED, tmp_path)
    assert list(faults_of_imports(tmp_path)) == []


def test_random_programs_with_hostile_names_do_the_same(tmp_path):
    assert list(faults_of_runs("airflow", RUN, tmp_path)) == []


@pytest.mark.parametrize("depth", [12, 13, 20, 45])
def test_nested_groups(tmp_path, monkeypatch, depth):
    (tmp_path / "events.py").write_text(EVENT.format(name="A") + "\n\n@event\ndef B():\n    ...\n")
    (tmp_path / "deep.pty").write_text("{" * depth + "A -> B" + "} (0 -> B)" * depth)
    plan = load_plan(tmp_path / "deep.pty")
    dag = generated(plan, tmp_path, monkeypatch)
    assert serialized(dag) == serialized(build_dag(plan))


def test_an_event_module_that_no_import_finds(tmp_path):
    (tmp_path / "orders.v2_events.py").write_text(EVENT.format(name="A"))
    (tmp_path / "orders.v2.pty").write_text("A")
    with pytest.raises(PythonSourceError, match=r"rename it to orders_v2_events\.py"):
        source_of(load_plan(tmp_path / "orders.v2.pty"))
    command = [sys.executable, "-m", "volnux", "airflow", "dag", "orders.v2.pty"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "rename it to orders_v2_events.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_each_part_of_a_value_is_its_own_task():
    names = [f"T{number}" for number in range(50)]
    parts = [each for name in names for each in (name, all_of(f"{name}a", f"{name}b"))]
    value = any_of(*parts)
    read = value.make(lambda task: TaskOutcome(done=True, descriptor=1), lambda task: task)
    assert read == [each for name in names for each in (name, [f"{name}a", f"{name}b"])]


def test_file_names_of_a_bundle_are_no_code(tmp_path):
    folder = tmp_path / "pipelines"
    folder.mkdir()
    for text in TEXTS:
        (folder / f"{text}.pty").write_text("A")
    bundle = PtyDagBundle(name="x", path=str(folder))
    bundle.initialize()
    made = list(bundle.path.rglob("*.py"))
    assert len(made) == len(TEXTS)
    for path in made:
        tree = ast.parse(path.read_bytes())
        assert [type(each) for each in tree.body] == [ast.ImportFrom, ast.Assign]
        values = [each.value for each in ast.walk(tree) if isinstance(each, ast.Constant)]
        assert str(folder / path.stem) in values
        assert importlib.util.spec_from_file_location("x", path) is not None

"""Finding events, linking them, and the modules of a pipeline's own folder."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from volnux.events import LinkError
from volnux.events.modules import import_from
from volnux.loading import load_plan

EVENT = "from volnux import EventBase, event\n"


def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


def module(path, *names, value=None):
    """A module of events that return a value, or the module's path."""
    lines = [f"@event\ndef {name}():\n    return True, {value or str(path)!r}\n" for name in names]
    write(path, EVENT + "\n".join(lines))


def result_of(plan, place):
    return plan.spec(place).target()[1]


def plan_of(flow, path="flow.pty", **options):
    return load_plan(write(path, flow).resolve(), **options)


def faults_of(flow, path="flow.pty", **options):
    with pytest.raises(LinkError) as caught:
        plan_of(flow, path, **options)
    return caught.value.diagnostics


# Where events are.


def test_siblings_in_order():
    module("flow_events.py", "A", "B")
    module("events.py", "B", "C")
    plan = plan_of("A -> B -> C")
    found = [result_of(plan, place) for place in "ABC"]
    assert found == ["flow_events.py", "flow_events.py", "events.py"]


def test_a_dot_in_the_stem_is_an_underscore_in_the_name_of_the_module():
    module("orders.v2_events.py", "A")
    plan = plan_of("A[executor=process]", "orders.v2.pty")
    assert result_of(plan, "A") == "orders.v2_events.py"
    assert plan.spec("A").target.__module__ == "orders_v2_events"
    # A worker process finds it by that name.
    command = [sys.executable, "-m", "volnux", "run", "--json", "orders.v2.pty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert '"result": "orders.v2_events.py"' in done.stdout, done.stderr


def test_the_name_that_python_can_import_comes_first():
    module("orders.v2_events.py", "A")
    module("orders_v2_events.py", "A")
    assert result_of(plan_of("A", "orders.v2.pty"), "A") == "orders_v2_events.py"


def test_events_replaces_the_siblings_and_the_option_replaces_events():
    module("flow_events.py", "A")
    module("first.py", "A")
    module("second.py", "A", "B")
    plan = plan_of("@events: first, second\nA -> B")
    assert [result_of(plan, place) for place in "AB"] == ["first.py", "second.py"]
    assert result_of(plan_of("@events: first\nA", events=["second"]), "A") == "second.py"


def test_dotted_names():
    module("billing.py", "Charge", "A")
    module("shop/events/billing.py", "Charge")
    module("events.py", "A")
    write("shop/__init__.py", "")
    plan = plan_of("A -> billing.Charge -> shop.events.billing.charge")
    assert result_of(plan, "A") == "events.py"
    assert result_of(plan, "billing.Charge") == "billing.py"
    assert result_of(plan, "shop.events.billing.charge") == "shop/events/billing.py"


def test_the_case_insensitive_round_comes_second():
    module("flow_events.py", "load", "Save")
    module("events.py", "Load", "save")
    plan = plan_of("Load -> Save -> save")
    found = [result_of(plan, place) for place in ("Load", "Save", "save")]
    assert found == ["events.py", "flow_events.py", "events.py"]


def test_one_match_in_another_case_will_do():
    module("events.py", "ValidateOrder")
    assert result_of(plan_of("validateorder"), "validateorder") == "events.py"


def test_an_imported_event_counts_and_is_one_event_however_often():
    module("library.py", "Load")
    write("flow_events.py", "from library import Load\nLOADED = Load\n")
    write("events.py", "from library import *\n")
    plan = plan_of("LOAD -> Load")
    assert result_of(plan, "LOAD") == result_of(plan, "Load") == "library.py"


def test_an_ambiguous_name_is_an_error():
    module("flow_events.py", "Load")
    module("events.py", "load")
    (fault,) = faults_of("LOAD")
    assert fault.message == (
        "the event 'LOAD' matches several that differ only in case: flow_events.Load, events.load"
    )


def test_all_faults_at_once_each_at_its_place():
    write(
        "events.py",
        EVENT
        + """
class NoProcess(EventBase):
    pass
class BadPolicy(EventBase):
    retry_policy = {"max_attempt": 3}
    def process(self): ...
class Needs(EventBase):
    def process(self, day, hour): ...
""",
    )
    flow = "Missing -> NoProcess\n  -> NoProcess -> BadPolicy -> Needs -> NoProces -> NoProcess * 2"
    faults = faults_of(flow)
    said = [(fault.where.rpartition("flow.pty:")[2], fault.code) for fault in faults]
    assert said == [
        ("1:1", "unknown-event"),
        ("1:12", "bad-event"),
        ("2:19", "bad-event"),
        ("2:32", "missing-input"),
        ("2:32", "missing-input"),
        ("2:41", "unknown-event"),
    ]
    assert faults[0].hint == "searched events; events there: NoProcess, BadPolicy, Needs"
    assert faults[5].hint == "did you mean 'NoProcess'?"
    assert "has no field 'max_attempt'; did you mean 'max_attempts'?" in faults[2].message
    assert "requires the argument 'day', which is not an input of flow" in faults[3].message


@pytest.mark.parametrize("imported", [True, False])
def test_an_operator_of_airflow_is_not_an_event(imported):
    text = "class BashOperator: ...\n" if imported else ""
    write("flow_events.py", EVENT + text + "@event\ndef A(): ...\n")
    (fault,) = faults_of("A -> BashOperator")
    assert fault.message == "there is no event 'BashOperator'"
    assert fault.hint is not None
    assert fault.hint.startswith("an Airflow operator is not an event: write an event that does")


def test_a_sensor_of_airflow_is_an_event_that_waits():
    write("flow_events.py", EVENT + "@event\ndef A(): ...\n")
    (fault,) = faults_of("FileSensor -> A")
    assert fault.hint == (
        'an Airflow sensor is not an event: call self.not_yet("no file") in the event, which is '
        "then called again: Event[every=60, within=3600]"
    )


def test_a_near_miss_comes_before_an_operator_of_airflow():
    write("flow_events.py", EVENT + "@event\ndef ReadSensor(): ...\n")
    (fault,) = faults_of("ReedSensor")
    assert fault.hint == "did you mean 'ReadSensor'?"


def test_nothing_to_search():
    (fault,) = faults_of("A")
    assert fault.hint == (
        "put the events into flow_events.py or events.py beside the file, or name their modules "
        "with @events"
    )


# Modules that cannot be imported.


@pytest.mark.parametrize(
    ("source", "message", "frames"),
    [
        ("def f():\n    raise ValueError('no')\nf()\n", "ValueError: no", 2),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", 1),
        ("import helpers\n", "ZeroDivisionError: division by zero", 2),
        ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'", 1),
        ("from helper import x\n", "ImportError: cannot import name 'x' from", 1),
        ("def f(:\n", "SyntaxError: invalid syntax (events.py, line 4)", 1),
    ],
)
def test_a_module_that_raises_is_one_fault_with_the_frames_of_the_user(source, message, frames):
    write("helpers.py", "1 / 0\n")
    write("helper.py", "")
    write(
        "events.py",
        "from pathlib import Path\nran = Path('ran')\n"
        "ran.write_text(ran.read_text() + 'x' if ran.exists() else 'x')\n" + source,
    )
    (fault,) = faults_of("A -> B -> A")
    assert fault.code == "broken-module"
    assert f"the module 'events' cannot be imported: {message}" in fault.message
    assert "_volnux_" not in fault.message
    assert fault.hint.count('File "') == frames
    assert "importlib" not in fault.hint
    assert "volnux/" not in fault.hint
    assert source.startswith("def f(:") or Path("ran").read_text() == "x"


def test_a_module_that_is_missing():
    (fault,) = faults_of("@events: nowhere.at_all\nA -> B")
    assert fault.message.startswith("there is no module 'nowhere.at_all' (looked in ")


# Folders.


def test_equal_names_in_two_folders_never_collide():
    for folder in ("one", "two"):
        write(f"{folder}/helpers.py", f"WHERE = {folder!r}\n")
        write(f"{folder}/late.py", f"WHERE = {'late ' + folder!r}\n")
        write(
            f"{folder}/events.py",
            EVENT
            + """
import helpers
import os.path as path
from helpers import WHERE as AGAIN
@event
def A():
    import late
    assert path.sep == "/"
    return True, (helpers.WHERE, AGAIN, late.WHERE)
""",
        )
    first, second = plan_of("A", "one/flow.pty"), plan_of("A", "two/flow.pty")
    assert result_of(first, "A") == ("one", "one", "late one")
    assert result_of(second, "A") == ("two", "two", "late two")


WORDS = """
from ..other import X
def word():
    import top
    return X + top.Y
"""


def test_packages_in_the_folder():
    write("shop/__init__.py", "from .parts import WORD\n")
    write("shop/parts.py", "from . import deep\nWORD = deep.word()\n")
    write(
        "shop/deep/__init__.py",
        "from ..other import X\ndef word():\n    import top\n    return X + top.Y\n",
    )
    write("shop/other.py", "X = 'x'\n")
    write("top.py", "Y = 'y'\n")
    write(
        "shop/events.py",
        EVENT + "import shop.parts\n@event\ndef A():\n    return True, shop.WORD\n",
    )
    assert result_of(plan_of("@events: shop.events\nA"), "A") == "xy"


def test_a_module_that_hides_one_of_the_standard_library_does_so_here_only():
    write("json.py", "HERE = True\n")
    write("events.py", EVENT + "import json\n@event\ndef A():\n    return True, json.HERE\n")
    assert result_of(plan_of("A"), "A") is True
    import json

    assert not hasattr(json, "HERE")


def test_a_folder_that_holds_volnux_itself_is_no_trap():
    write("volnux/__init__.py", "raise RuntimeError('a second copy')\n")
    module("events.py", "A")
    assert result_of(plan_of("A"), "A") == "events.py"


def test_a_file_that_the_program_has_imported_is_not_imported_twice(monkeypatch, own_folder):
    write("shared_models.py", "class Order: ...\n")
    write(
        "events.py",
        EVENT + "from shared_models import Order\n@event\ndef A():\n    return True, Order\n",
    )
    monkeypatch.syspath_prepend(str(own_folder))
    import shared_models

    assert result_of(plan_of("A"), "A") is shared_models.Order
    del sys.modules["shared_models"]


def test_a_data_folder_hides_no_module(monkeypatch, own_folder):
    (own_folder / "flow" / "csv").mkdir(parents=True)
    assert import_from(own_folder / "flow", "csv").__name__ == "csv"


# The plan.


def test_the_fingerprint_is_the_same_in_every_process(own_folder):
    module("events.py", "A", "B")
    plan = plan_of("A * 3 -> B[timeout=3]")
    program = (
        "from volnux.loading import load_plan; from pathlib import Path;"
        "print(load_plan(Path('flow.pty').resolve()).fingerprint)"
    )
    for seed in ("1", "2"):
        other = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert other.stdout.strip() == plan.fingerprint
    assert plan_of("A * 2 -> B[timeout=3]").fingerprint != plan.fingerprint


def test_a_condition_without_a_branch_is_a_warning():
    write(
        "events.py",
        EVENT + "@event(conditions={3: bool})\ndef A():\n    return True, 1\n"
        "@event\ndef B():\n    return True, 1\n",
    )
    (warning,) = plan_of("A (3 -> B) -> A").warnings
    assert warning.where.endswith("flow.pty:1:15")
    assert "A has a condition for descriptor 3, but no branch for it here" in warning.message
    assert len(plan_of("{A -> B}[again=3]").warnings) == 1, "once for all rounds"


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_classes_of_two_folders_pickle_to_processes(method):
    for folder in ("one", "two"):
        write(f"{folder}/helpers.py", f"class Box:\n    where = {folder!r}\n")
        write(
            f"{folder}/events.py",
            EVENT
            + f"""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from helpers import Box

class Pool(ProcessPoolExecutor):
    def __init__(self, max_workers):
        super().__init__(max_workers, mp_context=get_context({method!r}))

class A(EventBase):
    executor = Pool
    executor_config = {{"max_workers": 1}}
    def process(self, previous_result):
        assert previous_result is None or previous_result.where == {folder!r}
        return True, Box()
""",
        )
    from volnux_standalone import StandaloneBackend

    for folder in ("one", "two"):
        report = StandaloneBackend().run(plan_of("A |-> A", f"{folder}/flow.pty"), {})
        assert report.status == "success", report.places
        assert report.places["A__2"].result.where == folder


def test_a_module_that_the_program_loaded_itself_is_imported_in_a_shared_process(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "flow.pty").write_text("A")
        (tmp_path / folder / "events.py").write_text(
            "from volnux import event\n\n@event\ndef A():\n    return True, 1\n"
        )
    own = tmp_path / "one" / "own.py"
    own.write_text("def asks():\n    return __import__('own').__spec__.origin\n")
    program = (
        "import importlib.util, sys\n"
        "from volnux.loading import load_plan\n"
        "load_plan('one/flow.pty'), load_plan('two/flow.pty')\n"
        f"spec = importlib.util.spec_from_file_location('own', {str(own)!r})\n"
        "sys.modules['own'] = own = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(own)\n"
        "print(own.asks())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == str(own), done.stderr[-500:]

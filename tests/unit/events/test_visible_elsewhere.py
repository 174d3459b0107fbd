"""The classes of events in several modules, and on another machine."""

import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import volnux
from volnux.loading import load_plan
from volnux.values import to_json

BASE = """
    from volnux import EventBase

    class Base(EventBase):
        def process(self):
            return True, self.make()
"""

MAKE = """
    from dataclasses import dataclass

    from base import Base

    @dataclass
    class {name}Order:
        number: int

    class {name}(Base):
        def make(self):
            return {name}Order(1)
"""


@pytest.fixture
def plan():
    """A plan of two events in two modules, which inherit `process` from a third."""
    folder = Path("flows")
    folder.mkdir()
    (folder / "flow.pty").write_text("First -> Second\n")
    (folder / "flow_events.py").write_text("from first import First\nfrom second import Second\n")
    (folder / "base.py").write_text(textwrap.dedent(BASE))
    for name in ("First", "Second"):
        (folder / f"{name.lower()}.py").write_text(textwrap.dedent(MAKE.format(name=name)))
    return load_plan(folder / "flow.pty")


def test_the_modules_of_all_events_count_if_they_inherit_the_same_method(plan):
    for name in ("First", "Second"):
        module = plan.spec(name).target.__module__
        assert plan.visible.find(module, f"{name}Order").__name__ == f"{name}Order"


def test_a_spec_on_another_machine_knows_the_classes_of_the_other_events(plan):
    payload = pickle.dumps(plan.spec("Second"))
    shutil.move("flows", "moved")
    code = """
        import pickle, sys
        from pathlib import Path
        from volnux.events.modules import at_home

        with at_home(str(Path("moved").absolute())):
            spec = pickle.loads(sys.stdin.buffer.read())
        print(spec.visible.find("first", "FirstOrder").__name__)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, input=payload, capture_output=True)
    assert (done.stdout.decode().strip(), done.stderr.decode()) == ("FirstOrder", "")


PROXY = """
    from volnux import event

    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("outside of a request")

        def __getattr__(self, name):
            raise RuntimeError("outside of a request")

    request = Proxy()

    @event
    def First():
        return True, None
"""


def test_proxies_in_the_module_of_an_event_are_left_alone():
    Path("flow.pty").write_text("First\n")
    Path("flow_events.py").write_text(textwrap.dedent(PROXY))
    assert load_plan(Path("flow.pty")).visible.find("elsewhere", "Order") is None


@pytest.mark.parametrize("order", [("names", "nothing"), ("nothing", "names")])
def test_annotations_mean_the_module_of_their_own_folder(order):
    models = {
        "names": "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from decimal import Decimal\n@dataclass\nclass Order:\n    total: Decimal\n",
        "nothing": "Order = None\n",
    }
    events = """
        from volnux import event
        import models

        @event
        def First():
            return True, models.Order and models.Order(1)
    """
    results = {}
    for name in order:
        folder = Path(name)
        folder.mkdir()
        (folder / "models.py").write_text(models[name])
        (folder / "flow_events.py").write_text(textwrap.dedent(events))
        (folder / "flow.pty").write_text("First\n")
        results[name] = volnux.run(folder / "flow.pty").results["First"]
    data = to_json(results["names"])
    assert data["value"] == {"class": "models:Order", "fields": {"total": 1}}


def test_a_field_of_a_class_in_a_module_that_is_imported_as_a_whole():
    Path("flow.pty").write_text("First\n")
    Path("inner.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Inner:\n    x: int\n"
    )
    Path("outer.py").write_text(
        "from dataclasses import dataclass\nfrom inner import Inner\n"
        "@dataclass\nclass Outer:\n    inner: Inner\n"
    )
    Path("flow_events.py").write_text(
        "from volnux import event\nimport outer\n@event\ndef First(): return True, None\n"
    )
    visible = load_plan(Path("flow.pty")).visible
    assert visible.find("inner", "Inner").__name__ == "Inner"


NESTED = """
    from volnux import EventBase, event
    from shapes import Order

    def make():
        @event
        def First():
            return True, {"number": 1}

        class Second(EventBase):
            def process(self, previous_result: Order):
                return True, previous_result

        return First, Second

    First, Second = make()
"""

SHAPES = """
    from __future__ import annotations

    from dataclasses import dataclass

    @dataclass
    class Number:
        value: int

    @dataclass
    class Order:
        number: int
        {field}: Number | None = None
"""

TWO_FOLDERS = """
    import volnux
    from volnux.events.modules import home_of, module_of
    from volnux.loading import load_plan

    for folder in ("a", "b", "a"):
        plan = load_plan(f"{folder}/flow.pty")
        for spec in plan.specs:
            assert home_of(module_of(spec.target)).endswith(folder), spec
        report = volnux.run(f"{folder}/flow.pty")
        print(report.status, report.places["Second"].result)
"""


def test_events_defined_in_a_function_belong_to_their_own_folder():
    for name in ("a", "b"):
        folder = Path(name)
        folder.mkdir()
        (folder / "flow.pty").write_text("First |-> Second\n")
        (folder / "flow_events.py").write_text(textwrap.dedent(NESTED))
        (folder / "shapes.py").write_text(textwrap.dedent(SHAPES.format(field=f"{name}_extra")))
    code = textwrap.dedent(TWO_FOLDERS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        f"success Order(number=1, {name}_extra=None)" for name in ("a", "b", "a")
    ], done.stderr


MADE = """
    from volnux_prefect import task_event

    Base = task_event("shop_tasks:load")

    class First(Base):
        timeout = 5
"""

ONE_FLOW_EACH = """
    from volnux.events.modules import home_of, module_of
    from volnux.loading import load_plan

    for folder in ("a", "b", "a"):
        (spec,) = load_plan(f"{folder}/flow.pty").specs
        print([home_of(module_of(each))[-1] for each in spec.target.__mro__[:2]])
"""


def test_an_event_that_no_flow_names_belongs_to_the_folder_of_its_module():
    for name in ("a", "b"):
        folder = Path(name)
        folder.mkdir()
        (folder / "flow.pty").write_text("First\n")
        (folder / "flow_events.py").write_text(textwrap.dedent(MADE))
    code = textwrap.dedent(ONE_FLOW_EACH)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [str([name, name]) for name in ("a", "b", "a")], done.stderr

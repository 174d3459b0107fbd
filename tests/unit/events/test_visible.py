"""Which classes stored values may name: those that the modules of the events know."""

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from volnux.events.visible import Visible
from volnux.loading import load_plan

EVENTS = """
import enum
import subprocess
from dataclasses import dataclass
from typing import NamedTuple

import kitchen.knives
import lamps as lights
from colors import RED
from orders import Order
from tools import helper
from volnux import event

from given import Given


@dataclass
class Own:
    a: int

    class Inner(enum.Enum):
        X = 1


class Point(NamedTuple):
    x: int


class Plain:
    pass


@event
def Load(previous_result: "Given"):
    return True, Own(1)


@event
def Store(previous_result=None):
    return True, None
"""

MODULES = {
    "kitchen/__init__.py": "from kitchen.pots import Pot",
    "kitchen/knives.py": "from dataclasses import dataclass\n@dataclass\nclass Knife: a: int",
    "kitchen/pots.py": "from dataclasses import dataclass\n@dataclass\nclass Pot: a: int",
    "lamps.py": "import enum\nclass Lamp(enum.Enum): ON = 1",
    "colors.py": "import enum\nclass Color(enum.Enum):\n    RED = 1\nRED = Color.RED",
    "orders.py": (
        "from dataclasses import dataclass\n"
        "from items import Item\n"
        "@dataclass\nclass Order: items: 'list[Item]'\n"
        "@dataclass\nclass Invoice: a: int\n"
    ),
    "items.py": (
        "from dataclasses import dataclass\nfrom sizes import Size\n"
        "@dataclass\nclass Item: size: Size | None = None\n"
        "@dataclass\nclass Unused: a: int\n"
    ),
    "sizes.py": "import enum\nclass Size(enum.Enum): S = 1",
    "tools.py": (
        "from dataclasses import dataclass\n@dataclass\nclass Tool: a: int\n"
        "def helper(): return Tool(1)\n"
    ),
    "given.py": "from pydantic import BaseModel\nclass Given(BaseModel): a: int",
    "secret.py": "from dataclasses import dataclass\n@dataclass\nclass Hidden: a: int",
}


def write(folder, files):
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


@pytest.fixture
def plan():
    write(".", {"flow.pty": "Load |-> Store", "flow_events.py": EVENTS, **MODULES})
    return load_plan("flow.pty")


VISIBLE = [
    ("flow_events", "Own"),
    ("flow_events", "Own.Inner"),
    ("flow_events", "Point"),
    ("orders", "Order"),
    ("orders", "Invoice"),
    ("items", "Item"),
    ("sizes", "Size"),
    ("kitchen.knives", "Knife"),
    ("kitchen.pots", "Pot"),
    ("lamps", "Lamp"),
    ("colors", "Color"),
    ("tools", "Tool"),
    ("given", "Given"),
]


@pytest.mark.parametrize(("module", "name"), VISIBLE)
def test_what_the_modules_of_events_define_import_or_annotate(plan, module, name):
    found = plan.visible.find(module, name)
    assert (found.__module__, found.__qualname__) == (module, name)
    assert plan.visible.find(module, name) is found


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("flow_events", "Plain"),
        ("flow_events", "Load"),
        ("flow_events", "Nothing"),
        ("flow_events", "Own.a"),
        ("flow_events", "Own.__class__"),
        ("flow_events", ""),
        ("subprocess", "Popen"),
        ("items", "Unused"),
        ("secret", "Hidden"),
        ("os", "stat_result"),
        ("builtins", "eval"),
        ("", ""),
        ("orders", "Item"),
    ],
)
def test_nothing_else_is_visible(plan, module, name):
    assert plan.visible.find(module, name) is None
    assert "secret" not in sys.modules


def test_all_events_of_a_plan_see_the_same_classes(plan):
    assert len({id(spec.visible) for spec in plan.specs}) == 1


def test_a_worker_process_finds_the_same_classes(plan):
    """The object is pickled with the event; the worker imports the modules of the events."""
    Path("visible.pickle").write_bytes(pickle.dumps(plan.visible))
    program = (
        "import pickle, pathlib\n"
        "visible = pickle.loads(pathlib.Path('visible.pickle').read_bytes())\n"
        f"for module, name in {VISIBLE}:\n"
        "    found = visible.find(module, name)\n"
        "    assert (found.__module__, found.__qualname__) == (module, name)\n"
        "print(visible.find('secret', 'Hidden'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "None\n", done.stderr


def test_a_class_made_in_main():
    write(
        ".",
        {
            "program.py": """
                from dataclasses import dataclass
                from volnux import event
                from volnux.testing import run

                @dataclass
                class Own:
                    a: int

                @event
                def Load():
                    return True, [Own(3)]

                @event
                def Store(previous_result):
                    return True, previous_result

                if __name__ == "__main__":
                    report = run(text="Load |-> Store", events=[Load, Store], portable=True)
                    print(report.results["Store"] == [Own(3)], report.status)
                """
        },
    )
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "True success\n", done.stderr


def test_two_folders_with_modules_of_the_same_name():
    plans = []
    for folder, field in (("one", "a"), ("two", "b")):
        write(
            folder,
            {
                "flow.pty": "Load",
                "flow_events.py": """
                    from shapes import Shape
                    from volnux import event

                    @event
                    def Load():
                        return True, Shape(1)
                    """,
                "shapes.py": f"""
                    from dataclasses import dataclass

                    @dataclass
                    class Shape:
                        {field}: int
                    """,
            },
        )
        plans.append(load_plan(f"{folder}/flow.pty"))
    found = [plan.visible.find("shapes", "Shape") for plan in plans]
    assert [list(each.__dataclass_fields__) for each in found] == [["a"], ["b"]]
    for plan, cls in zip(plans, found, strict=True):
        again = pickle.loads(pickle.dumps(plan.visible)).find("shapes", "Shape")
        assert list(again.__dataclass_fields__) == list(cls.__dataclass_fields__)


def test_a_result_of_a_class_that_the_events_do_not_know_is_refused():
    write(
        ".",
        {
            "flow.pty": "Load |-> Store",
            "flow_events.py": """
                from volnux import event

                @event
                def Load():
                    import secret
                    return True, [secret.Hidden(1)]

                @event
                def Store(previous_result):
                    return True, None
                """,
            "secret.py": MODULES["secret.py"],
        },
    )
    from volnux.backends import RunOptions, get_backend

    plan = load_plan("flow.pty")
    report = get_backend("standalone").run(plan, {}, RunOptions(portable=True))
    assert report.places["Load"].failure.message == (
        "the result of Load[0] is of type secret.Hidden, which no module of events defines or "
        "imports: import the class in the module of the event"
    )


def test_without_events_nothing_is_visible():
    assert Visible().find("orders", "Order") is None

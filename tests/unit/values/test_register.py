"""Classes that users and packages register."""

import importlib
import subprocess
import sys
import textwrap

import pytest

from volnux.strictjson import FormatError
from volnux.values import NotPortableError, dumps, loads, register, to_json


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None


class Corner(Point):
    pass


class Line:
    def __init__(self, ends):
        self.ends = ends


def register_point(**given):
    register(Point, lambda point: (point.x, point.y), lambda pair: Point(*pair), **given)


def test_a_registered_class_is_written_and_read_with_its_functions():
    register_point()
    assert to_json([Point(1, 2)]) == [
        {
            "$volnux": "tests.unit.values.test_register.Point",
            "value": {"$volnux": "tuple", "value": [1, 2]},
        }
    ]
    for value in (Point(1, 2), [Point({3}, None)], (Point(0, 0),)):
        assert loads(dumps(value)) == value


def test_what_is_written_may_have_registered_classes_inside():
    register_point()
    register(Line, lambda line: {"ends": line.ends}, lambda data: Line(data["ends"]), name="line")
    assert '"$volnux":"line"' in dumps(Line([]))
    assert loads(dumps(Line([Point(0, 0), Point(1, 1)]))).ends == [Point(0, 0), Point(1, 1)]


def test_a_subclass_is_not_included():
    register_point()
    with pytest.raises(NotPortableError, match=r"is of type .*\.Corner: return a value"):
        dumps(Corner(1, 2))


def test_registering_again_replaces_the_functions():
    register_point()
    register(Point, lambda point: point.x, lambda x: Point(x, 0))
    try:
        assert loads(dumps(Point(1, 2))) == Point(1, 0)
    finally:
        register_point()


@pytest.mark.parametrize("name", ["decimal", "model", "volnux.failure", "taken"])
def test_a_name_belongs_to_one_class(name):
    register(Line, lambda line: line.ends, Line, name="taken")
    with pytest.raises(ValueError, match=f"the name '{name}' belongs to .*: choose another name"):
        register_point(name=name)


def test_a_module_that_is_imported_again_registers_its_new_class(tmp_path, monkeypatch):
    (tmp_path / "shapes_again.py").write_text(
        textwrap.dedent("""
        from volnux.values import register

        class Round:
            def __init__(self, radius):
                self.radius = radius

        register(Round, lambda each: each.radius, Round)
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    first = importlib.import_module("shapes_again")
    text = dumps(first.Round(3))
    monkeypatch.delitem(sys.modules, "shapes_again")
    again = importlib.import_module("shapes_again")
    assert type(loads(text)) is again.Round
    with pytest.raises(NotPortableError):
        dumps(first.Round(3))


def test_a_reader_that_fails_is_a_format_error():
    register(Line, lambda line: line.ends, lambda ends: Line(ends["missing"]), name="broken line")
    with pytest.raises(FormatError, match="the 'read' that is registered for broken line failed: "):
        loads(dumps(Line({})))


@pytest.fixture
def installed(tmp_path):
    """Installs a package with an entry point, and returns what a program prints."""

    def run(body, program):
        site = tmp_path / "site"
        info = site / "geometry-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: geometry\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[volnux.values]\ngeometry = geometry.stored:add\n")
        (site / "geometry").mkdir()
        (site / "geometry" / "__init__.py").write_text(
            "class Circle:\n    def __init__(self, radius): self.radius = radius\n"
        )
        (site / "geometry" / "stored.py").write_text(textwrap.dedent(body))
        return subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.append({str(site)!r})\n{program}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


ADD = """
from geometry import Circle
from volnux.values import register

def add():
    print("added")
    register(Circle, lambda circle: circle.radius, Circle, name="geometry.circle")
"""


def test_a_package_registers_its_classes_once_for_writing_and_reading(installed):
    done = installed(
        ADD,
        "from geometry import Circle\n"
        "from volnux.values import dumps, loads\n"
        "print(dumps([1]))\n"
        "print(dumps([Circle(2)]))\n"
        'print(loads(\'{"$volnux": "geometry.circle", "value": 5}\').radius)\n',
    )
    assert done.stdout.splitlines() == [
        "[1]",
        "added",
        '[{"$volnux":"geometry.circle","value":2}]',
        "5",
    ], done.stderr


def test_a_reader_that_has_not_imported_the_package_finds_it(installed):
    done = installed(
        ADD,
        "from volnux.values import loads\n"
        'print(loads(\'{"$volnux": "geometry.circle", "value": 5}\').radius)\n',
    )
    assert done.stdout.splitlines() == ["added", "5"], done.stderr


def test_an_entry_point_that_fails_is_named(installed):
    done = installed(
        "def add(): raise OSError('no disk')\n",
        "from volnux.values import dumps\n"
        "for _ in range(2):\n"
        "    try: dumps([object()])\n"
        "    except TypeError as error: print(error)\n",
    )
    first, second = done.stdout.splitlines()
    assert (
        "the entry point 'geometry' of the group 'volnux.values' failed: OSError: no disk" in first
    )
    assert second == first


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("Point", str, Point), TypeError, "register takes a class, found str 'Point'"),
        ((Point, 1, Point), TypeError, "'write' and 'read' must be functions"),
        ((list, str, list), ValueError, "volnux itself stores values of type list"),
        ((set, list, set), ValueError, "volnux itself stores values of type set"),
    ],
)
def test_wrong_arguments_of_register(arguments, error, message):
    with pytest.raises(error, match=message):
        register(*arguments)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _: 1 / 0, "whose 'write' failed: ZeroDivisionError: division by zero: correct"),
        (lambda corner: corner, "whose 'write' returned another instance of it: let it return"),
    ],
)
def test_a_function_that_fails_is_named_with_the_path(write, message):
    register(Corner, write, Corner, name="shop.corner")
    with pytest.raises(
        NotPortableError, match=r"value\['a'\]\[0\] is of type shop.corner, " + message
    ):
        to_json({"a": [Corner(1, 2)]})


def test_what_reads_may_fail():
    register(Corner, lambda corner: corner.x, lambda x: Corner(x["y"]), name="shop.corner")
    with pytest.raises(FormatError, match=r"registered for shop.corner failed: TypeError: "):
        loads(dumps(Corner(1, 2)))

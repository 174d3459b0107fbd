"""Python text that is generated from a user's names and texts."""

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from volnux.pysource import (
    Imports,
    Names,
    PythonSourceError,
    assigned,
    call,
    checked,
    docstring,
    has_literal,
    identifier,
    is_name,
    laid_out,
    list_of,
    literal,
    mapping_of,
    module_source,
    one_line,
    quoted,
    snake,
)
from volnux.testing.hostile import TEXTS

ANY = st.text(st.one_of(st.characters(), st.sampled_from("\"\\\n\r'{}%")))
"""Any text: lone surrogates, as in names of files that are not UTF-8, are among them."""


def with_hostile_texts(test):
    for text in (*TEXTS, "\ud800", "caf\udce9", '"', '""""', "\\\\", "\n\n", "\\\n", "\0"):
        test = example(text)(test)
    return test


@given(ANY)
@with_hostile_texts
def test_a_text_is_never_code(text):
    assert ast.literal_eval(quoted(text)) == text
    assert ast.literal_eval(docstring(text)) == text
    # In a file, too, and in the comment above.
    module = f"# {one_line(text)}\n{docstring(text)}\nx = {quoted(text)}\n".encode()
    tree = ast.parse(module)
    assert [type(each) for each in tree.body] == [ast.Expr, ast.Assign]
    assert ast.get_docstring(tree, clean=False) == text


@given(st.lists(ANY, min_size=1))
@with_hostile_texts
def test_names_never_collide(texts):
    names = Names(["run"])
    found = [names.fresh(text, f"{text}_task") for text in texts]
    assert len(set(found)) == len(found)
    for name in found:
        assert name.isidentifier()
        compile(f"{name} = 1", "", "exec")
    assert not {"run", "list", "class", "match", "None"} & set(found)


@pytest.mark.parametrize(
    ("name", "variable"),
    [("LoadCSV__2", "load_csv_2"), ("billing.Charge", "billing_charge"), ("x-y", "x_y")],
)
def test_names_of_variables(name, variable):
    assert snake(name) == variable


def test_imports_are_kept_apart():
    names = Names(["Run"])
    imports = Imports(names, {"": ["importlib", "datetime"], "host": ["DAG", "Run", "unused"]})
    assert imports.own("DAG") == "DAG"
    assert imports.own("Run") == "Run_2"
    assert imports.user("shop.events", "Load") == "Load"
    assert imports.user("events", "Load") == "Load_2"
    assert imports.user("events", "Load") == "Load_2"
    assert imports.user("events", "DAG") == "DAG_2"
    assert imports.user("events", "unused") == "unused_2"
    assert imports.user("my-flow_events", "Load") == "my_flow_events.Load"
    assert imports.user("01_events", "class") == 'getattr(_01_events, "class")'
    assert imports.user("a.import", "list") == "a_import.list"
    assert list(imports.lines()) == [
        "import importlib",
        "",
        "from host import DAG",
        "from host import Run as Run_2",
        "",
        "from events import DAG as DAG_2",
        "from events import Load as Load_2",
        "from events import unused as unused_2",
        "from shop.events import Load",
        "",
        'my_flow_events = importlib.import_module("my-flow_events")',
        '_01_events = importlib.import_module("01_events")',
        'a_import = importlib.import_module("a.import")',
    ]


def test_a_text_that_python_cannot_compile_is_refused():
    text = "".join(f"{' ' * depth}with x:\n" for depth in range(30)) + " " * 30 + "y"
    with pytest.raises(
        PythonSourceError, match=r"^deep\.pty cannot be written as Python: too many"
    ):
        checked(text, "deep.pty")


def test_long_expressions_are_spread_over_lines():
    short = call("f", literal(1), name=literal(("x",)), left_out=None)
    assert assigned("a", short) == 'a = f(1, name=("x",))'
    names = [f"x{number:02}" for number in range(17)]
    assert assigned("a", list_of(names)) == "\n".join(
        ["a = [", *(f"    {name}," for name in names), "]"]
    )
    assert assigned("a", call("f", *names)) == (
        "a = f(\n"
        "    x00, x01, x02, x03, x04, x05, x06, x07, x08, x09, x10, x11, x12, x13, x14, x15, x16\n"
        ")"
    )
    items = [("short", "1"), ("long", literal(["x" * 40, "y" * 40]))]
    assert laid_out(mapping_of(items), before="with ", after=":") == (
        "with {\n"
        '    "short": 1,\n'
        '    "long": [\n'
        f'        "{"x" * 40}",\n'
        f'        "{"y" * 40}",\n'
        "    ],\n"
        "}:"
    )


def test_a_call_takes_any_name():
    assert laid_out(call("f", function="1", self="2")) == "f(function=1, self=2)"


@given(st.recursive(st.none() | st.booleans() | st.floats() | ANY, st.lists))
def test_a_value_with_a_literal_is_the_same_in_python(value):
    if has_literal(value):
        assert ast.literal_eval(laid_out(literal(value))) == value
    else:
        assert "nan" in repr(value) or "inf" in repr(value)


def test_a_module_without_imports():
    assert module_source("About.", Imports(Names(), {}), ["x = 1"]) == '"""About."""\n\nx = 1\n'


@pytest.mark.parametrize(
    ("wanted", "found"), [("a b", "a_b"), ("3x", "_3x"), ("é", "_"), ("", "_"), ("x", "x")]
)
def test_identifiers(wanted, found):
    assert identifier(wanted) == found
    assert is_name(found)

"""Python text made from a user's names and texts."""

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from volnux.pythontext import (
    Imports,
    Names,
    PythonTextError,
    checked,
    docstring,
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
    assert list(imports.lines(88)) == [
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
    with pytest.raises(PythonTextError, match=r"^deep\.pty cannot be written as Python: too many"):
        checked(text, "deep.pty")

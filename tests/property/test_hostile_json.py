"""JSON of any shape is either read correctly or refused with a `FormatError`."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from volnux.errors import VolnuxError
from volnux.graph import FormatError, Graph, RunReport, compile, simulate
from volnux.graph.draw import mermaid
from volnux.pointy import parse
from volnux.pointy.program import Program
from volnux.testing import load_case

FLOW = """\
@schedule: @daily
@tags: a
@input: x: dict = {"k": [1, "two"]}
A * 2 [pool="p"] |-> {B || C} (0 |-> D)
"""

CASE = {
    "about": "all of it",
    "shows": ["chain"],
    "events": {"A": {"form": "function", "retry_policy": {"max_attempts": 2}, "bypass": 1}},
    "script": {"A": {"descriptor": [0, 1], "raises": [None, "ValueError"], "reads": ["x"]}},
    "inputs": {"x": {"k": 1}},
    "modules": {"m": ["A"]},
    "expected": {
        "status": "success",
        "places": {"A": {"state": "done", "failure": {"type": "E"}, "lasts": 0.5}},
        "warnings": [{"code": "w", "line": 1}],
        "refused": [{"code": "r"}],
        "together": ["A"],
    },
}

HOSTILE = [
    *(None, True, 0, -1, 7.5, 10**30, 10**3000, float("nan"), float("inf")),
    *("", "x", "\ud800", "\0", "2026-01-01", [], {}, [[]], [None], {"": None}, {"0": 1}),
]

USING = """\
@use: clean = "clean.pty"
@input: t: str = "x"
A |-> clean(table=t, more=["y", t])[each=x] -> clean (0 -> B)
"""
USED = """\
@use: repair = "repair.pty"
@events: shop.events
@input: table: str = "a"
@input: more: list = []
@variable: region: str = "eu"
@secret: token
repair -> {Parse(where=region)}[task=tidy, again=2]
"""
PROGRAM = Program(
    (parse(USING, "main.pty"), parse(USED, "clean.pty"), parse("M", "repair.pty")),
    ({"clean": 1}, {"repair": 2}, {}),
)

graph = compile(parse(FLOW, "flow.pty"))
using = compile(PROGRAM)


def read_graph(data: object, _: Path) -> object:
    made = Graph.from_json(json.dumps(data))
    assert Graph.from_json(made.to_json()) == made
    return made


def read_using(data: object, folder: Path) -> object:
    """Read a graph, and look at what depends on its uses."""
    made = read_graph(data, folder)
    assert isinstance(made, Graph)
    topology = made.topology
    for use in topology.use_of:
        topology.uses_around(use)
    assert len(made.filenames) <= len(made.files) + 1
    list(made.all_variables), list(made.all_secrets)
    for ways in ("open", "closed"):
        assert mermaid(made, uses=ways).count("subgraph") == mermaid(made, uses=ways).count("end\n")
    return made


def read_report(data: object, _: Path) -> object:
    made = RunReport.from_json(data)
    assert RunReport.from_json(made.to_json()).to_json() == made.to_json()
    return made


def read_case(data: object, folder: Path) -> object:
    (folder / "flow.pty").write_text("A\n")
    (folder / "case.json").write_text(json.dumps(data))
    return load_case(folder)


FORMATS = [
    pytest.param(read_graph, json.loads(graph.to_json()), id="graph"),
    pytest.param(read_using, json.loads(using.to_json()), id="graph with uses"),
    pytest.param(read_report, simulate(graph, outcomes={"B": 0}).to_json(), id="report"),
    pytest.param(read_case, CASE, id="case"),
]


def places(data: object) -> Iterator[tuple[object, object]]:
    """Every list or dict in a value, with every key of it."""
    if isinstance(data, dict | list):
        for key in list(data if isinstance(data, dict) else range(len(data))):
            yield data, key
            yield from places(data[key])


def changed(data: object, number: int, change: Callable[[object, object], None]) -> object:
    """A copy with a change at one of its places."""
    data = copy.deepcopy(data)
    change(*list(places(data))[number])
    return data


def check(read: Callable[[object, Path], object], data: object, folder: Path) -> None:
    try:
        read(data, folder)
    except FormatError as error:
        text = str(error)
        assert isinstance(error, VolnuxError)
        assert error.path in text
        assert len(text) < 500, text
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}\n{str(data)[:2000]}") from error


@pytest.mark.parametrize(("read", "data"), FORMATS)
def test_one_change_of_any_kind_at_any_place(read, data, tmp_path):
    read(data, tmp_path)
    count = len(list(places(data)))
    for number in range(count):
        for value in random.Random(number).sample(HOSTILE, 7 if count < 500 else 2):
            check(
                read,
                changed(data, number, lambda at, key, v=value: at.__setitem__(key, v)),
                tmp_path,
            )
        check(read, changed(data, number, lambda at, key: at.__delitem__(key)), tmp_path)
    for value in HOSTILE:
        check(read, value, tmp_path)


@pytest.mark.parametrize(("read", "data"), FORMATS)
def test_many_changes_at_once(read, data, tmp_path):
    for seed in range(200):
        chosen = random.Random(seed)
        made = copy.deepcopy(data)
        for _ in range(chosen.randrange(1, 6)):
            at, key = chosen.choice([*places(made), ({"": made}, "")])
            other, known = chosen.choice([*places(made), ({"": None}, "")])
            value = copy.deepcopy(chosen.choice([other[known], chosen.choice(HOSTILE)]))
            if isinstance(at, dict) and chosen.random() < 0.3:
                key = chosen.choice(["kind", "state", "x", "0", ""])
            at[key] = value
        check(read, made, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[NaN]", "JSON has no NaN"),
        ("[-1e999]", "the number -1e999 is too large"),
        (f"[{'1' * 3011}]", "more than 3010 digits"),
        ('["\\ud800"]', "one half of a surrogate pair"),
        ('{"\\udc80": 1}', "one half of a surrogate pair"),
        ("[" * 100_000, "nested too deep"),
        ('{"format_version": 1', "this is not JSON: Expecting ',' delimiter (line 1, column 21)"),
        (b'"\xff"', "this is not JSON: it is not UTF-8"),
    ],
)
def test_text_that_is_no_json_of_ours(text, message):
    with pytest.raises(FormatError) as refused:
        Graph.from_json(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("read", "data", "way", "value", "message"),
    [
        (*FORMATS[0].values, "nodes 0 kind", "task", "nodes.0.kind: expected 'event', 'jo"),
        (*FORMATS[0].values, "nodes 0 colour", 1, "nodes.0.colour: there is no such key"),
        (*FORMATS[1].values, "uses 0 first", "no", "the use 'clean' has no nodes"),
        (*FORMATS[1].values, "uses 1 of", 0, "the use 'clean.repair' is of a text that does not"),
        (*FORMATS[1].values, "uses 1 within", None, "'clean.repair' is not inside of the use"),
        (*FORMATS[1].values, "uses 0 within", 1, "'clean' is not inside of the use that it says"),
        (*FORMATS[1].values, "uses 0 last", "clean__2.repair.M", "is not inside of the use that"),
        (*FORMATS[1].values, "uses 0 arguments 0 names 0 path", [1], "of 'clean' has a name at a"),
        (*FORMATS[1].values, "nodes 0 file", 3, "a part is in a text that does not exist"),
        (*FORMATS[1].values, "names clean", 0, "stands for a text that does not exist"),
        (*FORMATS[1].values, "files 0 uses repair", 7, "stands for a text that does not exist"),
        (*FORMATS[1].values, "files 0 text", "x", "files.0.text: expected a dict"),
        (*FORMATS[2].values, "places A state", "gone", "places.A.state: expected 'done', 'skip"),
        (*FORMATS[2].values, "places A", {}, "places.A.event: it is missing"),
        (*FORMATS[2].values, "started_at", 7, "started_at: expected a moment in ISO form, found 7"),
        (*FORMATS[2].values, "format_version", 4, "of format version 1 to 3 was expected, found 4"),
        (*FORMATS[3].values, "script A delay", "x", "script.A.delay: expected a number"),
        (*FORMATS[3].values, "script A raises", [7], "script.A.raises.0: expected a string"),
    ],
)
def test_the_error_says_where_and_what(read, data, way, value, message, tmp_path):
    data = inner = copy.deepcopy(data)
    *front, last = [int(part) if part.isdigit() else part for part in way.split()]
    for part in front:
        inner = inner[part]
    inner[last] = value
    with pytest.raises(FormatError) as refused:
        read(data, tmp_path)
    assert message in str(refused.value)

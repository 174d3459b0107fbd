"""The graph's JSON: its content, what is refused, and what the fingerprint covers."""

import datetime as dt
import json
import pickle
from dataclasses import replace

import pytest

from tests.unit.graph.running import ANY, graph
from volnux.graph import Graph, GraphFormatError, compile
from volnux.graph.model import InputSpec
from volnux.pointy import parse

FLOW = "A |-> {B || C} (0 -> D) -> E"


def fingerprint(text: str, filename: str = "flow.pty") -> str:
    return compile(parse(text, filename=filename)).fingerprint


@pytest.mark.parametrize(
    "texts",
    [
        ["A -> B", "A->B", "# why\nA # this\n->\n\n B\r\n", "{A} -> B", "{A -> B}", "(A -> (B))"],
        ["A * 3", "3 * A", "A[retry_attempts=3]", "{A} * 3", "A[retry_attempts=3,]"],
        ["A (0 -> B, 1 -> C)", "A(0->B,1->C,)"],
        ["A[timeout=3, priority=2]", "A[priority=2, timeout=3]"],
        ["@tags: a, b\n@catchup: true\nA", "@catchup: true\n@tags: a,b\nA"],
        ["A", "@name: flow\nA"],
    ],
    ids=lambda texts: texts[0],
)
def test_one_meaning_has_one_fingerprint(texts):
    assert {fingerprint(text) for text in texts} == {fingerprint(texts[0])}


def test_different_meanings_have_different_fingerprints():
    texts = [
        "A",
        "B",
        "A * 2",
        "A * 3",
        "A[timeout=3]",
        "A[timeout=4]",
        "A[pool=x]",
        "A -> A",
        "A |-> A",
        "A || A",
        f"{{A || A}}{ANY}",
        "{A || A}[evaluation=FAILURE_FOR_ALL_EVENTS_FAILURE]",
        "A (0 -> A)",
        "A (1 -> A)",
        "A (1 |-> A)",
        "A (3 -> A)",
        "{A} (1 -> A)",
        "@on-failure: continue\nA",
        "@name: other\nA",
        "@description: x\nA",
        "@schedule: @daily\nA",
        "@schedule: @daily\n@timezone: Europe/Berlin\nA",
        "@input: a: int\nA",
        "@input: a: int = 1\nA",
        "@input: a: str\nA",
        "@events: m\nA",
    ]
    assert len({fingerprint(text) for text in texts}) == len(texts)


def test_the_folder_is_not_in_the_fingerprint_and_the_name_is():
    assert fingerprint("A", "here/flow.pty") == fingerprint("A", "/far/away/flow.pty")
    assert fingerprint("A", "flow.pty") != fingerprint("A", "other.pty")


def test_json_is_for_people_too():
    data = json.loads(graph("A |-> B").to_json(indent=2))
    assert data["format_version"] == 4
    assert [node["id"] for node in data["nodes"]] == ["A", "B"]
    assert graph("A |-> B").to_json(indent=2) == json.dumps(data, indent=2)
    assert data["edges"] == [{"source": "A", "target": "B", "when": [1]}]
    assert data["values"][0] == {"kind": "result", "node": "A", "of": [], "when": None}
    assert data["nodes"][1]["receives"] == 0
    assert data["result"] == 1
    assert data["source"] == {"filename": "flow.pty", "text": "A |-> B"}


def test_every_kind_of_default_survives():
    flow = graph('@input: a: list = [1, null, {"b": 2.5}]\n@input: c: str = "ü"\nA')
    assert Graph.from_json(flow.to_json()) == flow


def test_a_default_that_is_not_json_is_shown():
    flow = replace(
        graph("A"),
        inputs=(
            InputSpec("day", "date", required=False, default=dt.date(2026, 1, 2)),
            InputSpec("kind", "any", required=False, default=object),
            InputSpec("rate", "float", required=False, default=float("inf")),
        ),
    )
    defaults = [item.default for item in Graph.from_json(flow.to_json()).inputs]
    assert defaults == [
        "2026-01-02",
        {"type": "type", "repr": "<class 'object'>"},
        {"type": "float", "repr": "inf"},
    ]
    assert len(flow.fingerprint) == 64


def changed(path: str, value: object) -> str:
    """The JSON of a flow with one thing in it replaced (`nodes.0.id`)."""
    data = json.loads(graph(FLOW).to_json())
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner = data
    for part in way:
        inner = inner[part]
    inner[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is not JSON"),
        ("{", "this is not JSON"),
        (b"\xff\xfe\xfa", "this is not JSON"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "not a graph of format version 4"),
        ("{}", "not a graph of format version 4"),
        (changed("format_version", 3), "not a graph of format version 4"),
        (changed("nodes.0.colour", "red"), "colour"),
        (changed("nodes.0.kind", "task"), "kind"),
        (changed("nodes", None), "nodes"),
        (changed("nodes.0.id", "B"), "two nodes have the same id"),
        (changed("nodes.0.event", None), "'A' must have an event name"),
        (changed("nodes.1.receives", 99), "'B' receives a value that does not exist"),
        (changed("nodes.3.first", "Q"), "'catch-1' must have a first node"),
        (changed("nodes.3.first", None), "'catch-1' must have a first node"),
        (changed("edges.0.target", "Q"), "from 'A' to 'Q' does not lead forward"),
        (changed("edges.0.source", "Q"), "from 'Q' to 'B' does not lead forward"),
        ({"format_version": 1}, "expected a JSON text, found a value of type dict"),
        (changed("edges.0.target", "A"), "from 'A' to 'A' does not lead forward"),
        (changed("edges.0.when", [10]), "a descriptor that is not from 0 to 9"),
        (changed("values.0.node", "Q"), "the value 0 uses a node"),
        (changed("values.0.of", [0]), "the value 0 uses a node"),
        (changed("groups.0.last", "Q"), "a group has nodes that do not exist"),
        (changed("groups.0.arms", ["B", "Q"]), "a group has nodes that do not exist"),
        (changed("result", 99), "its result is a value that does not exist"),
    ],
)
def test_what_is_no_graph_is_refused(text, message):
    with pytest.raises(GraphFormatError, match=message):
        Graph.from_json(text)


def test_a_graph_keeps_the_file_that_it_was_compiled_from():
    file = parse(FLOW)
    text = replace(compile(file), name="other").source
    assert text is not None
    assert text.file is file


@pytest.mark.parametrize(
    "copy",
    [lambda it: pickle.loads(pickle.dumps(it)), lambda it: Graph.from_json(it.to_json())],
    ids=["pickle", "JSON"],
)
def test_a_copy_of_a_graph_parses_its_text_again(copy):
    flow = graph(FLOW)
    again = copy(flow)
    assert again == flow
    assert again.source.file == flow.source.file


def test_the_text_travels_with_the_graph():
    flow = Graph.from_json(graph(FLOW).to_json())
    assert flow.source is not None
    assert flow.source.source().line(1) == FLOW


@pytest.mark.parametrize("name", ["at_once", "batch"])
def test_an_each_that_would_start_no_copy_is_refused(name):
    data = json.loads(graph("A |-> B[each=x]").to_json())
    data["eaches"][0][name] = 0
    with pytest.raises(GraphFormatError, match="at_once and batch of 'each-1' must be at least 1"):
        Graph.from_json(json.dumps(data))


def test_a_task_that_ends_before_it_begins_is_refused():
    data = json.loads(graph("{A -> B}[task=t]").to_json())
    task = data["tasks"][0]
    task["first"], task["last"] = task["last"], task["first"]
    with pytest.raises(GraphFormatError, match="a task ends before it begins"):
        Graph.from_json(json.dumps(data))

"""Used files in the graph: its shape, positions, JSON and fingerprint."""

import json
import pickle
from dataclasses import replace

import pytest

from volnux.errors import VolnuxError
from volnux.graph import Graph, GraphFormatError, Kind, compile
from volnux.graph.names import check_names
from volnux.graph.part import part_of
from volnux.graph.topology import ROOT
from volnux.graph.walk import EventName
from volnux.pointy import parse
from volnux.pointy.tree import Evaluation
from volnux.testing.texts import program_of

CLEAN = {"shared/clean.pty": "Parse |-> Save\n"}
USE = '@use: clean = "shared/clean.pty"\n'
TWO = {
    "one/outer.pty": '@input: n: int = 1\n@use: inner = "inner.pty"\nA -> inner(m=n)\n',
    "one/inner.pty": "@input: m: int\nB || C\n",
}
OUTER = '@use: outer = "one/outer.pty"\n'


def graph(text, files=CLEAN, name="flow.pty", **options):
    return compile(program_of(name, text, files), **options)


def places(flow):
    return [node.id for node in flow.places()]


def test_a_file_with_uses_needs_its_program():
    with pytest.raises(ValueError, match="uses other files"):
        compile(parse(USE + "clean"))


def test_each_use_has_its_places_and_its_nodes():
    flow = graph(USE + "A -> clean -> clean |-> B")
    assert places(flow) == [
        "A", "clean.Parse", "clean.Save", "clean__2.Parse", "clean__2.Save", "B",
    ]  # fmt: skip
    first, second = flow.uses
    assert (first.place, first.first, first.last) == ("clean", "clean.Parse", "clean.Save")
    assert (second.place, second.first, second.last) == (
        "clean__2", "clean__2.Parse", "clean__2.Save",
    )  # fmt: skip
    assert [(use.name, use.file, use.of, use.within) for use in flow.uses] == [
        ("clean", 0, 1, None)
    ] * 2
    assert flow.topology.use_of == [ROOT, 0, 0, 1, 1, ROOT]
    assert [node.file for node in flow.nodes] == [0, 1, 1, 1, 1, 0]


def test_a_use_has_the_shape_of_its_flow_in_braces():
    text = "A |-> {0} * 2 (0 |-> B, 1 -> C) -> D"
    flow = graph(USE + text.replace("{0}", "clean"))
    braces = compile(parse(text.replace("{0}", "{Parse |-> Save}")))
    assert [node.id.replace("clean.", "") for node in flow.nodes] == [n.id for n in braces.nodes]
    assert [
        (edge.source.replace("clean.", ""), edge.target.replace("clean.", ""), edge.when)
        for edge in flow.edges
    ] == [(edge.source, edge.target, edge.when) for edge in braces.edges]
    assert [value.kind for value in flow.values] == [value.kind for value in braces.values]
    assert [node.retry for node in flow.nodes] == [node.retry for node in braces.nodes]


def test_uses_within_each_other():
    flow = graph(OUTER + "outer -> outer(n=3)", TWO)
    assert [(use.place, use.file, use.of, use.within) for use in flow.uses] == [
        ("outer", 0, 1, None),
        ("outer.inner", 1, 2, 0),
        ("outer__2", 0, 1, None),
        ("outer__2.inner", 1, 2, 2),
    ]
    assert [str(argument) for use in flow.uses for argument in use.arguments] == ["n", "3", "n"]
    use_of = flow.topology.use_of
    assert use_of == [0, 1, 1, 2, 3, 3]
    assert flow.topology.uses_around(use_of[-1]) == [2, 3]
    assert flow.topology.uses_around(ROOT) == []


def test_a_round_of_a_use_is_a_use_of_its_own():
    flow = graph(USE + "clean[again=2]")
    assert places(flow) == ["clean.Parse", "clean.Save", "clean.Parse.2", "clean.Save.2"]
    assert [(use.place, use.first) for use in flow.uses] == [
        ("clean", "clean.Parse"),
        ("clean", "clean.Parse.2"),
    ]
    (span,) = {use.span for use in flow.uses}
    assert flow.topology.use_at[ROOT, span] == 0


def test_positions_are_found_in_each_use():
    flow = graph(USE + "clean -> clean")
    parse_span = flow.nodes[0].span
    found = [flow.topology.node_at[use, parse_span].id for use in range(2)]
    assert found == ["clean.Parse", "clean__2.Parse"]
    spans = [use.span for use in flow.uses]
    assert [flow.topology.use_at[ROOT, span] for span in spans] == [0, 1]


def test_a_group_that_begins_with_a_use_belongs_to_its_own_text():
    flow = graph(OUTER + "{outer || X}", TWO)
    spans = {(use, span.line) for use, span in flow.topology.group_at if span}
    assert spans == {(ROOT, 2), (1, 2)}


def test_the_names_of_helper_nodes_are_counted_through_all_texts():
    files = {"shared/clean.pty": "{A -> B} (0 -> C) |-> D[each=x]\n"}
    flow = graph(USE + "{X} (0 -> Y) |-> clean |-> clean", files)
    kinds = (Kind.CATCH, Kind.EACH)
    assert [node.id for node in flow.nodes if node.kind in kinds] == [
        "catch-1", "catch-2", "each-1", "catch-3", "each-2",
    ]  # fmt: skip


def test_a_task_has_a_name_of_its_own_in_each_use():
    flow = graph(USE + "clean -> clean[again=2]", {"shared/clean.pty": "{A -> B}[task=tidy]\n"})
    assert [task.name for task in flow.tasks] == ["clean.tidy", "clean__2.tidy", "clean__2.tidy.2"]


def test_a_factor_goes_into_used_files_and_a_failure_does_not():
    files = {"shared/clean.pty": "A * 3 -> B -> !\n"}
    flow = graph(USE + "X (0 -> clean * 2)", files)
    assert [node.retry for node in flow.places()] == [None, 3, 2]
    fail = next(node for node in flow.nodes if node.kind is Kind.FAIL)
    assert fail.failure is None
    assert str(flow.failure_at(fail)) == "Failed: the flow fails here: clean.pty:1"


def test_the_last_event_of_a_used_file_decides():
    text = USE + "A || clean"
    some = Evaluation.SUCCESS_FOR_PARTIAL_SUCCESS
    in_file = graph(text, evaluations={EventName(1, "Save"): some}).groups[0]
    assert (in_file.evaluation, in_file.decided_by, in_file.decided_in) == (some, "Save", 1)
    in_flow = graph(text, evaluations={EventName(0, "Save"): some}).groups[0]
    assert in_flow.evaluation is Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS


def test_texts_and_what_they_declare():
    variables = {"shared/clean.pty": "@variable: a: int = 1\n@secret: s\n@events: m\nParse\n"}
    flow = graph("@variable: a: str\n@secret: s\n" + USE + "clean", variables)
    assert flow.filenames == ("flow.pty", "shared/clean.pty")
    assert flow.text(0) is flow.source
    assert flow.text(1) is flow.files[0].text
    assert flow.files[0].events == ("m",)
    assert flow.names == {"clean": 1}
    assert [(spec.name, spec.type) for spec in flow.all_variables] == [("a", "str"), ("a", "int")]
    assert [spec.name for spec in flow.all_secrets] == ["s"]


def test_a_diagnostic_is_in_the_file_of_what_it_is_about():
    flow = graph(USE + "A -> clean")
    found = flow.diagnostic("code", "message", at=flow.nodes[1])
    assert (found.file, found.span, found.text) == (
        "shared/clean.pty", flow.nodes[1].span, "Parse |-> Save",
    )  # fmt: skip
    found = flow.diagnostic("code", "message", at=flow.uses[0])
    assert (found.file, found.text) == ("flow.pty", "A -> clean")
    assert flow.diagnostic("code", "message").file == "flow.pty"


@pytest.mark.parametrize(
    "copy",
    [lambda it: pickle.loads(pickle.dumps(it)), lambda it: Graph.from_json(it.to_json())],
    ids=["pickle", "JSON"],
)
def test_a_copy_has_the_same_uses_and_texts(copy):
    flow = graph("@input: k: list = [1]\n" + OUTER + "outer(n=2)[each=x, in=k] -> outer", TWO)
    again = copy(flow)
    assert again == flow
    assert again.fingerprint == flow.fingerprint
    assert again.program == flow.program
    assert again.topology.use_of == flow.topology.use_of
    assert compile(again.program) == flow


def test_the_fingerprint_does_not_depend_on_names_of_files_and_positions():
    wanted = graph(USE + "clean").fingerprint
    moved = graph(
        '@use: clean = "other/tidy.pty"\n' + "clean", {"other/tidy.pty": "Parse |-> Save"}
    )
    assert moved.fingerprint == wanted
    text = {"shared/clean.pty": "# a comment\n{Parse  |->\nSave}\n"}
    assert graph(f"# here\n{USE}\n\nclean", text).fingerprint == wanted
    assert graph(USE + "clean", name="far/away/flow.pty").fingerprint == wanted


def test_the_fingerprint_depends_on_what_is_used():
    def inputs(default):
        return {"shared/clean.pty": f"@input: n: int = {default}\nParse\n"}

    found = [
        graph(USE + "clean"),
        graph(USE + "clean", {"shared/clean.pty": "Parse -> Save"}),
        graph(USE + "clean -> clean"),
        graph(USE + "{Parse |-> Save}"),
        graph('@use: tidy = "shared/clean.pty"\ntidy'),
        graph(USE + "clean", inputs(1)),
        graph(USE + "clean", inputs(2)),
        graph(USE + "clean(n=1)", inputs(1)),
        graph(USE + "clean(n=2)", inputs(1)),
        graph("@input: n: int = 1\n" + USE + "clean(n=n)", inputs(1)),
        graph(USE + "clean", {"shared/clean.pty": "@events: m\nParse |-> Save"}),
        graph(USE + "clean", {"shared/clean.pty": "@secret: s\nParse |-> Save"}),
        graph(USE + "clean", {"shared/clean.pty": "@variable: s: int\nParse |-> Save"}),
    ]
    assert len({flow.fingerprint for flow in found}) == len(found)


def changed(path, value):
    """The JSON of a flow with one thing in it replaced."""
    data = json.loads(graph(OUTER + "outer -> X", TWO).to_json())
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner = data
    for part in way:
        inner = inner[part]
    inner[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("names.outer", 3, "a name of a pipeline stands for a text that does not exist"),
        ("names.outer", 0, "a name of a pipeline stands for a text that does not exist"),
        ("files.0.uses.inner", 9, "a name of a pipeline stands for a text that does not exist"),
        ("files.0.uses.inner", 1, "its texts use each other in a circle"),
        ("files.1.uses", {"x": 1}, "its texts use each other in a circle"),
        ("nodes.0.file", 3, "a part is in a text that does not exist"),
        ("uses.0.file", -1, "a part is in a text that does not exist"),
        ("uses.0.of", 0, "the use 'outer' is of a text that does not exist"),
        ("uses.0.of", 3, "the use 'outer' is of a text that does not exist"),
        ("uses.0.first", "Q", "the use 'outer' has no nodes"),
        ("uses.0.last", "outer.Q", "the use 'outer' has no nodes"),
        ("uses.0.first", "X", "the use 'outer' has no nodes"),
        ("uses.1.within", 1, "the use 'outer.inner' is not inside of the use that it says"),
        ("uses.1.within", -1, "the use 'outer.inner' is not inside of the use that it says"),
        ("uses.1.last", "X", "the use 'outer.inner' is not inside of the use that it says"),
        ("uses.1.arguments.0.names.0.path", [0], "has a name at a place that its value"),
    ],
)
def test_json_with_wrong_uses_is_refused(path, value, message):
    with pytest.raises(GraphFormatError, match=message):
        Graph.from_json(changed(path, value))


def test_the_program_of_a_graph_has_every_file_that_its_texts_name():
    flow = Graph.from_json(changed("files.0.uses", {}))
    with pytest.raises(VolnuxError, match=r"does not have the file 'inner' of one/outer\.pty"):
        _ = flow.program


# Parts.


def test_a_part_has_the_uses_inside_and_around():
    files = {
        "one/outer.pty": (
            '@use: inner = "inner.pty"\nA |-> inner[each=x] |-> {inner -> D}[task=t]\n'
        ),
        "one/inner.pty": "B -> C\n",
    }
    flow = graph(OUTER + "X |-> outer", files)
    (each,) = flow.eaches
    part = part_of(flow, each)
    assert part.uses == (0, 1)
    assert [(use.place, use.first, use.last, use.within) for use in part.graph.uses] == [
        ("outer", "outer.inner.B", "outer.inner.C", None),
        ("outer.inner", "outer.inner.B", "outer.inner.C", 0),
    ]
    (task,) = flow.tasks
    part = part_of(flow, task)
    assert part.uses == (0, 2)
    assert part.graph.topology.use_of[:3] == [1, 1, 0]
    assert part.graph.files == flow.files


def test_a_part_around_a_use_is_a_sound_graph():
    flow = graph(USE + "A |-> clean[task=tidy] |-> B")
    part = part_of(flow, flow.tasks[0]).graph
    again = Graph.from_json(replace(part, source=flow.source).to_json())
    assert places(again) == ["clean.Parse", "clean.Save"]
    assert again.topology.use_of[:2] == [0, 0]


# Many.


@pytest.mark.slow
def test_one_file_is_used_ten_thousand_times():
    flow = graph(USE + " -> ".join(["clean"] * 10_000))
    assert len(flow.uses) == 10_000
    assert len(flow.files) == 1
    assert flow.nodes[-1].id == "clean__10000.Save"
    assert Graph.from_json(flow.to_json()) == flow


@pytest.mark.slow
def test_a_chain_of_two_hundred_files():
    files = {
        f"f{number}.pty": f'@input: n: int\n@use: next = "f{number + 1}.pty"\nA -> next(n=n)\n'
        for number in range(200)
    }
    files["f200.pty"] = "@input: n: int\nA\n"
    flow = graph('@use: next = "f0.pty"\nnext(n=1)', files)
    assert len(flow.uses) == 201
    assert flow.topology.uses_around(flow.topology.use_of[-1]) == list(range(201))
    assert Graph.from_json(flow.to_json()) == flow


# Times of the run.


@pytest.mark.parametrize(
    ("given", "faults"), [("", 1), ("(day=null)", 1), ('(day="2026-01-31")', 0)]
)
def test_previous_needs_a_schedule_unless_a_time_is_given(given, faults):
    flow = graph(USE + f"clean{given}", {"shared/clean.pty": "@input: day: date = previous\nSave"})
    found = [each.code for each in check_names(flow)]
    assert found == ["no-schedule"] * faults

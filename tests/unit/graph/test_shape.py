"""The shape of graphs: how many nodes and edges a flow has, and where joins and catches stand."""

import pytest

from tests.unit.graph.running import ANY, graph
from volnux.graph import Value, ValueKind
from volnux.graph.topology import ROOT

PARTIAL = "SUCCESS_FOR_PARTIAL_SUCCESS"
CONTINUE = "@on-failure: continue\n"


def edges(flow: str) -> list[str]:
    """The edges as text: `A -1-> B`."""
    return [
        f"{edge.source} -{''.join(map(str, edge.when))}-> {edge.target}"
        for edge in graph(flow).edges
    ]


def nodes(flow: str) -> list[str]:
    return [
        node.id if node.kind == "event" else f"{node.id}:{node.entry}" for node in graph(flow).nodes
    ]


@pytest.mark.parametrize(
    ("flow", "found"),
    [
        ("A", []),
        ("A -> B", ["A -1-> B"]),
        ("A || B", []),
        ("A || B -> C", ["A -1-> C", "B -1-> C"]),
        ("A -> B || C", ["A -1-> B", "A -1-> C"]),
        ("A (0 -> B, 1 -> C, 3 -> D)", ["A -0-> B", "A -1-> C", "A -3-> D"]),
        ("A (0 -> B) -> C", ["A -0-> B", "A -1-> C", "B -1-> C"]),
        ("A (0 -> B, 1 -> C) -> D", ["A -0-> B", "A -1-> C", "B -1-> D", "C -1-> D"]),
        # Several into several meet in a join.
        (
            "A || B -> C || D",
            ["A -1-> join-1", "B -1-> join-1", "join-1 -1-> C", "join-1 -1-> D"],
        ),
        # Under continue edges are wider, where something comes next.
        (f"{CONTINUE}A -> B", ["A -01-> B"]),
        (f"{CONTINUE}A (1 -> B) -> C", ["A -1-> B", "A -0-> C", "B -01-> C"]),
        (f"{CONTINUE}A (3 -> B) -> C", ["A -3-> B", "A -01-> C", "B -01-> C"]),
        (
            f"{CONTINUE}{{A -> B}} (0 -> C) -> D",
            [
                "A -1-> B",
                "B -1-> catch-1",
                "catch-1 -0-> C",
                "catch-1 -1-> D",
                "C -01-> D",
            ],
        ),
        (
            f"{CONTINUE}{{A -> B}} (1 -> C) -> D",
            [
                "A -01-> B",
                "B -1-> catch-1",
                "catch-1 -1-> C",
                "catch-1 -0-> D",
                "C -01-> D",
            ],
        ),
    ],
)
def test_edges(flow, found):
    assert edges(flow) == found


def test_a_join_stands_in_for_a_million_edges():
    many = " || ".join(f"A{number}" for number in range(1000))
    more = " || ".join(f"B{number}" for number in range(1000))
    flow = graph(f"{{{many}}} |-> {{{more}}}")
    assert len(flow.edges) == 2000
    assert [node.id for node in flow.nodes if node.kind != "event"] == ["join-1"]
    # The piped list stands once in the table, as does each result.
    lists = [value for value in flow.values if len(value.of) == 1000]
    assert {node.receives for node in flow.nodes if node.id.startswith("B")} == {
        flow.values.index(lists[0])
    }
    assert len(flow.values) == 2002


def test_an_any_group_ends_in_a_join():
    flow = f"{{A || B}}{ANY} -> C"
    assert nodes(flow) == ["A", "B", "join-1:any", "C"]
    assert edges(flow) == ["A -1-> join-1", "B -1-> join-1", "join-1 -1-> C"]


def test_an_arm_with_several_ends_closes_first():
    flow = f"{{A (0 -> X) || {{B || C}} || D}}{ANY}"
    assert nodes(flow) == [
        *("A", "X", "join-1:all", "B", "C", "join-2:all", "D", "join-3:any"),
    ]
    assert edges(flow) == [
        "A -0-> X",
        "A -1-> join-1",
        "X -1-> join-1",
        "join-1 -1-> join-3",
        "B -1-> join-2",
        "C -1-> join-2",
        "join-2 -1-> join-3",
        "D -1-> join-3",
    ]


def test_a_catch_names_the_first_event_of_its_group():
    flow = graph("A -> {{B || C} -> D} (0 -> E)")
    (catch,) = [node for node in flow.nodes if node.kind == "catch"]
    assert (catch.first, catch.entry) == ("B", "all")


def test_the_branches_of_a_group_hang_on_its_catch():
    assert edges("{A -> B} (0 -> C, 1 -> D) -> E") == [
        "A -1-> B",
        "B -1-> catch-1",
        "catch-1 -0-> C",
        "catch-1 -1-> D",
        "C -1-> E",
        "D -1-> E",
    ]


def test_places_are_numbered_in_reading_order_and_keep_their_names():
    before = [node.id for node in graph("Z -> Y (0 -> Z) -> Z").places()]
    assert before == ["Z", "Y", "Z__2", "Z__3"]
    after = [node.id for node in graph("Z -> Y (0 -> Z) -> Z -> Y -> Z").places()]
    assert after[:4] == before


def test_values_that_nothing_refers_to_are_left_out():
    flow = graph("A -> B |-> C (0 |-> D) -> E")
    assert flow.values == (
        Value(ValueKind.RESULT, "B"),
        Value(ValueKind.RESULT, "C"),
        Value(ValueKind.RESULT, "E"),
    )
    assert flow.result == 2
    assert [node.receives for node in flow.nodes] == [None, None, 0, 1, None]


def test_the_values_of_a_group_with_a_catch():
    flow = graph("{A || B} (0 -> C) |-> D")
    kinds = [value.kind.value for value in flow.values]
    assert kinds.count("all_of") == 1
    assert flow.values[flow.nodes[-1].receives or 0].kind is ValueKind.FIRST_DONE


def test_groups_say_which_event_decides():
    flow = graph("A || {B -> C (1 -> D)} -> E || F || G")
    assert [(group.first, group.last, group.decided_by) for group in flow.groups] == [
        ("A", "D", "C"),
        ("E", "G", "G"),
    ]
    assert {group.evaluation for group in flow.groups} == {None}
    (group,) = graph(f"{{A || B}}{ANY}").groups
    assert (group.first, group.last, str(group.evaluation)) == ("A", "B", PARTIAL)


@pytest.mark.parametrize(
    ("flow", "joins"),
    [
        ("A || B", [None]),
        (f"{{A || B}}{ANY}", ["join-1"]),
        (f"{{A || B}}{ANY} -> {{C || D}}{ANY}", ["join-1", "join-2"]),
        (f"{{{{A || B}}{ANY} || {{C || D}}{ANY}}}{ANY}", ["join-3", "join-1", "join-2"]),
        (f"{{A || B}}{ANY} || C", [None, "join-1"]),
        (f"{{{{A || B}} || C}}{ANY}", ["join-2", None]),
        (f"A (0 -> {{B || C || {{D || E}}{ANY}}}{ANY}, 1 -> F || G)", ["join-2", "join-1", None]),
    ],
)
def test_a_group_that_needs_one_arm_has_a_join(flow, joins):
    made = graph(flow)
    found = [None if i is None else made.nodes[i].id for i in made.topology.joins]
    assert found == joins
    before = made.topology.before
    for group, join in zip(made.groups, made.topology.joins, strict=True):
        assert join is None or len(before[join]) == len(group.arms)


def test_the_text_says_where_nodes_and_groups_are():
    flow = graph("A -> {B || A} (0 -> A)")
    at = {(s.column, s.end_column): n.id for (_, s), n in flow.topology.node_at.items() if s}
    assert at == {(1, 2): "A", (7, 8): "B", (12, 13): "A__2", (6, 14): "catch-1", (21, 22): "A__3"}
    ((use, span),) = flow.topology.group_at
    assert use == ROOT
    assert span is not None
    assert (span.column, span.end_column) == (7, 13)


def test_options_stand_on_the_node_but_those_the_graph_speaks_itself():
    flow = graph('A[timeout=2.5, pool="x", retry_attempts=3, executor=inline, priority=5]')
    (node,) = flow.nodes
    assert node.options == {"timeout": 2.5, "pool": "x", "executor": "inline", "priority": 5}
    assert list(node.options) == sorted(node.options)
    assert node.retry == 3


def test_a_node_knows_where_its_event_stands():
    flow = graph("A ->\n  Bee * 3 || {C}")
    spans = [node.span for node in flow.places() if node.span]
    assert [tuple(span) for span in spans] == [(1, 1, 1, 2), (2, 3, 2, 6), (2, 15, 2, 16)]


def test_directives_are_settings_of_the_graph():
    flow = graph(
        "@name: orders\n@description: All orders\n@tags: a, b\n@schedule: @daily\n"
        "@timezone: Europe/Berlin\n@start-date: 2026-01-02\n@catchup: true\n"
        "@max-active-runs: 2\n@events: shop.events\n@input: day: date\n"
        "@input: limit: int = 10\n@on-failure: continue\nA\n"
    )
    assert (flow.name, flow.description, flow.tags) == ("orders", "All orders", ("a", "b"))
    assert [schedule.expression for schedule in flow.schedules] == ["@daily"]
    assert (flow.timezone, flow.start_date, flow.catchup) == ("Europe/Berlin", "2026-01-02", True)
    assert (flow.max_active_runs, flow.events) == (2, ("shop.events",))
    assert [(item.name, item.type, item.required, item.default) for item in flow.inputs] == [
        ("day", "date", True, None),
        ("limit", "int", False, 10),
    ]
    assert flow.on_failure == "continue"
    assert graph("A").on_failure is None

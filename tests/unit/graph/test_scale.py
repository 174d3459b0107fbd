"""Long, wide and deep flows: no step recurses on depth, none takes more than linear time.

These tests ask only that it ends (each has the time limit of a test, and far more than it needs);
`benchmarks/` measures.
"""

import pytest

from volnux.graph import Execution, Graph, RunStatus, State, compile, simulate
from volnux.pointy import parse

pytestmark = pytest.mark.slow

MANY = 10_000
DEEP = 2_000
ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"
CONTINUE = "@on-failure: continue\n"


def through(text: str, *, failing: str | None = None) -> tuple[Graph, Execution]:
    """Compile, JSON there and back, and run to the end; events named `failing` fail."""
    graph = compile(parse(text, filename="scale.pty"))
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert again.fingerprint == graph.fingerprint
    execution = Execution(again)
    ready = execution.start()
    while ready:
        node = ready.pop()
        execution.received(node)
        ready += execution.finish(node, int(again.nodes[node].event != failing))
    assert execution.ended
    assert None not in execution.states
    execution.value(again.result)
    return again, execution


def nested(opening: str, inside: str, closing: str) -> str:
    return opening * DEEP + inside + closing * DEEP


def test_a_long_chain():
    graph, execution = through(" |-> ".join(["A"] * MANY))
    assert (len(graph.nodes), len(graph.edges)) == (MANY, MANY - 1)
    assert execution.status is RunStatus.SUCCESS


def test_a_long_chain_that_fails_at_once():
    _, execution = through("Bad -> " + " -> ".join(["A"] * MANY), failing="Bad")
    assert execution.states.count(State.FAILED) == MANY + 1
    assert execution.descriptors[1] is None


def test_a_wide_group():
    graph, execution = through("A |-> {" + " || ".join(["B"] * MANY) + "} |-> C")
    assert (len(graph.nodes), len(graph.edges)) == (MANY + 2, 2 * MANY)
    assert execution.status is RunStatus.SUCCESS


@pytest.mark.parametrize("option", ["", ANY])
def test_a_thousand_into_a_thousand(option):
    wide = "{" + " || ".join(["A"] * 1000) + "}" + option
    graph, execution = through(f"{wide} |-> {wide}")
    assert len(graph.edges) == (3000 if option else 2000)
    assert execution.status is RunStatus.SUCCESS


def test_one_event_with_very_many_behind_each_branch():
    many = " || ".join(["B"] * (MANY // 4))
    _, execution = through(f"A (0 -> {many}, 1 -> {many}) -> F")
    assert execution.states.count(State.SKIPPED) == MANY // 4


DEPTHS = {
    "braces": nested("{", "A", "}"),
    "parentheses": nested("(", "A", ")"),
    "groups in groups": nested("{A || ", "A", "}"),
    "groups that end groups": nested("{", "A", " || A}"),
    "sequences": nested("{A |-> ", "A", " |-> A}"),
    "a factor on each": nested("{A -> ", "A", "} * 3"),
    "any on each": nested("{A || ", "A", "}" + ANY),
    "any on each, continue": CONTINUE + nested("{A || ", "A", "}" + ANY) + " -> A",
    "a branch on each group": nested("{", "Bad", "} (0 |-> A, 1 -> B)"),
    "only a 1 branch on each group": nested("{A -> ", "Bad", "} (1 |-> B)"),
    "a branch on each, continue": CONTINUE + nested("{", "A -> Bad", "} (0 |-> A) -> B"),
    "only a 1 branch on each, continue": CONTINUE + nested("{", "Bad", "} (1 |-> B) -> A"),
    "any and a branch on each": nested("{A || ", "Bad", f"}}{ANY} (0 |-> A, 1 |-> B)"),
    "branches in branches": nested("A (1 |-> ", "Bad", ") |-> B"),
    "both branches in branches": nested("A (0 -> B, 1 |-> ", "Bad", ", 3 -> B)"),
    "failures in branches": nested("Bad (0 |-> ", "A", ", 1 -> B) |-> B"),
}


@pytest.mark.parametrize("text", DEPTHS.values(), ids=list(DEPTHS))
def test_depth(text):
    graph, execution = through(text, failing="Bad")
    report = simulate(graph, outcomes={"Bad": 0})
    assert report.status is execution.status
    assert len(report.places) == len(graph.places())

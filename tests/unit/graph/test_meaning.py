"""What flows mean, beyond the cases: continue, catches, retry factors, pipes, ends of runs."""

import pytest

from tests.unit.graph.running import ANY, BOOM, graph, run
from volnux.graph import Execution, Failure, RunStatus, simulate

PARTIAL = "SUCCESS_FOR_PARTIAL_SUCCESS"

# `@on-failure: continue`; "places" is all that a case says of the flow, then what F received.

CONTINUE = [
    # What comes next starts, and the failure that was passed on is done.
    ("Bad -> F", "Bad d0, F d", None),
    ("Bad |-> F", "Bad d0, F d", "bad"),
    ("Boom |-> F", "Boom d0, F d", BOOM),
    ("Bad (3 -> B) |-> F", "Bad d0, B s, F d", "bad"),
    ("Bad (1 -> B) |-> F", "Bad d0, B s, F d", "bad"),
    ("Bad (0 -> Boom, 1 -> C) |-> F", "Bad d0, Boom d0, C s, F d", BOOM),
    # An arm's own result stands in the list, in a group of either kind.
    ("A || Bad |-> F", "A d, Bad d0, F d", ["a", "bad"]),
    (f"{{A || Bad}}{ANY} |-> F", "A d, Bad d0, F d", ["a", "bad"]),
    (f"{{Boom || Bad}}{ANY} |-> F", "Boom d0, Bad d0, F d", [BOOM, "bad"]),
    # A group with a 0 branch catches as ever; nothing inside of it is widened.
    ("{Bad -> A} (0 |-> H) |-> F", "Bad f, A x, H d, F d", "h"),
    ("{A -> {Bad -> B}} (0 -> H) -> F", "A d, Bad f, B x, H d, F d", None),
    ("{{Bad -> A} (1 -> S) -> B} (0 -> H) -> F", "Bad f, A x, S x, B x, H d, F d", None),
    ("{Bad (0 -> Boom) -> A} (0 |-> H) -> F", "Bad d0, Boom f, A x, H d, F d", None),
    ("{A} (0 -> H, 1 -> Bad -> B) -> F", "A d, H s, Bad d0, B d, F d", None),
    # A group with a 1 branch alone: its failure passes, what is inside stays failed.
    ("{A -> Bad} (1 -> S) |-> F", "A d, Bad f, S s, F d", "bad"),
    ("{A || Bad} (1 -> S) |-> F", "A d, Bad f, S s, F d", "bad"),
    ("{Bad -> A} (1 -> S) |-> F", "Bad d0, A d, S d, F d", "s"),
    (f"{{A || Bad}}{ANY} (1 |-> S) -> F", "A d, Bad f, S d, F d", None),
]


@pytest.mark.parametrize(("flow", "places", "received"), CONTINUE)
def test_continue(flow, places, received):
    ran = run(f"@on-failure: continue\n{flow}")
    assert ran.places == places
    assert ran.received["F"] == received
    assert ran.status == "success"


@pytest.mark.parametrize(
    ("flow", "places"),
    [
        ("A -> Bad", "A d, Bad f"),
        ("A || Bad", "A d, Bad f"),
        ("A (1 -> Bad)", "A d, Bad f"),
        ("Bad -> {A (1 -> B || Boom)}", "Bad d0, A d, B d, Boom f"),
        ("{A -> Bad} (1 -> S)", "A d, Bad f, S x"),
        ("{A} (1 -> Bad)", "A d, Bad f"),
        ("{Bad} (0 -> Boom)", "Bad f, Boom f"),
    ],
)
def test_under_continue_a_failure_at_the_end_fails_the_run(flow, places):
    ran = run(f"@on-failure: continue\n{flow}")
    assert (ran.places, ran.status) == (places, "failed")


def test_under_continue_an_any_group_at_the_end_needs_one_arm():
    ran = run(f"@on-failure: continue\nA -> {{Bad || B}}{ANY}")
    assert (ran.places, ran.status) == ("A d, Bad f, B d", "success")


# Branches on groups.


@pytest.mark.parametrize(
    ("flow", "places", "received"),
    [
        # The first failure in reading order that nothing inside took, whichever came first.
        ("{Bad || Boom} (0 |-> H)", "Bad f, Boom f, H d", "bad"),
        ("{A -> Boom || Bad} (0 |-> H)", "A d, Boom f, Bad f, H d", BOOM),
        (f"{{{{Boom || A}}{ANY} -> Bad}} (0 |-> H)", "Boom f, A d, Bad f, H d", "bad"),
        ("{Bad (0 -> Boom) || Bad} (0 |-> H)", "Bad d0, Boom f, Bad__2 f, H d", BOOM),
        ("{{Bad} (0 -> A) -> Boom} (0 |-> H)", "Bad f, A d, Boom f, H d", BOOM),
        ("{{Bad} (1 -> A)} (0 |-> H)", "Bad f, A x, H d", "bad"),
        # Only the innermost group that catches.
        ("{{Bad} (0 -> A) |-> H} (0 -> B)", "Bad f, A d, H d, B s", "a"),
        ("{{Bad} (0 -> Boom)} (0 |-> H)", "Bad f, Boom f, H d", BOOM),
        # Success: the result of the group.
        ("{A || B} (0 -> C, 1 |-> H)", "A d, B d, C s, H d", ["a", "b"]),
        ("{A -> B} (1 |-> H)", "A d, B d, H d", "b"),
        ("{A || B} (0 -> C) |-> H", "A d, B d, C s, H d", ["a", "b"]),
        (f"{{A || Bad}}{ANY} (0 -> C, 1 |-> H)", "A d, Bad f, C s, H d", ["a", None]),
    ],
)
@pytest.mark.parametrize("last_first", [False, True])
def test_a_branch_on_a_group(flow, places, received, last_first):
    ran = run(flow, last_first=last_first)
    assert (ran.places, ran.status) == (places, "success")
    assert ran.received["H"] == received


@pytest.mark.parametrize(
    ("flow", "places"),
    [
        ("A (1 -> B, 0 -> {C -> D} (0 -> H, 1 -> S))", "A d, B d, C s, D s, H s, S s"),
        ("Bad -> {{C} (0 -> H)} (0 -> I)", "Bad f, C x, H x, I x"),
        ("{Bad} (1 -> A) -> F", "Bad f, A x, F x"),
        ("{Bad -> {C} (0 -> H)}", "Bad f, C x, H x"),
    ],
)
def test_a_group_that_did_not_start_is_not_caught(flow, places):
    assert run(flow).places == places


# Which evaluation a group has.


@pytest.mark.parametrize(
    ("flow", "decides"),
    [
        ("A || Bad || Last", "Last"),
        ("{A || Bad || Last}", "Last"),
        ("A || {Bad -> Last}", "Last"),
        ("A || Bad || Last (1 -> Other)", "Last"),
        ("A || {Bad || Last} (1 -> Other)", "Last"),
        ("{A || B -> C || {Bad -> Last}} ", "Last"),
    ],
)
def test_a_group_without_an_option_is_evaluated_by_its_last_event(flow, decides):
    ends_well = [run(flow, evaluations={decides: PARTIAL}).status, run(flow).status]
    assert ends_well == ["success", "failed"]
    others = {"A", "B", "Bad", "Other", "C"}
    assert run(flow, evaluations=dict.fromkeys(others, PARTIAL)).status == "failed"


def test_the_option_is_stronger_than_the_last_event():
    all_ = "[evaluation=FAILURE_FOR_PARTIAL_ERROR]"
    assert run(f"{{A || Bad || B}}{all_}", evaluations={"B": PARTIAL}).status == "failed"
    assert run(f"{{{{A || Bad || B}}}}{ANY}").status == "success"


# Retry.


@pytest.mark.parametrize(
    ("flow", "factors"),
    [
        ("A", {"A": None}),
        ("A * 3", {"A": 3}),
        ("3 * A", {"A": 3}),
        ("A[retry_attempts=3]", {"A": 3}),
        ("{A -> B * 2} * 5", {"A": 5, "B": 2}),
        ("{A -> B}[retry_attempts=5]", {"A": 5, "B": 5}),
        ("{A -> {B || C} * 3 -> 7 * D} * 5", {"A": 5, "B": 3, "C": 3, "D": 7}),
        ("{A} * 5 (0 -> B, 1 -> C)", {"A": 5, "B": None, "C": None}),
        ("A * 5 (0 -> B)", {"A": 5, "B": None}),
        ("{A (0 -> B)} * 5", {"A": 5, "B": 5}),
        ("{{A} * 3 (0 -> B) -> C} * 5", {"A": 3, "B": 5, "C": 5}),
    ],
)
def test_the_nearest_factor_counts_and_a_groups_branches_are_not_inside(flow, factors):
    assert {node.id: node.retry for node in graph(flow).places()} == factors


# Pipes.


@pytest.mark.parametrize(
    ("flow", "received"),
    [
        ("A |-> F", "a"),
        ("A -> F", None),
        ("A |-> {F -> G}", "a"),
        ("A |-> {G || {F -> H}}", "a"),
        ("A |-> {F} (1 -> G)", "a"),
        ("A -> B || C |-> F", ["b", "c"]),
        ("{A || {B || C}} |-> F", ["a", ["b", "c"]]),
        ("{A || B |-> C} |-> F", "c"),
        ("{A || {B |-> C}} |-> F", ["a", "c"]),
        ("{{A || B}} |-> F", ["a", "b"]),
        ("{A} |-> F", "a"),
        (f"{{Bad || A || Boom}}{ANY} |-> F", [None, "a", None]),
        (f"{{{{Bad || A}} || B}}{ANY} |-> F", [None, "b"]),
        (f"{{{{Bad || A}}{ANY} || B}} |-> F", [[None, "a"], "b"]),
        (f"{{Bad (0 -> A) || B}}{ANY} |-> F", ["a", "b"]),
        (f"{{Bad (0 -> Boom) || B}}{ANY} |-> F", [None, "b"]),
        ("A (0 -> B, 1 -> C) |-> F", "c"),
        ("A (0 -> B) |-> F", "a"),
        ("A (1 -> B -> C || D) |-> F", ["c", "d"]),
        ("A (1 |-> F)", "a"),
        ("Bad (0 |-> F)", "bad"),
        ("Three (3 |-> F)", "three"),
        ("Three (3 -> B) |-> F", "b"),
        ("Nine (9 -> B, 3 -> C) |-> F", "b"),
    ],
)
@pytest.mark.parametrize("last_first", [False, True])
def test_what_is_piped(flow, received, last_first):
    ran = run(flow, last_first=last_first)
    assert ran.received["F"] == received


def test_the_failure_of_an_unknown_descriptor_is_piped():
    ran = run("Two (0 |-> H)")
    assert ran.places == "Two d0, H d"
    assert ran.received["H"] == Failure(
        "UnhandledDescriptor",
        "Two finished with descriptor 2, which has no branch (descriptors with a branch: 0)",
    )


def test_the_result_of_the_flow():
    assert run("A -> B || C").result == ["b", "c"]
    assert run("A -> Bad").result is None
    assert run("Bad (0 -> A)").result == "a"


# How runs end.


def test_stop_on_exception_is_above_everything():
    text = f"@on-failure: continue\n{{{{Boom || {{A -> B}}}}{ANY}}} (0 -> H) -> F"
    ran = run(text, stops="Boom")
    assert ran.status == "failed"
    assert ran.places == "Boom f, A f, B x, H x, F x"
    assert ran.result_of("Boom") == BOOM
    assert ran.execution.running == frozenset()
    nodes = {node.id: number for number, node in enumerate(ran.execution.graph.nodes)}
    assert ran.execution.descriptors[nodes["Boom"]] == 0
    assert ran.execution.descriptors[nodes["A"]] is None


def test_stop_leaves_what_has_ended():
    ran = run("Ok (0 -> B, 1 -> C) -> Boom || D -> F", stops="Boom")
    assert ran.places == "Ok d, B s, C d, Boom f, D f, F x"


def test_cancel_starts_nothing_more():
    execution = Execution(graph("A || B -> C (0 -> D)"))
    assert execution.start() == [0, 1]
    assert execution.finish(0, 1) == []
    execution.cancel()
    assert execution.finish(1, 1) == []
    assert execution.ended
    execution.abandon()
    assert [str(state) for state in execution.states] == ["done", "done", "cancelled", "cancelled"]
    assert execution.status is RunStatus.CANCELLED


def test_abandon_gives_up_what_runs():
    execution = Execution(graph("A || B -> C"))
    execution.start()
    execution.finish(0, 1)
    execution.abandon()
    assert execution.ended
    assert [str(state) for state in execution.states] == ["done", "cancelled", "cancelled"]
    with pytest.raises(ValueError, match=r"B is not running"):
        execution.finish(1, 1)


@pytest.mark.parametrize("descriptor", [-2, -1, 10, 12])
def test_a_descriptor_is_one_digit(descriptor):
    execution = Execution(graph("A -> B"))
    execution.start()
    with pytest.raises(ValueError, match="0 to 9"):
        execution.finish(0, descriptor)
    assert execution.finish(0, 1) == [1]


@pytest.mark.parametrize("call", ["finish", "stop"])
def test_what_does_not_run_cannot_end(call):
    execution = Execution(graph("A -> B"))
    with pytest.raises(ValueError, match="A is not running"):
        execution.finish(0, 1)
    execution.start()
    execution.finish(0, 1)
    with pytest.raises(ValueError, match="A is not running"):
        getattr(execution, call)(0, 1)


# Simulation.


def test_simulate_takes_outcomes_by_event_and_by_place():
    flow = graph("Z (0 -> A) -> Z (0 -> B) -> C", None)
    report = simulate(flow, outcomes={"Z": 0}, places={"Z__2": 1})
    assert {place: str(item.state) for place, item in report.places.items()} == {
        "Z": "done",
        "A": "done",
        "Z__2": "done",
        "B": "skipped",
        "C": "done",
    }
    assert [item.descriptor for item in report.places.values()] == [0, 1, 1, None, 1]
    assert [item.attempts for item in report.places.values()] == [1, 1, 1, 0, 1]
    assert (report.backend, report.status, report.pipeline) == ("simulate", "success", "flow")


def test_a_user_condition_goes_its_branch():
    report = simulate(graph("A (3 -> B, 1 -> C)"), outcomes={"A": 3})
    assert str(report.places["B"].state) == "done"
    assert str(report.places["C"].state) == "skipped"

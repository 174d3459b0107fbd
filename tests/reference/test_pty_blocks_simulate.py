"""The flows of the first description of the language, rewritten: each does what it promises.

Every row is one flow with given outcomes, the places that then run, in reading order, and the
status of the run. If a description shows two flows at once, each is a row.
"""

import pytest

from volnux.graph import RunStatus, compile, simulate
from volnux.pointy import parse

NESTED = """
Start -> Check (
    0->Repair (
        0 |-> Alarm,   # what Repair returned goes to Alarm
        1 -> Note      # Repair did it
    ),
    1 -> Go            # nothing to repair
) -> Close (
    0 -> Reopen,
    1 -> Note
)
"""

FLOWS = [
    # A chain without spaces.
    ("Get->Clean->Run->Store->Answer", {}, "Get Clean Run Store Answer", True),
    ("Get->Clean->Run->Store->Answer", {"Run": 0}, "Get Clean Run", False),
    # One event alone; one after the other; two at once.
    ("Get    # the whole pipeline", {}, "Get", True),
    ("Get -> Put   # first Get, then Put", {}, "Get Put", True),
    ("Get -> Put", {"Get": 0}, "Get", False),
    ("Get || Ask   # both at once", {}, "Get Ask", True),
    ("Get || Ask", {"Get": 0}, "Get Ask", False),
    # Pipes, from one event and from a group.
    ("Get |-> Put", {}, "Get Put", True),
    ("Get || Ask |-> Merge", {}, "Get Ask Merge", True),
    ("Get || Ask |-> Merge", {"Ask": 0}, "Get Ask", False),
    # Branches on failure and success.
    ("Get -> Check (0 -> Drop, 1 -> Keep)", {"Check": 0}, "Get Check Drop", True),
    ("Get -> Check (0 -> Drop, 1 -> Keep)", {"Check": 1}, "Get Check Keep", True),
    ("Get -> Check (0 -> Drop, 1 -> Keep)", {"Get": 0}, "Get", False),
    ("Get -> Check (0 -> Drop, 1 -> Keep)", {"Check": 0, "Drop": 0}, "Get Check Drop", False),
    # A descriptor of the user's own.
    ("Get -> Check (0 -> Drop, 1 -> Keep, 3 -> Ask)", {"Check": 3}, "Get Check Ask", True),
    ("Get -> Check (0 -> Drop, 1 -> Keep, 3 -> Ask)", {"Check": 0}, "Get Check Drop", True),
    ("Get -> Check (0 -> Drop, 1 -> Keep, 3 -> Ask)", {}, "Get Check Keep", True),
    ("Get -> Check (0 -> Drop, 1 -> Keep, 3 -> Ask)", {"Check": 4}, "Get Check Drop", True),
    # A sink after the branches.
    ("Try (0 -> Undo, 1 -> Do) -> End", {"Try": 0}, "Try Undo End", True),
    ("Try (0 -> Undo, 1 -> Do) -> End", {}, "Try Do End", True),
    ("Try (0 -> Undo, 1 -> Do) -> End", {"Do": 0}, "Try Do", False),
    # Retry factors, on either side.
    ("Get * 3   # at most three attempts", {}, "Get", True),
    ("51 * Get  # at most 51", {}, "Get", True),
    # Branches in branches, and the same event in two places.
    (NESTED, {}, "Start Check Go Close Note__2", True),
    (NESTED, {"Check": 0}, "Start Check Repair Note Close Note__2", True),
    (NESTED, {"Check": 0, "Repair": 0}, "Start Check Repair Alarm Close Note__2", True),
    (NESTED, {"Close": 0}, "Start Check Go Close Reopen", True),
    (NESTED, {"Go": 0}, "Start Check Go", False),
    (NESTED, {"Start": 0}, "Start", False),
]


@pytest.mark.parametrize(("text", "outcomes", "ran", "success"), FLOWS)
def test_a_flow_takes_the_path_that_was_promised(text, outcomes, ran, success):
    report = simulate(compile(parse(text, filename="reference.pty")), outcomes=outcomes)
    assert " ".join(place for place, item in report.places.items() if item.attempts) == ran
    assert report.status is (RunStatus.SUCCESS if success else RunStatus.FAILED)


@pytest.mark.parametrize(("text", "factor"), [("Get * 3", 3), ("51 * Get", 51)])
def test_a_factor_is_the_number_of_attempts(text, factor):
    (node,) = compile(parse(text, filename="reference.pty")).nodes
    assert node.retry == factor


def test_a_pipe_carries_the_result_of_the_branch_it_stands_in():
    graph = compile(parse(NESTED, filename="reference.pty"))
    receives = {node.id: node.receives for node in graph.places() if node.receives is not None}
    assert list(receives) == ["Alarm"]
    assert graph.values[receives["Alarm"]].node == "Repair"

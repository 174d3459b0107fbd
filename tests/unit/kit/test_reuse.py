"""Which places of a resumed run keep their outcome."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from volnux.backends import RunOptions
from volnux.graph import Execution, Failure, State, compile
from volnux.kit import Notes
from volnux.kit.reuse import Earlier, EarlierRun, Reuse
from volnux.kit.ways import changed_places
from volnux.pointy import parse
from volnux.runs import KeptPlace
from volnux.values import dumps

STOP = object()
"""The event is under way when the run is killed."""


class Run:
    """A run of a text: each event ends as `ends` says, by default with 1 and its place.

    Attributes:
        ran: the places that ran, in order.
        known: what a store knows of it.
        results: the results of all places.
    """

    def __init__(self, text, ends=(), runs=(), anew=(), *, given=""):
        graph = compile(parse(text))
        plan: Any = SimpleNamespace(graph=graph, specs=[()] * len(graph.nodes), visible=())
        calls: Any = SimpleNamespace(call=lambda execution, index, attempt, received: received)
        notes = Notes(len(graph.nodes))
        self.ran = []
        execution = Execution(graph, grows=lambda a, b, n: notes.grow((b - a) * n))
        self.execution = execution
        known = [
            item if isinstance(item, EarlierRun) else replaced(item.known, item.text, graph)
            for item in runs
        ]
        earlier = Earlier("1", known, lambda _, received: f"{given}{received!r}", frozenset(anew))
        options = RunOptions(earlier=earlier if runs else None)
        reuse = Reuse(plan, execution, calls, notes, options)
        waiting = reuse.settle(execution.start())
        under_way = []
        ends = dict(ends)
        while waiting:
            index = waiting.pop(0)
            place = execution.copies.place(index)
            end = ends.get(place, (1, place))
            self.ran.append(place)
            if end is STOP:
                under_way.append(index)
                continue
            waiting += reuse.settle(execution.finish(index, *end))
        self.text = text
        self.known = EarlierRun(
            {
                execution.copies.place(index): KeptPlace(
                    place=execution.copies.place(index),
                    event=node.event,
                    state=execution.states[index],
                    descriptor=execution.descriptors[index],
                    attempts=int(not notes.reused[index]),
                    result=dumps(execution.results[index])
                    if not isinstance(execution.results[index], Failure)
                    else None,
                    failure=execution.results[index]
                    if isinstance(execution.results[index], Failure)
                    else None,
                    given=f"{execution.received(index)!r}",
                    reused=bool(notes.reused[index]),
                )
                for index, node in enumerate(execution.nodes)
                if node.event and (execution.descriptors[index] is not None or index in under_way)
            },
            frozenset(anew),
        )
        self.results = {
            execution.copies.place(index): execution.results[index]
            for index, node in enumerate(execution.nodes)
            if node.event and execution.descriptors[index] is not None
        }


def replaced(known, text, graph):
    return known._replace(changed=changed_places(compile(parse(text)), graph))


FAILS = (0, Failure("ValueError", "no"))
OTHER = (0, Failure("ValueError", "other"))
ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"


@pytest.mark.parametrize(
    ("text", "first", "second", "ran"),
    [
        ("A -> B -> C", {"C": FAILS}, {}, ["C"]),
        ("A |-> B |-> C", {"C": FAILS}, {}, ["C"]),
        ("A |-> B |-> C", {"B": STOP}, {}, ["B", "C"]),
        ("A -> B", {"A": FAILS}, {}, ["A", "B"]),
        ("A || B -> C", {"B": FAILS}, {}, ["B", "C"]),
        # A failure that a branch took is an outcome like others.
        ("A (0 -> B) -> C", {"A": FAILS, "C": FAILS}, {}, ["C"]),
        ("A (0 |-> B) -> C", {"A": FAILS, "C": FAILS}, {}, ["C"]),
        ("A (3 -> B) -> C", {"A": (3, "x"), "C": FAILS}, {}, ["C"]),
        # A failed place runs again; nothing behind it does if it fails in the same way.
        (f"{{A || B}}{ANY} -> C -> D", {"B": FAILS, "D": FAILS}, {"B": FAILS}, ["B", "D"]),
        (f"{{A || B}}{ANY} -> C -> D", {"B": FAILS, "D": FAILS}, {"B": OTHER}, ["B", "C", "D"]),
        (f"{{A || B}}{ANY} -> C -> D", {"B": FAILS, "D": FAILS}, {}, ["B", "C", "D"]),
        (f"{{A || B}}{ANY} |-> C -> D", {"B": (0, 7), "D": STOP}, {"B": (0, 7)}, ["B", "D"]),
        ("{A -> B} (0 -> C) -> D", {"B": FAILS, "D": FAILS}, {"B": FAILS}, ["B", "D"]),
        ("{A -> B} (0 -> C) -> D", {"B": FAILS, "D": FAILS}, {}, ["B", "D"]),
        # Rounds of `again`.
        ("{A -> B}[again=2] -> C", {"B": FAILS, "B.2": FAILS}, {"B": FAILS}, ["B", "B.2", "C"]),
        ("{A -> B}[again=2] -> C", {"B": FAILS, "C": STOP}, {"B": FAILS}, ["B", "C"]),
        ("{A -> B}[again=2] -> C", {"B": FAILS, "B.2": FAILS}, {}, ["B", "C"]),
        # Copies.
        (
            "L |-> F[each=x] |-> C",
            {"L": (1, ["a", "b", "c"]), "F[1]": FAILS},
            {},
            ["F[1]", "C"],
        ),
        (
            "L |-> {F -> G}[each=x] |-> C",
            {"L": (1, ["a", "b"]), "G[0]": STOP, "F[1]": STOP},
            {},
            ["G[0]", "F[1]", "G[1]", "C"],
        ),
        (
            "L |-> {M |-> F[each=y]}[each=x, at_once=1] |-> C",
            {"L": (1, [1, 2]), "M[0]": (1, [3]), "M[1]": (1, [4, 5]), "F[1][1]": FAILS},
            {},
            ["F[1][1]", "C"],
        ),
        ("L |-> F[each=x] |-> C", {"L": (1, []), "C": FAILS}, {}, ["C"]),
        ("L |-> F[each=x] |-> C", {"L": (1, "no list")}, {}, []),
        ("{A -> B}[task=t] -> C", {"B": FAILS}, {}, ["B", "C"]),
    ],
)
def test_what_runs(text, first, second, ran):
    before = Run(text, first)
    now = Run(text, second, [before])
    assert now.ran == ran
    wanted = Run(text, {**first, **{place: second.get(place, (1, place)) for place in ran}})
    assert now.results == wanted.results
    assert now.execution.states == wanted.execution.states


def test_a_handled_failure_runs_again_if_its_branch_is_gone():
    before = Run("A (0 -> B) -> C", {"A": FAILS, "C": FAILS})
    assert Run("A -> C", {}, [before]).ran == ["A", "C"]


@pytest.mark.parametrize(
    ("old", "new", "ran"),
    [
        ("A -> B -> C", "A  ->  {B -> C}", []),
        ("A -> B -> C", "A -> N -> B -> C", ["N", "B", "C"]),
        ("A -> B -> C", "A -> C", ["C"]),
        ("A -> B -> C", "A |-> B -> C", ["B", "C"]),
        ("A -> B -> C", "A(x=1) -> B -> C", ["A", "B", "C"]),
        ("A -> B(x=1) -> C", "A -> B(x=2) -> C", ["B", "C"]),
        ("A -> B -> C", "A -> B || N -> C", ["N", "C"]),
        ("A -> B -> C", "A -> B (0 -> N) -> C", ["C"]),
        ("A -> B || C", "B -> A || C", ["B", "A", "C"]),
        ("A -> B * 2", "A[timeout=3] -> B * 3", []),
        ("A || B -> C", f"{{A || B}}{ANY} -> C", ["C"]),
        ("A -> {B -> C}[task=t]", "A -> B -> C", []),
    ],
)
def test_a_changed_text(old, new, ran):
    assert Run(new, {}, [Run(old)]).ran == ran


@pytest.mark.parametrize(
    ("anew", "ran"),
    [
        ({"B"}, ["B", "C"]),
        ({"A"}, ["A", "B", "C", "D"]),
        ({"D"}, ["D"]),
        ({"B", "D"}, ["B", "C", "D"]),
        (set(), []),
    ],
)
def test_places_that_must_run_anew(anew, ran):
    text = "A -> {{B -> C} || D}"
    assert sorted(Run(text, {}, [Run(text)], anew).ran) == ran


def test_one_copy_anew():
    text = "L |-> F[each=x] |-> C"
    ends = {"L": (1, ["a", "b"])}
    assert Run(text, ends, [Run(text, ends)], {"F[1]"}).ran == ["F[1]", "C"]
    assert Run(text, ends, [Run(text, ends)], {"F"}).ran == ["F[0]", "F[1]", "C"]


def test_what_was_not_kept_runs_again():
    before = Run("A |-> B -> C").known
    lost = {**before.places, "A": replace(before.places["A"], result=None, unkept="too large")}
    assert Run("A |-> B -> C", {}, [EarlierRun(lost)]).ran == ["A", "B", "C"]


def test_a_failure_without_an_attempt_is_kept():
    before = Run("A |-> B (0 -> C)", {"B": FAILS, "C": STOP}).known
    known = {**before.places, "B": replace(before.places["B"], attempts=0)}
    assert Run("A |-> B (0 -> C)", {}, [EarlierRun(known)]).ran == ["C"]


def test_a_result_that_cannot_be_read_runs_again(caplog):
    before = Run("A |-> B -> C").known
    text = '{"$volnux": "no such kind", "value": 1}'
    broken = {**before.places, "B": replace(before.places["B"], result=text)}
    assert Run("A |-> B -> C", {}, [EarlierRun(broken)]).ran == ["B", "C"]
    assert "B runs again, since its result cannot be read" in caplog.text


def test_what_is_given_something_else_runs_again():
    before = Run("A -> B")
    assert Run("A -> B", {}, [before], given="other ").ran == ["A", "B"]


def test_a_list_that_has_become_shorter():
    text = "@input: xs: list\nA -> F[each=x, in=xs] -> C"
    given = {"A": None, "F[0]": "a", "F[1]": "b", "C": None}
    known = {
        place: KeptPlace(place, place, State.DONE, 1, attempts=1, given=repr(value))
        for place, value in given.items()
    }

    def run(items):
        graph = compile(parse(text))
        plan: Any = SimpleNamespace(graph=graph, specs=[()] * len(graph.nodes), visible=())
        calls: Any = SimpleNamespace(call=lambda *given: given[-1])
        notes = Notes(len(graph.nodes))
        execution = Execution(
            graph, items=lambda *_: items, grows=lambda a, b, n: notes.grow((b - a) * n)
        )
        earlier = Earlier("1", [EarlierRun(known)], lambda _, received: repr(received))
        reuse = Reuse(plan, execution, calls, notes, RunOptions(earlier=earlier))
        return [execution.copies.place(i) for i in reuse.settle(execution.start())]

    assert run(["a", "b"]) == []
    assert run(["a"]) == ["C"]
    assert run([]) == ["C"]
    assert run(["a", "b", "c"]) == ["F[2]"]


def test_a_run_that_resumed_another_one_is_resumed():
    text = "A -> B -> C -> D"
    first = Run(text, {"C": FAILS})
    # It was killed before it got to B.
    second = EarlierRun({"A": replace(first.known.places["A"], attempts=0, reused=True)})
    assert Run(text, {}, [second, first.known]).ran == ["C", "D"]
    # It had to run A anew, so B of the first run is too old.
    second = EarlierRun({"A": first.known.places["A"]}, frozenset({"A"}))
    assert Run(text, {}, [second, first.known]).ran == ["B", "C", "D"]
    # It was killed before A began.
    second = EarlierRun({}, frozenset({"A"}))
    assert Run(text, {}, [second, first.known]).ran == ["A", "B", "C", "D"]
    # A was under way.
    second = EarlierRun({"A": KeptPlace("A", "A", attempts=1)}, frozenset({"A"}))
    assert Run(text, {}, [second, first.known]).ran == ["A", "B", "C", "D"]
    # It was cancelled before it got to B, and says so about the rest.
    rest = {place: KeptPlace(place, place, State.CANCELLED) for place in "BCD"}
    second = EarlierRun({"A": replace(first.known.places["A"], attempts=0, reused=True), **rest})
    assert Run(text, {}, [second, first.known]).ran == ["C", "D"]


def test_a_failed_place_that_was_cut_off_when_it_ran_again():
    text = f"{{A || B}}{ANY} -> C -> D"
    first = Run(text, {"B": FAILS, "D": FAILS})
    reused = {place: replace(first.known.places[place], attempts=0, reused=True) for place in "AC"}
    for state in (State.FAILED, State.CANCELLED, None):
        second = EarlierRun({**reused, "B": KeptPlace("B", "B", state, attempts=1)})
        assert Run(text, {"B": FAILS}, [second, first.known]).ran == ["B", "D"]


def test_a_long_chain_needs_no_recursion():
    text = " |-> ".join(["A"] * 5000)
    before = Run(text, {"A__5000": FAILS})
    assert Run(text, {}, [before]).ran == ["A__5000"]

"""Large drawings are folded: the boxes that stand for many places."""

import random
import re

import pytest

from tests.unit.graph.running import graph
from volnux.graph import simulate
from volnux.graph.draw import dot
from volnux.graph.draw.view import View


def chain(name, count):
    return " -> ".join(f"{name}{number}" for number in range(count))


def arms(name, count, length):
    return " || ".join(f"{{{chain(f'{name}{number}_', length)}}}" for number in range(count))


LARGE = {
    "chain": chain("A", 1_000),
    "arms": f"Start -> {arms('A', 50, 20)} -> End",
    "wide": f"Start -> {arms('A', 1_000, 1)} -> End",
    "branches": " -> ".join(f"A{n} (0 -> B{n} -> C{n}, 3 -> D{n})" for n in range(300)),
    "frames": f"Start -> {{{chain('A', 300)}}}[each=x] -> {{{chain('B', 300)}}}[again=3] -> End",
    "one in many": f"{chain('A', 300)} -> {{{arms('B', 4, 100)}}} -> {chain('C', 300)}",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_a_folded_drawing_is_small_and_has_every_place(text):
    known = graph(text)
    view = View(known, most=48)
    shown = [item for item in view.items() if isinstance(item, int)]
    assert 3 <= len(shown) <= 48
    stands = [view.stands_for(number) for number in range(len(known.nodes))]
    assert {stand for stand in stands if stand is not None} == set(shown)
    for fold in view.folds.values():
        assert {stands[number] for number in range(fold.start, fold.last + 1)} <= {fold.start, None}
    for line in view.lines():
        assert line.source < line.target
        assert {line.source, line.target} <= set(shown)
    reached = {line.target for line in view.lines()}
    assert set(shown) - reached == {shown[0]}


def test_a_small_drawing_is_not_folded():
    known = graph("A -> B || C (0 -> D) -> E")
    assert dot(known, most=48) == dot(known)


def test_an_event_stays_with_its_branches():
    view = View(graph(LARGE["branches"]), most=48)
    for index in view.folds:
        title, _ = view.fold_texts(index)
        assert re.fullmatch(r"A\d+ … D\d+", title)


def test_a_fold_counts_the_places_and_has_the_worst_state():
    known = graph(LARGE["frames"])
    report = simulate(known, places={"A200[1]": 0}, items={"x": 3})
    states = {place: entry.state for place, entry in report.places.items()}
    view = View(known, states, most=48)
    index = view.stands_for(known.topology.index["A200"])
    title, text = view.fold_texts(index)
    first, last = (int(name[1:]) for name in title.split(" … "))
    width = last - first + 1
    assert first <= 200 <= last
    # The copies before the failed one are done, and those behind it in its copy failed with it.
    lost = last - 200 + 1
    assert text == f"{width} places: {3 * width - lost} done, {lost} failed"
    assert view.state(index) == "failed"


@pytest.mark.parametrize("seed", range(12))
def test_random_flows_can_be_folded(seed):
    numbers = random.Random(seed)

    def flow(depth):
        kind = numbers.choice(["event", "event", "then", "then", "both", "branch", "each", "again"])
        if depth == 0 or kind == "event":
            return f"E{numbers.randrange(10**9)}"
        inner = f"{{{flow(depth - 1)}}}"
        return {
            "then": " -> ".join(flow(depth - 1) for _ in range(numbers.randint(2, 6))),
            "both": " || ".join(f"{{{flow(depth - 1)}}}" for _ in range(numbers.randint(2, 6))),
            "branch": f"{inner} (0 -> {flow(depth - 1)}, 1 |-> {flow(depth - 1)})",
            "each": f"{inner}[each=x{depth}]",
            "again": f"{inner}[again=2]",
        }[kind]

    known = graph(" -> ".join(f"{{{flow(3)}}}" for _ in range(8)))
    view = View(known, most=12)
    shown = {item for item in view.items() if isinstance(item, int)}
    assert all({line.source, line.target} <= shown for line in view.lines())
    text = dot(known, most=12)
    assert text.count("{") == text.count("}")

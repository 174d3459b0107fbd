"""Compares the graph and its state machine with the naive evaluator, on random programs.

Programs come from seeds. Which ones were run is printed, and a failure names the seed of its
program: `VOLNUX_SEED=<seed> VOLNUX_PROGRAMS=1` runs that one again, and `VOLNUX_PROGRAMS=20000`
runs that many in each test.
"""

import os
import random
from collections.abc import Iterator
from itertools import zip_longest

import pytest
from hypothesis import HealthCheck, given, settings

from tests.property.driving import Driven, difference, ending, expected, graph_of
from volnux.graph import Kind, RunStatus, simulate
from volnux.graph.parts import ValueKind
from volnux.testing.making import programs, random_program
from volnux.testing.programs import Program, places
from volnux.testing.rendering import render, shown

PROGRAMS = int(os.environ.get("VOLNUX_PROGRAMS", "0"))
SEED = int(os.environ.get("VOLNUX_SEED", "0")) or random.SystemRandom().randrange(10**9)

pytestmark = pytest.mark.timeout(0 if PROGRAMS else 120)


def each_program(
    count: int, *, stops: bool = False, repeats: bool = True, uses: bool = True
) -> Iterator[tuple[int, Program]]:
    """Random programs with their seeds."""
    count = PROGRAMS or count
    for number in range(count):
        source = random.Random(SEED + number)
        big = number % 10 == 9
        events = 60 if big else 14
        program = random_program(source, events=events, stops=stops, repeats=repeats, uses=uses)
        yield SEED + number, program
    print(f"{count} programs: {repeat(SEED, count)}")  # noqa: T201 - shown with `pytest -s`


def repeat(seed: int, number: int = 1) -> str:
    return f"VOLNUX_SEED={seed} VOLNUX_PROGRAMS={number}"


def test_programs_mean_what_the_language_says():
    for seed, program in each_program(800, stops=True):
        found = difference(program)
        assert found is None, f"{repeat(seed)}\n{found}"


def test_the_end_is_the_same_in_whatever_order_events_end():
    for seed, program in each_program(400):
        graph = graph_of(program)
        wanted = Driven(program, graph).by_delay().outcome()
        source = random.Random(seed)
        for choose in (min, max, source.choice, source.choice):
            found = Driven(program, graph).in_order(choose).outcome()
            assert found == wanted, f"{repeat(seed)}\n{shown(program)}"


def test_results_are_let_go_when_nobody_will_read_them():
    for seed, program in each_program(400):
        graph = graph_of(program)
        kept = Driven(program, graph).by_delay()
        freed = Driven(program, graph, keep_results=False).at_random(random.Random(seed))
        assert freed.by_place(freed.received) == kept.by_place(kept.received), repeat(seed)
        states = [run.by_place(run.execution.states) for run in (freed, kept)]
        assert states[0] == states[1], repeat(seed)
        had = kept.by_place(kept.execution.results)
        has = freed.by_place(freed.execution.results)
        for place, descriptor in kept.by_place(kept.execution.descriptors).items():
            assert has[place] == (had[place] if descriptor == 0 else None), repeat(seed)


def test_what_was_received_is_found_where_it_came_from():
    for seed, program in each_program(400):
        graph = graph_of(program)
        driven = Driven(program, graph).by_delay()
        execution = driven.execution
        results = driven.by_place(execution.results)

        def look_up(source, results=results):
            if isinstance(source, list):
                return [look_up(part) for part in source]
            return None if source is None else results[source]

        for node, value in driven.received.items():
            source = execution.received_from(node)
            # An item came from no place, and neither did the failure of a `!` or an `each`.
            if source is not None:
                assert look_up(source) == value, repeat(seed)
            elif value is not None:
                item = graph.values[execution.nodes[node].receives].kind is ValueKind.ITEM
                others = any(node.kind in (Kind.FAIL, Kind.EACH) for node in graph.nodes)
                assert item or others, repeat(seed)


def test_simulate_tells_the_same_path():
    for seed, program in each_program(400, repeats=False):
        graph = graph_of(program)
        factors = {node.id: node.retry for node in graph.places()}
        scripts = {place: event.script for place, event in places(program).items()}
        told = {place: ending(place, scripts[place], factors[place])[0] for place in scripts}
        report = simulate(graph, places=told)
        success, _, summary = expected(program)
        assert (report.status is RunStatus.SUCCESS) is success, repeat(seed)
        for place, (state, descriptor, attempts, *_) in summary.items():
            found = report.places[place]
            assert (found.state, found.descriptor) == (state, descriptor), repeat(seed)
            assert found.attempts == min(attempts, 1), repeat(seed)


# Hypothesis finds less in the same time, but reduces what it finds to a small example.


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs(stops=True))
def test_a_small_program_means_what_the_language_says(program):
    assert difference(program) is None, difference(program)


def test_a_fail_means_an_event_that_returned_a_failure():
    """A `!` and an event in its place that returns the same failure end in the same way."""
    for seed, program in each_program(600, repeats=False, uses=False):
        if "!" not in render(program):
            continue
        graph = graph_of(program)
        driven = Driven(program, graph).by_delay()
        fails = [index for index, node in enumerate(graph.nodes) if node.kind is Kind.FAIL]
        names = [f"Fail{number}" for number in range(len(fails))]
        text = "".join(map("".join, zip_longest(render(program).split("!"), names, fillvalue="")))
        other = Driven(program, graph_of(program, text))
        results = dict(zip(names, (driven.execution.results[n] for n in fails), strict=True))
        running = other.execution.start()
        while running:
            node = max(running)
            place = other.graph.nodes[node].id
            ended = (0, results[place]) if place in results else other.ending_of(node)[:2]
            ready = other.execution.finish(node, *ended)
            running = [*(n for n in running if n != node), *ready]
        assert other.execution.status is driven.execution.status, repeat(seed)
        index = {node.id: number for number, node in enumerate(other.graph.nodes)}
        for number, node in enumerate(graph.nodes):
            same = index[names[fails.index(number)] if number in fails else node.id]
            for attribute in ("states", "descriptors", "results"):
                found = getattr(driven.execution, attribute)[number]
                assert found == getattr(other.execution, attribute)[same], repeat(seed)
            if number in driven.received:
                assert driven.received[number] == other.execution.received(same), repeat(seed)


# What holds at each step of the state machine.


def test_a_place_ends_once_and_keeps_its_end():
    for seed, program in each_program(400, stops=True):
        driven = Driven(program, graph_of(program))
        execution = driven.execution
        source = random.Random(seed)
        running = driven.begin(execution.start())
        ended: dict[int, tuple[object, object]] = {}

        def check(execution=execution, ended=ended):
            for index, state in enumerate(execution.states):
                pair = (state, execution.descriptors[index])
                if state is not None:
                    assert ended.setdefault(index, pair) == pair

        check()
        while not execution.ended:
            assert execution.running == set(running)
            idle = [n for n in range(len(execution.states)) if n not in execution.running]
            if idle:
                node = source.choice(idle)
                with pytest.raises(ValueError, match="is not running"):
                    execution.finish(node, 1)
                with pytest.raises(ValueError, match="is not running"):
                    execution.stop(node)
            node = source.choice(running)
            running = [*(n for n in running if n != node), *driven.end(node)]
            check()
        assert len(ended) == len(execution.states), f"{repeat(seed)}\n{shown(program)}"


@pytest.mark.parametrize("way", ["finish what runs", "give it up", "stop"])
def test_a_run_that_is_cut_short(way):
    for seed, program in each_program(600):
        graph = graph_of(program)
        whole = Driven(program, graph).by_delay()
        states = whole.by_place(whole.execution.states)
        driven = Driven(program, graph)
        execution = driven.execution
        source = random.Random(seed)
        running = driven.begin(execution.start())
        for _ in range(source.randrange(len(graph.nodes))):
            if not running:
                break
            node = source.choice(running)
            running = [*(n for n in running if n != node), *driven.end(node)]
        if not running:
            continue
        if way == "stop":
            before = list(execution.states)
            node = source.choice(running)
            execution.stop(node, "why")
            assert execution.results[node] == "why"
            assert execution.status is RunStatus.FAILED
            rest = "failed"
        else:
            execution.cancel()
            if way == "finish what runs":
                for node in running:
                    assert driven.end(node) == []
                assert execution.ended
            before = list(execution.states)
            execution.abandon()
            assert execution.status is RunStatus.CANCELLED
            rest = "cancelled"
        assert execution.ended
        for index, state in enumerate(execution.states):
            if before[index] is None:
                assert state == rest
            else:
                # What had ended is as it would have been, and stays so.
                place = execution.copies.place(index)
                assert state == before[index] == states[place], repeat(seed)
        for node in running:
            with pytest.raises(ValueError, match="is not running"):
                execution.finish(node, 1)


def test_every_graph_is_well_formed():
    for seed, program in each_program(400):
        graph = graph_of(program)
        index = {node.id: number for number, node in enumerate(graph.nodes)}
        assert len(index) == len(graph.nodes), repeat(seed)
        assert [node.id for node in graph.places()] == list(places(program)), repeat(seed)
        pairs = [(index[edge.source], index[edge.target]) for edge in graph.edges]
        assert pairs == sorted(set(pairs)), "edges stand once each, by source and target"
        assert all(source < target for source, target in pairs), "edges lead forward"
        targets = {target for _, target in pairs}
        for number, node in enumerate(graph.nodes):
            if node.kind in (Kind.EVENT, Kind.FAIL, Kind.EACH):
                assert node.entry == "all"
            else:
                assert number in targets
        for number, value in enumerate(graph.values):
            assert all(part < number for part in value.of)
            assert value.node is None or value.node in index

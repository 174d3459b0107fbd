"""`each` means a parallel group of copies, `again` nested `0` branches, and hints mean nothing.

Random programs are compared with the same programs in other words. A failure names the seed of its
program and shows the smallest program with a difference; `VOLNUX_SEED=<seed> VOLNUX_PROGRAMS=1`
runs that one again.
"""

import random

import pytest

from tests.property.driving import Driven, graph_of
from tests.property.rewriting import DrivenRewritten, differences, rewrite, without_hints
from tests.property.test_graph_meaning import PROGRAMS, each_program, repeat
from volnux.testing.programs import Program
from volnux.testing.rendering import shown
from volnux.testing.shrinking import shrink

pytestmark = pytest.mark.timeout(0 if PROGRAMS else 120)

HINTS = ("each=", "again=", "task=", "@use")


def difference(program: Program, seed: int) -> str | None:
    """A difference between a program and its other words, for several orders of ends."""
    made = rewrite(program)
    wanted = DrivenRewritten(program, made).in_order(min)
    source = random.Random(seed)
    for choose in (min, max, source.choice):
        driven = Driven(program, graph_of(program)).in_order(choose)
        found = differences(driven, program, made, wanted)
        if found is not None:
            return found
    return None


def difference_with_stops(program: Program) -> str | None:
    """The same where an event may end the run: then the times matter."""
    program = without_hints(program)
    made = rewrite(program)
    driven = Driven(program, graph_of(program)).by_delay()
    return differences(driven, program, made, DrivenRewritten(program, made).by_delay())


def smallest(program: Program, differs) -> str:
    return str(differs(shrink(program, lambda smaller: differs(smaller) is not None, tries=2000)))


def test_programs_mean_the_same_in_other_words():
    for seed, program in each_program(300):
        if any(option in shown(program) for option in HINTS):
            found = difference(program, seed)
            if found is not None:
                found = smallest(program, lambda smaller, seed=seed: difference(smaller, seed))
            assert found is None, f"{repeat(seed)}\n{found}"


def test_programs_that_are_stopped_mean_the_same_in_other_words():
    for seed, program in each_program(200, stops=True):
        if any(option in shown(program) for option in HINTS):
            found = difference_with_stops(program)
            if found is not None:
                found = smallest(program, difference_with_stops)
            assert found is None, f"{repeat(seed)}\n{found}"


def test_hints_mean_nothing():
    for seed, program in each_program(400):
        bare = without_hints(program)
        if bare == program:
            continue
        wanted = Driven(bare, graph_of(bare)).by_delay().outcome()
        for choose in (min, max):
            found = Driven(program, graph_of(program)).in_order(choose).outcome()
            assert found == wanted, f"{repeat(seed)}\n{shown(program)}"
            assert list(found[2]) == list(wanted[2]), repeat(seed)


def test_no_more_copies_run_than_allowed():
    for seed, program in each_program(300):
        graph = graph_of(program)
        limits = {graph.topology.index[each.each]: each.at_once for each in graph.eaches}
        if not any(limits.values()):
            continue
        driven = Driven(program, graph)
        execution = driven.execution
        source = random.Random(seed)
        running = driven.begin(execution.start())
        while running:
            copies = {}
            for node in running:
                for block, number in execution.copies.around(node):
                    copies.setdefault(block.each, (block, set()))[1].add(number)
            for block, numbers in copies.values():
                limit = limits[execution.copies.node(block.each)]
                assert limit is None or len(numbers) <= limit, repeat(seed)
            node = source.choice(running)
            running = [*(other for other in running if other != node), *driven.end(node)]

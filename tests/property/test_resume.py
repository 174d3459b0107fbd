"""A random program that is interrupted and resumed ends as if it had not been interrupted.

No place that was done runs again. `VOLNUX_PROGRAMS=5000` runs more programs.
"""

import os
import random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.property.driving import Driven, graph_of, plain
from volnux.backends import RunOptions
from volnux.graph import Failure, State
from volnux.kit import Notes
from volnux.kit.reuse import Earlier, EarlierRun, Reuse
from volnux.runs import KeptPlace
from volnux.testing.making import random_program
from volnux.testing.rendering import render
from volnux.values import dumps

PROGRAMS = int(os.environ.get("VOLNUX_PROGRAMS", "300"))
SEED = int(os.environ.get("VOLNUX_SEED", "1"))
STEP = 100


class Resumed(Driven):
    """A run of a program that may be interrupted, and that may resume others."""

    def __init__(self, program, graph, runs=(), anew=frozenset()):
        super().__init__(program, graph)
        plan: Any = SimpleNamespace(graph=graph, specs=[()] * len(graph.nodes), visible=())
        calls: Any = SimpleNamespace(call=self.call)
        self.anew = anew
        self.notes = Notes(len(graph.nodes))
        earlier = Earlier("1", runs, lambda _, call: call, anew) if runs else None
        self.reuse = Reuse(plan, self.execution, calls, self.notes, RunOptions(earlier=earlier))

    def grows(self, start, stop, copies):
        super().grows(start, stop, copies)
        self.notes.grow((stop - start) * copies)

    def call(self, execution, index, attempt, received):
        node = self.execution.nodes[index]
        arguments = [(each.name, str(each)) for each in node.arguments]
        return repr((node.event, arguments, plain(received), self.names(execution, index)))

    def begin(self, ready):
        return super().begin(self.reuse.settle(ready))

    def interrupted(self, choose, events):
        """Run until this many events have ended. Returns what a store then knows."""
        running = self.begin(self.execution.start())
        while running and events:
            node = choose(running)
            running = [*(other for other in running if other != node), *self.end(node)]
            events -= 1
        rows = {}
        for index, node in enumerate(self.execution.nodes):
            reused = bool(self.notes.reused[index])
            if node.event is None or not (index in self.attempts or reused):
                continue
            result = self.execution.results[index]
            failure = result if isinstance(result, Failure) else None
            place = self.execution.copies.place(index)
            rows[place] = KeptPlace(
                place=place,
                event=node.event,
                state=self.execution.states[index],
                descriptor=self.execution.descriptors[index],
                attempts=0 if reused else max(1, self.attempts[index]),
                result=None if failure else dumps(result),
                failure=failure,
                given=self.call(self.execution, index, 1, self.execution.received(index)),
                reused=reused,
            )
        return EarlierRun(rows, self.anew), not running

    def ran(self):
        return {self.execution.copies.place(index) for index in self.attempts}

    def ends(self):
        """State, descriptor and result of each place, and the status of the run."""
        return self.execution.status, {
            place: (ended[0], ended[1], ended[3]) for place, ended in self.summary().items()
        }


def resumed_to_the_end(program, graph, source, wanted):
    """Interrupt and resume a program until it ends; check what ran."""
    runs: list[EarlierRun] = []
    count = len(wanted.attempts)
    for _ in range(4):
        run = Resumed(program, graph, list(runs))
        known, over = run.interrupted(source.choice, source.randrange(count + 1))
        done = {place for place in run.ran() if committed(runs, place)}
        assert not done, f"{done} ran again"
        if over:
            break
        runs.insert(0, known)
    else:
        run = Resumed(program, graph, list(runs)).at_random(source)
        assert not {place for place in run.ran() if committed(runs, place)}
    assert run.ends() == wanted.ends()


def committed(runs, place):
    """Whether a place was done in the latest run in which it began."""
    rows = (known.places[place] for known in runs if place in known.places)
    row = next(rows, None)
    return row is not None and row.state is State.DONE


@pytest.mark.parametrize("first", range(SEED, SEED + PROGRAMS, STEP))
def test_a_resumed_run_ends_as_an_uninterrupted_one(first):
    for seed in range(first, min(first + STEP, SEED + PROGRAMS)):
        source = random.Random(seed)
        program = random_program(source, uses=source.random() < 0.5)
        graph = graph_of(program)
        wanted = Resumed(program, graph).at_random(source)
        try:
            resumed_to_the_end(program, graph, source, wanted)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{render(program)}") from error

"""A program run through the real parser, the real graph and the real state machine.

There is no clock: events end in the order of their delays, or in any order that is asked for.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.property import endings, naive
from volnux.graph import Execution, Failure, Graph, Kind, RunStatus, compile
from volnux.graph.report import Details, failure_of_run, places_of
from volnux.graph.walk import EventName
from volnux.pointy.tree import Evaluation
from volnux.testing.behaviour import result_of, script_of, scripts
from volnux.testing.programs import (
    DEFAULT_ATTEMPTS,
    Program,
    Script,
    files_of,
    uses_of,
)
from volnux.testing.rendering import path_of, render, shown, texts_of
from volnux.testing.texts import program_of


def graph_of(program: Program, text: str | None = None, filename: str = "program.pty") -> Graph:
    files = files_of(program)
    folder = Path(filename).parent
    own = {
        (folder / path_of(files[id(use)])).as_posix(): use.evaluations
        for use in uses_of(program.flow)
    }
    own[filename] = program.evaluations
    parsed = program_of(filename, text or render(program), texts_of(program))
    states = {
        EventName(number, name): Evaluation(state)
        for number, file in enumerate(parsed.files)
        for name, state in own[file.source.filename]
    }
    return compile(parsed, evaluations=states)


def ending(place: str, script: Script, retry: int | None) -> tuple[int, Any, int, bool]:
    """How a place's event ends: descriptor, result, attempts, and whether it ends the run."""
    allowed = retry or DEFAULT_ATTEMPTS
    if script.raising >= allowed:
        return 0, Failure("Boom", place, attempts=allowed), allowed, script.stop_on_exception
    return script.descriptor, result_of(f"r:{place}", script), script.raising + 1, False


class Driven:
    """One run of a program: its execution, and what only a backend knows."""

    def __init__(self, program: Program, graph: Graph, *, keep_results: bool = True) -> None:
        self.graph = graph
        self.inputs = dict(program.inputs)
        self.eaches = {each.each: each for each in graph.eaches}
        self.grown = len(graph.nodes)
        self.execution = Execution(
            graph, keep_results=keep_results, items=self.items, grows=self.grows
        )
        self.scripts = scripts(program)
        self.attempts: dict[int, int] = {}
        self.received: dict[int, Any] = {}

    def items(self, execution: Execution, instance: int) -> object:
        """What an `each` goes through."""
        source = self.eaches[execution.nodes[instance].id].source
        if source is None:
            return execution.received(instance)
        return self.names(execution, instance)[source]

    def names(self, execution: Execution, instance: int) -> dict[str, Any]:
        """The values of the inputs and items that a place sees."""
        graph, node = self.graph, execution.copies.node(instance)
        items = execution.copies.items(instance)
        names, before = dict(self.inputs), 0
        for use in graph.topology.uses_around(graph.topology.use_of[node]):
            around = len(graph.topology.around[graph.topology.index[graph.uses[use].first]])
            names.update(items[before:around])
            before = around
            values = {
                item.name: item.default for item in graph.files[graph.uses[use].of - 1].inputs
            }
            for argument in graph.uses[use].arguments:
                values[argument.name] = argument.filled(names.__getitem__)
            names = values
        return {**names, **dict(items[before:])}

    def grows(self, start: int, stop: int, copies: int) -> None:
        """Check that the run says how many instances it has."""
        self.grown += (stop - start) * copies
        assert self.grown == len(self.execution.states)

    def begin(self, ready: list[int]) -> list[int]:
        """Record that these events start. Each must start only once."""
        assert ready == sorted(set(ready))
        for node in ready:
            assert self.execution.nodes[node].kind is Kind.EVENT
            assert node not in self.attempts, "a place is ready twice"
            assert self.execution.states[node] is None
            self.attempts[node] = 0
            self.received[node] = self.execution.received(node)
        return ready

    def ending_of(self, node: int) -> tuple[int, Any, int, bool]:
        """How a running event ends; see `ending`."""
        place = self.execution.copies.place(node)
        return ending(place, script_of(self.scripts, place), self.execution.nodes[node].retry)

    def end(self, node: int) -> list[int]:
        """Let one event end as its script says."""
        descriptor, result, attempts, stops = self.ending_of(node)
        self.attempts[node] = attempts
        if stops:
            self.execution.stop(node, result)
            return []
        return self.begin(self.execution.finish(node, descriptor, result))

    def lasts(self, node: int) -> int:
        """How long an event takes."""
        place = self.execution.copies.place(node)
        return endings.duration(place, script_of(self.scripts, place).delay)

    def by_delay(self) -> Driven:
        """Run to the end. Events end in the order of their delays."""
        queue: list[tuple[int, int]] = []

        def add(now: int, ready: list[int]) -> None:
            for node in ready:
                heapq.heappush(queue, (now + self.lasts(node), node))

        add(0, self.begin(self.execution.start()))
        while queue and not self.execution.ended:
            now, node = heapq.heappop(queue)
            add(now, self.end(node))
        for _, node in queue:
            self.attempts[node] = self.ending_of(node)[2]
        assert self.execution.ended
        return self

    def in_order(self, choose: Callable[[list[int]], int]) -> Driven:
        """Run to the end. `choose` decides which of the running events ends next."""
        running = self.begin(self.execution.start())
        while running and not self.execution.ended:
            node = choose(running)
            running = [*(other for other in running if other != node), *self.end(node)]
        assert self.execution.ended
        return self

    def at_random(self, source: random.Random) -> Driven:
        return self.in_order(source.choice)

    def summary(self) -> dict[str, tuple[Any, ...]]:
        """For each place: state, descriptor, attempts, result, and received value."""
        return {
            place: (
                str(found.state),
                found.descriptor,
                found.attempts,
                plain(found.failure or found.result),
                plain(found.received),
            )
            for place, found in places_of(self.execution, self.details).items()
        }

    def by_place(self, values: Sequence[Any] | dict[int, Any]) -> dict[str, Any]:
        """Values of nodes and of their copies, by place."""
        items = values.items() if isinstance(values, dict) else enumerate(values)
        return {self.execution.copies.place(node): value for node, value in items}

    def details(self, node: int) -> Details:
        """What only a backend knows about a place."""
        return Details(self.attempts.get(node, 0), self.received.get(node))

    def outcome(self) -> tuple[Any, ...]:
        """Everything that is compared between runs."""
        execution = self.execution
        status = execution.status is RunStatus.SUCCESS
        result = plain(execution.value(self.graph.result)) if status else None
        return status, result, self.summary()


def expected(program: Program) -> tuple[Any, ...]:
    """The same from the naive evaluator."""
    meaning = naive.evaluate(program)
    summary = {
        place.id: (
            place.state,
            place.descriptor,
            place.attempts,
            plain(place.result),
            plain(place.received),
        )
        for place in meaning.places.values()
    }
    return meaning.success, plain(meaning.result) if meaning.success else None, summary


def plain(value: Any) -> Any:
    """A result in which failures are replaced by their kind and place."""
    match value:
        case Failure(type="Boom"):
            return f"raised:{value.message}"
        case Failure(type="UnhandledDescriptor"):
            return "no branch"
        case Failure(type="EachError") | endings.NoList():
            return "no list"
        case Failure(type="Failed") | endings.Failed():
            return f"failed: {value.message}"
        case endings.Raised():
            return f"raised:{value.place}"
        case endings.NoBranch():
            return "no branch"
        case list():
            return [plain(item) for item in value]
        case _:
            return value


def difference(program: Program) -> str | None:
    """A readable difference between the graph and the naive evaluator; None if they agree."""
    driven = Driven(program, graph_of(program)).by_delay()
    found, wanted = driven.outcome(), expected(program)
    meaning = naive.evaluate(program)
    why = plain(failure_of_run(driven.execution)), plain(meaning.failure)
    same = found == wanted and list(found[2]) == list(wanted[2])
    if same and (why[0] == why[1] or meaning.stopped):
        return None
    lines = [shown(program), f"evaluations: {program.evaluations}"]
    lines.append(f"run: graph {found[:2]} {why[0]}, naive {wanted[:2]} {why[1]}")
    for place in dict.fromkeys([*found[2], *wanted[2]]):
        mark = "  " if found[2].get(place) == wanted[2].get(place) else "! "
        lines.append(f"{mark}{place}: {script_of(driven.scripts, place)}")
        lines.append(f"{mark}  graph {found[2].get(place)}")
        lines.append(f"{mark}  naive {wanted[2].get(place)}")
    return "\n".join(lines)

"""Predicts the result of a random program with the state machine, without a backend.

A program becomes a case like those written by hand, with the same files and comparison.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from volnux.errors import Source
from volnux.events import Call
from volnux.events.inputs import bind_inputs
from volnux.events.scope import scopes_of
from volnux.graph import Execution, Failure, Graph, RunStatus, compile
from volnux.graph.report import Details, failure_of_run, places_of
from volnux.graph.topology import ROOT
from volnux.graph.walk import EventName
from volnux.pointy.parser import analyze
from volnux.pointy.tree import Evaluation
from volnux.testing.behaviour import key_of, result_of, scripts
from volnux.testing.cases import Case, Expected, ExpectedPlace, Found
from volnux.testing.comparing import exact, plain
from volnux.testing.making import NAMES, random_program
from volnux.testing.programs import (
    DEFAULT_ATTEMPTS,
    Event,
    Program,
    Script,
    each_event,
    events_of,
    files_of,
    uses_of,
)
from volnux.testing.rendering import path_of, render, texts_of
from volnux.testing.scripts import EventScript, PlaceScript
from volnux.testing.texts import program_of
from volnux.testing.typed import VALUES, WRONG_TYPE, WrongTypeError, read_as

__all__ = ["case_of", "is_certain", "random_case_program"]

TOO_LATE: Final = "NotYetError"
RAISED: Final = "RuntimeError"
EVERY: Final = 0.01
"""Seconds between the calls of events that say "not yet"."""
SECOND: Final = 0.002
"""The length of one unit of a script's delay, in seconds."""


GIVEN: Final = "given"
"""The parameter that takes all inputs and arguments of an event."""


def case_of(program: Program, name: str, *, delays: bool = False, head: Sequence[str] = ()) -> Case:
    """Turn a program into a case, with the expected result from the state machine.

    Args:
        program: the program.
        name: the case's name.
        delays: whether events take time, as in their scripts.
        head: lines above the text of the program.
    """
    events = list(events_of(program.flow))
    stopping = {event.name for event in events if event.script.stop_on_exception}
    waiting = {
        event.name for event in events if any(script.polls for script in _all_scripts(event))
    }
    states = {f"{path}:": dict(own) for path, own in _evaluations(program).items()}
    states[""] = dict(program.evaluations)
    takes = {f"{path}:": dict(own) for path, own in _takes(program).items()}
    takes[""] = dict(program.takes)
    text = "\n".join([*head, render(program)])
    source = Source(text, f"{name}.pty")
    files = texts_of(program)
    parsed = program_of(source.filename, text, files)
    warnings = tuple(Found(each.code) for file in parsed.files for each in analyze(file.source)[1])
    return Case(
        name=name,
        text=text,
        files=files,
        expected=replace(_expected(program, min, source), warnings=warnings),
        events={
            f"{file}{event}": EventScript(
                arguments=_arguments(program, takes[file].get(event)),
                evaluation=states[file].get(event),
                every=EVERY if event in waiting else None,
                stop_on_exception=event in stopping,
                retry_policy={"max_attempts": DEFAULT_ATTEMPTS, "backoff_factor": 0.0},
            )
            for file in states
            for event in dict.fromkeys(event.name for event in events)
        },
        script={
            place: _script(place, script, delays=delays, reads=bool(program.inputs))
            for place, script in scripts(program).items()
        },
    )


def _evaluations(program: Program) -> dict[str, tuple[tuple[str, str], ...]]:
    """The evaluation states of the event classes of each used file, by its path."""
    files = files_of(program)
    return {path_of(files[id(use)]): use.evaluations for use in uses_of(program.flow)}


def _takes(program: Program) -> dict[str, tuple[tuple[str, str], ...]]:
    """The annotations of the event classes of each used file, by its path."""
    files = files_of(program)
    return {path_of(files[id(use)]): use.takes for use in uses_of(program.flow)}


def _arguments(program: Program, annotation: str | None) -> list[str]:
    """The parameters of `process`."""
    piped = [] if annotation is None else [f"previous_result: {annotation}"]
    return [*piped, f"**{GIVEN}"] if program.inputs else piped


def is_certain(program: Program) -> bool:
    """Whether the result of a program is independent of the order in which its events end.

    Only an event that ends the run can make the result depend on the order, because other running
        events may or may not end before it.
    """
    source = random.Random(1)
    wanted = _expected(program, min)
    return all(wanted == _expected(program, choose) for choose in (max, source.choice)) and not any(
        _Driven(program).meets_a_stop(choose) for choose in (min, max)
    )


def random_case_program(
    seed: int, *, events: int = 12, names: Sequence[str] = NAMES, uses: bool = True
) -> Program:
    """The random program of a seed; in one of four programs, events may end the run.

    Args:
        seed: the same seed gives the same program.
        events: the approximate maximum number of events.
        names: the names of the events.
        uses: whether parts of it may be used files.
    """
    source = random.Random(seed)
    stops = source.random() < 0.25
    program = random_program(
        source, events=events, stops=stops, names=names, uses=uses, types=True, waits=True
    )
    program = _same_for_all_places(program)
    return program if is_certain(program) else without_stops(program)


def without_stops(program: Program) -> Program:
    """The program without events that end the run."""
    return _with_scripts(program, lambda event, script: replace(script, stop_on_exception=False))


def _same_for_all_places(program: Program) -> Program:
    """The program with the same `stop_on_exception` at all places of an event, as on a class."""
    stopping = {
        event.name
        for event in events_of(program.flow)
        if any(script.stop_on_exception for script in _all_scripts(event))
    }
    return _with_scripts(
        program, lambda event, script: replace(script, stop_on_exception=event in stopping)
    )


def _with_scripts(program: Program, change: Callable[[str, Script], Script]) -> Program:
    def changed(event: Event) -> Event:
        others = tuple((end, change(event.name, script)) for end, script in event.others)
        return replace(event, script=change(event.name, event.script), others=others)

    return each_event(program, changed)


def _all_scripts(event: Event) -> list[Script]:
    return [event.script, *(script for _, script in event.others)]


def _script(place: str, script: Script, *, delays: bool, reads: bool) -> PlaceScript:
    told: dict[str, Any] = {"descriptor": script.descriptor}
    if script.silent:
        told["result"] = None
    elif script.passes:
        told["passes"] = "previous_result"
    elif script.value:
        told["result"] = in_case(VALUES[script.value])
    elif script.items:
        told["items"] = list(script.items)
    elif reads:
        told["reads"] = [GIVEN]
    if script.polls:
        told["polls"] = list(script.polls)
    if script.raising:
        told["raises"] = [RAISED] * script.raising
        told["message"] = place
    if delays:
        told["delay"] = script.delay * SECOND
    return PlaceScript(**told)


def _expected(
    program: Program, choose: Callable[[list[int]], int], source: Source | None = None
) -> Expected:
    driven = _Driven(program, source)
    driven.run(choose)
    execution = driven.execution
    found = {
        name: ExpectedPlace(
            state=str(place.state),
            descriptor=place.descriptor,
            attempts=place.attempts,
            result=in_case(place.result),
            received=in_case(place.received),
            failure=None if place.failure is None else in_case(place.failure),
            polls=place.polls,
        )
        for name, place in places_of(execution, driven.details).items()
    }
    status = "success" if execution.status is RunStatus.SUCCESS else "failed"
    failure = failure_of_run(execution)
    return Expected(
        status=status, places=found, failure=None if failure is None else in_case(failure)
    )


def in_case(value: Any) -> Any:
    """A value as it is written in a case."""
    return _in_case(exact(value))


def _in_case(data: Any) -> Any:
    if isinstance(data, list):
        return [_in_case(item) for item in data]
    if isinstance(data, dict):
        # What pydantic says is not predicted, and another message may contain it.
        if data.keys() == {"type", "message"} and WRONG_TYPE in "{type}{message}".format(**data):
            return {"type": data["type"]}
        return {key: _in_case(item) for key, item in data.items()}
    return data


@dataclass(frozen=True)
class _Ending:
    descriptor: int
    result: Any
    attempts: int
    stops: bool
    polls: int = 0


class _Driven:
    """One run of a program: its state machine, and the other data that a backend would have."""

    def __init__(self, program: Program, source: Source | None = None) -> None:
        source = source or Source(render(program), "program.pty")
        parsed = program_of(source.filename, source.text, texts_of(program))
        own = {source.filename: program.evaluations, **_evaluations(program)}
        takes = {source.filename: program.takes, **_takes(program)}
        states: dict[EventName, Evaluation] = {}
        self.takes: dict[EventName, str] = {}
        for number, file in enumerate(parsed.files):
            for name, state in own[file.source.filename]:
                states[EventName(number, name)] = Evaluation(state)
            for name, annotation in takes[file.source.filename]:
                self.takes[EventName(number, name)] = annotation
        self.graph: Graph = compile(parsed, evaluations=states)
        self.scopes = scopes_of(self.graph)
        self.inputs = bind_inputs(self.graph.inputs, {}) if program.inputs else None
        self.execution = Execution(self.graph, items=self._items)
        self.scripts = scripts(program)
        self.attempts: dict[int, int] = {}
        self.polls: dict[int, int] = {}
        self.received: dict[int, Any] = {}

    def run(self, choose: Callable[[list[int]], int]) -> None:
        """Run to the end; `choose` says which of the running events ends next."""
        for _ in self.steps(choose):
            pass

    def meets_a_stop(self, choose: Callable[[list[int]], int]) -> bool:
        """Whether an event ends the run while another one runs."""
        return any(stops and others for stops, others in self.steps(choose))

    def steps(self, choose: Callable[[list[int]], int]) -> Any:
        running = self._begin(self.execution.start())
        while running and not self.execution.ended:
            node = choose(running)
            running.remove(node)
            end = self._ending(node)
            self.attempts[node] = end.attempts
            self.polls[node] = end.polls
            yield end.stops, bool(running)
            if end.stops:
                self.execution.stop(node, end.result)
                return
            running += self._begin(self.execution.finish(node, end.descriptor, end.result))

    def details(self, node: int) -> Details:
        """What only a backend knows about a place."""
        return Details(
            self.attempts.get(node, 0), self.received.get(node), polls=self.polls.get(node, 0)
        )

    def _items(self, execution: Execution, node: int) -> object:
        each = execution.copies.of_each[execution.copies.node(node)]
        if each.source is None:
            return execution.received(node)
        return self._given(execution, node)[each.source]

    def _given(self, execution: Execution, node: int) -> dict[str, Any]:
        place, numbers, items = execution.copies.located(node)
        call = Call(place, "", self.inputs or {}, numbers=numbers, items=items)
        use = self.graph.topology.use_of[execution.copies.node(node)]
        if use == ROOT:
            return {**call.inputs, **dict(items)}
        return dict(self.scopes[use].inputs(call))

    def _begin(self, ready: list[int]) -> list[int]:
        for node in ready:
            self.received[node] = self.execution.received(node)
        return ready

    def _ending(self, node: int) -> _Ending:
        template, place = self.execution.nodes[node], self.execution.copies.place(node)
        key = key_of(self.scripts, place)
        script = self.scripts[key]
        received = self.received[node]
        annotation = self.takes.get(EventName(template.file, template.event or ""))
        if annotation is not None and template.receives is not None:
            try:
                received = read_as(annotation, received)
            except WrongTypeError:
                # Without an attempt, the report does not show what it received.
                self.received[node] = None
                failure = Failure(WRONG_TYPE, "", attempts=0)
                return _Ending(0, failure, 0, script.stop_on_exception)
        allowed = template.retry or DEFAULT_ATTEMPTS
        waits = script.polls[: min(script.raising + 1, allowed)]
        if "within" in template.options and any(waits):
            attempt = next(number for number, count in enumerate(waits, 1) if count)
            failure = Failure(TOO_LATE, "poll 1", attempts=attempt)
            return _Ending(0, failure, attempt, script.stop_on_exception, polls=1)
        polls = sum(waits)
        if script.raising >= allowed:
            failure = Failure(RAISED, key, attempts=allowed)
            return _Ending(0, failure, allowed, script.stop_on_exception, polls)
        result = received if script.passes else result_of(place, script)
        if script.passes or script.value:
            return _Ending(script.descriptor, result, script.raising + 1, False, polls)
        if isinstance(result, str) and self.inputs is not None:
            inputs = self._given(self.execution, node)
            given = {each.name: each.filled(inputs.__getitem__) for each in template.arguments}
            result = {GIVEN: plain({**inputs, **given})}
        return _Ending(script.descriptor, result, script.raising + 1, False, polls)

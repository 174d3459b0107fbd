"""The meaning of a program, computed with plain recursion, for comparison with the graph.

This follows `docs/language.md` rule by rule and shares nothing with `volnux.graph`: it knows no
edges, no joins, no catches and no values. It is slow, limited in depth, and meant to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from volnux.testing.programs import (
    ANY_STATES,
    DEFAULT_ATTEMPTS,
    Branch,
    Event,
    Fail,
    Flow,
    Group,
    Name,
    Parallel,
    Program,
    Unit,
    places,
)

DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True)
class Raised:
    """The failure after the event of a place has raised an exception in its last attempt."""

    place: str


@dataclass(frozen=True)
class NoBranch:
    """The failure of an event whose descriptor, 2 to 9, has no branch."""

    place: str


@dataclass(frozen=True)
class Failed:
    """The failure of a `!` without a `0` branch around it."""

    message: str


NOTHING = object()


@dataclass
class Place:
    """How one place ended, or a `!`, which is not a place.

    `number` counts the places in reading order, and `order` counts each `!` as well. `given` is
    what the event is given: the inputs and its arguments.
    """

    number: int
    id: str
    event: Event | None
    order: int = 0
    given: dict[str, Any] = field(default_factory=dict)
    state: str | None = None
    attempts: int = 0
    descriptor: int | None = None
    result: Any = None
    received: Any = None
    started: int = 0
    ended: int = 0
    stops: bool = False


@dataclass(frozen=True)
class End:
    """How a part of a flow ended: when, and with which result or failure.

    `fails` contains each `!` whose failure was not handled in this part.
    """

    at: int
    result: Any = None
    failed_by: Place | None = None
    fails: tuple[Place, ...] = ()

    @property
    def done(self) -> bool:
        return self.failed_by is None


@dataclass(frozen=True)
class Around:
    """What a part inherits from its surroundings.

    `passes`: a failure that ends here is passed on (`continue`, and something comes next).
    `caught`: an enclosing group has a `0` branch. `retry`: the nearest factor around. `took`: the
    failure that the innermost `0` branch around took.
    """

    passes: bool = False
    caught: bool = False
    retry: int | None = None
    took: Any = NOTHING


@dataclass
class Meaning:
    """The result of `evaluate`."""

    places: dict[str, Place]
    success: bool
    result: Any
    failure: Failed | None = None
    stopped: bool = False
    factors: dict[str, int | None] = field(default_factory=dict)


def duration(number: int, delay: int) -> int:
    """How long an event takes, with a little more so that no two ever end at the same time.

    That matters only where `stop_on_exception` ends the run.
    """
    return delay * 10**14 + pow(number + 3, 7, 999_999_999_989)


def evaluate(program: Program) -> Meaning:
    """The meaning of a program."""
    run = _Run(program)
    end = run.flow(program.flow, Around(), None, 0)
    failure = Failed(run.here) if end.fails else None
    meaning = Meaning(run.by_id, end.done, end.result, failure, factors=run.factors)
    stopping = [place for place in run.by_id.values() if place.stops]
    if stopping:
        _stop(meaning, min(stopping, key=lambda place: place.ended))
    return meaning


def _stop(meaning: Meaning, by: Place) -> None:
    """End the run at the moment when `by` raised."""
    for place in meaning.places.values():
        if place.ended < by.ended:
            continue
        place.state = FAILED
        if place is by:
            continue
        place.descriptor = place.result = None
        if place.attempts and place.started >= by.ended:
            place.attempts = 0
            place.received = None
    meaning.success = False
    meaning.stopped = True


class _Run:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.states = dict(program.evaluations)
        self.by_id = {}
        self.by_event = {}
        self.factors: dict[str, int | None] = {}
        # `render` writes each directive in a line, and the flow in the next.
        line = 1 + program.continues + len(program.inputs)
        self.here = f"the flow fails here: program.pty:{line}"
        self.order = {id(primary): n for n, primary in enumerate(_primaries(program.flow))}
        for number, (id_, event) in enumerate(places(program).items()):
            place = Place(number, id_, event, self.order[id(event)], self.given(event))
            self.by_id[id_] = self.by_event[id(event)] = place
        assert len(self.by_id) == len(self.by_event), "an event object stands twice"

    def given(self, event: Event) -> dict[str, Any]:
        """The inputs and the arguments of a place, which take precedence."""
        inputs = dict(self.program.inputs)

        def value(written: Any) -> Any:
            match written:
                case Name(name=name):
                    return inputs[name]
                case list():
                    return [value(item) for item in written]
                case dict():
                    return {key: value(item) for key, item in written.items()}
            return written

        return inputs | {name: value(written) for name, written in event.arguments}

    # What starts.

    def flow(
        self, flow: Flow, around: Around, received: Any, at: int, evaluation: str | None = None
    ) -> End:
        """A sequence: each part starts when the one before it is done."""
        goes_on = replace(around, passes=self.program.continues and not around.caught)
        end = End(at, received)
        for number, part in enumerate(flow.parts):
            last = number == len(flow.parts) - 1
            if not end.done:
                self.end_unstarted(part, FAILED, end.at, around.retry)
                continue
            piped = number == 0 or flow.piped[number - 1]
            end = self.parallel(
                part,
                around if last else goes_on,
                end.result if piped else None,
                end.at,
                evaluation if len(flow.parts) == 1 else None,
            )
        return end

    def parallel(
        self, part: Parallel, around: Around, received: Any, at: int, evaluation: str | None
    ) -> End:
        """Units at once: the group ends when all have ended."""
        if len(part.arms) == 1:
            return self.unit(part.arms[0], around, received, at, evaluation)
        if evaluation is None:
            last = _last_event(part)
            evaluation = None if last is None else self.states.get(last.name)
        ends = [self.unit(arm, around, received, at, None) for arm in part.arms]
        at = max(end.at for end in ends)
        failures = [end.failed_by for end in ends if end.failed_by is not None]
        enough = len(failures) < len(ends) if evaluation in ANY_STATES else not failures
        if enough:
            return End(at, [end.result if end.done else None for end in ends])
        fails = tuple(fail for end in ends for fail in end.fails)
        return End(at, failed_by=min(failures, key=lambda place: place.order), fails=fails)

    def unit(
        self, unit: Unit, around: Around, received: Any, at: int, evaluation: str | None
    ) -> End:
        """An event or a group, and the branch that is taken after it; or a `!`."""
        inside = replace(around, retry=unit.retry or around.retry)
        match unit.primary:
            case Fail():
                return self.fail(unit.primary, around, at)
            case Event():
                return self.event(unit, unit.primary, around, inside, received, at)
            case Group(body=body):
                evaluation = unit.evaluation or evaluation
                if not unit.branches:
                    return self.flow(body, inside, received, at, evaluation)
                return self.group(unit, body, around, inside, received, at, evaluation)

    def fail(self, fail: Fail, around: Around, at: int) -> End:
        """The same as for an event without branches that returns a failure at once."""
        result = Failed(self.here) if around.took is NOTHING else around.took
        place = Place(-1, "!", None, self.order[id(fail)], result=result)
        failed = End(at, failed_by=place, fails=(place,))
        return self.decide((), 0, result, failed, around, at)

    def event(
        self, unit: Unit, event: Event, around: Around, inside: Around, received: Any, at: int
    ) -> End:
        place = self.by_event[id(event)]
        script = event.script
        self.factors[place.id] = inside.retry
        allowed = inside.retry or DEFAULT_ATTEMPTS
        place.received = received
        place.started = at
        place.ended = at = at + duration(place.number, script.delay)
        if script.raising >= allowed:
            place.attempts, place.descriptor, place.result = allowed, 0, Raised(place.id)
            place.stops = script.stop_on_exception
        else:
            place.attempts = script.raising + 1
            place.descriptor = script.descriptor
            place.result = None if script.silent else f"r:{place.id}"
            has_branch = script.descriptor in [branch.descriptor for branch in unit.branches]
            if script.descriptor >= 2 and not has_branch:
                place.descriptor, place.result = 0, NoBranch(place.id)
        failed = End(at, failed_by=place)
        end = self.decide(unit.branches, place.descriptor, place.result, failed, around, at)
        handled = end.done or end.failed_by is not place
        place.state = DONE if handled else FAILED
        return end

    def group(
        self,
        unit: Unit,
        body: Flow,
        around: Around,
        inside: Around,
        received: Any,
        at: int,
        evaluation: str | None,
    ) -> End:
        catches = any(branch.descriptor == 0 for branch in unit.branches)
        inside = replace(inside, passes=False, caught=around.caught or catches)
        end = self.flow(body, inside, received, at, evaluation)
        if end.failed_by is None:
            return self.decide(unit.branches, 1, end.result, None, around, end.at)
        return self.decide(unit.branches, 0, end.failed_by.result, end, around, end.at)

    def decide(
        self,
        branches: tuple[Branch, ...],
        descriptor: int,
        result: Any,
        failed: End | None,
        around: Around,
        at: int,
    ) -> End:
        """What comes after an event or a group of branches that ended with `descriptor`.

        If that is 0, `failed` is how it ended.
        """
        taken = [branch for branch in branches if branch.descriptor == descriptor]
        unhandled = not taken and descriptor == 0 and not around.passes
        for branch in branches:
            if branch not in taken:
                state = FAILED if unhandled else SKIPPED
                self.end_flow_unstarted(branch.flow, state, at, around.retry)
        if taken:
            (branch,) = taken
            inside = replace(around, took=result) if descriptor == 0 else around
            return self.flow(branch.flow, inside, result if branch.piped else None, at)
        if unhandled:
            return failed
        return End(at, result)

    # What never starts.

    def end_flow_unstarted(self, flow: Flow, state: str, at: int, retry: int | None) -> None:
        for part in flow.parts:
            self.end_unstarted(part, state, at, retry)

    def end_unstarted(self, part: Parallel, state: str, at: int, retry: int | None) -> None:
        for unit in part.arms:
            match unit.primary:
                case Event():
                    place = self.by_event[id(unit.primary)]
                    place.state = state
                    place.ended = at
                    self.factors[place.id] = unit.retry or retry
                case Group(body=body):
                    self.end_flow_unstarted(body, state, at, unit.retry or retry)
            for branch in unit.branches:
                self.end_flow_unstarted(branch.flow, state, at, retry)


def _last_event(part: Parallel) -> Event | None:
    """The last event in reading order, branches not counted; None if a `!` is last."""
    last = part.arms[-1].primary
    while isinstance(last, Group):
        last = last.body.parts[-1].arms[-1].primary
    return last if isinstance(last, Event) else None


def _primaries(flow: Flow) -> list[Event | Fail]:
    """The events of a flow, and each `!`, in reading order."""
    found: list[Event | Fail] = []
    for part in flow.parts:
        for unit in part.arms:
            if isinstance(unit.primary, Group):
                found += _primaries(unit.primary.body)
            else:
                found.append(unit.primary)
            for branch in unit.branches:
                found += _primaries(branch.flow)
    return found

"""The meaning of a program, computed with plain recursion, for comparison with the graph.

This follows `docs/language.md` rule by rule and shares nothing with `volnux.graph`: it knows no
edges, no joins, no catches and no values. It is slow, limited in depth, and meant to be read.
"""

from __future__ import annotations

import heapq
from dataclasses import replace
from typing import Any

from tests.property.endings import (
    DONE,
    FAILED,
    NOTHING,
    SKIPPED,
    Around,
    End,
    Failed,
    Meaning,
    NoBranch,
    NoList,
    Place,
    Raised,
    Spot,
    TooLate,
    WrongType,
    duration,
    stop,
)
from volnux.testing.behaviour import result_of, script_of, scripts
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
    Script,
    Unit,
    Use,
    events_of,
    files_of,
    in_round,
    places,
    states_of,
    takes_of,
)
from volnux.testing.rendering import path_of, render, texts_of
from volnux.testing.typed import WrongTypeError, read_as


def evaluate(program: Program) -> Meaning:
    """The meaning of a program."""
    run = _Run(program)
    around = Around(inputs=dict(program.inputs), here=fails_here("program.pty", render(program)))
    end = run.flow(program.flow, around, NOTHING, 0)
    failure = None
    if end.fails:
        first = min(end.fails, key=lambda place: place.order)
        failure = NoList() if first.id == "each" else Failed(first.id)
    meaning = Meaning(
        run.found,
        end.done,
        end.result,
        failure,
        False,
        run.factors,
        run.lists,
        run.rounds_of,
    )
    stopping = [place for place in run.found.values() if place.stops]
    if stopping:
        stop(meaning, min(stopping, key=lambda place: place.ended), run.began)
    order = {place: number for number, place in enumerate(places(program))}
    meaning.places = dict(sorted(meaning.places.items(), key=lambda item: _key(item[0], order)))
    return meaning


def _key(place: str, order: dict[str, int]) -> tuple[int, list[int]]:
    """Place by place in reading order, then by the numbers of the items."""
    template, *copies = place.replace("]", "").split("[")
    return order[template], list(map(int, copies))


def fails_here(file: str, text: str) -> str:
    """The message of a `!`: `render` writes each directive in a line, and the flow in the last."""
    return f"the flow fails here: {file}:{text.count(chr(10))}"


class _Run:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.states = states_of(program)
        self.takes = takes_of(program)
        self.files = files_of(program)
        self.texts = texts_of(program)
        self.found: dict[str, Place] = {}
        self.factors: dict[str, int | None] = {}
        self.lists: dict[Spot, list[Any] | None] = {}
        self.rounds_of: dict[Spot, Any] = {}
        self.began: dict[Spot, int] = {}
        self.scripts = scripts(program)
        self.names: dict[int, str] = {}
        for place, event in places(program).items():
            self.names.setdefault(id(event), place)
        assert len(self.names) == len(list(events_of(program.flow))), "an event stands twice"
        self.order = 0

    def place(self, event: Event, around: Around) -> Place:
        """The place of an event in the rounds and copies around it."""
        id_ = in_round(self.names[id(event)], around.rounds)
        id_ += "".join(f"[{number}]" for number in around.copies)
        self.order += 1
        given = self.given(event, around)
        place = Place(id_, event, self.order, given, around.opened)
        assert id_ not in self.found
        self.found[id_] = place
        return place

    def given(self, event: Event, around: Around) -> dict[str, Any]:
        """The inputs, the items and the arguments of a place; the latter take precedence."""
        inputs = {**around.inputs, **dict(around.items)}
        return inputs | self.values(event.arguments, inputs)

    def values(
        self, arguments: tuple[tuple[str, Any], ...], inputs: dict[str, Any]
    ) -> dict[str, Any]:
        """The values of arguments."""

        def value(written: Any) -> Any:
            match written:
                case Name(name=name):
                    # An item is missing where a place has no copy, and then it does not run.
                    return inputs.get(name)
                case list():
                    return [value(item) for item in written]
                case dict():
                    return {key: value(item) for key, item in written.items()}
            return written

        return {name: value(written) for name, written in arguments}

    def inside(self, primary: Group | Use, around: Around) -> Around:
        """What the flow in braces, or in a used file, inherits."""
        if isinstance(primary, Group):
            return around
        names = {**around.inputs, **dict(around.items)}
        return replace(
            around,
            took=NOTHING,
            items=(),
            inputs=dict(primary.inputs) | self.values(primary.arguments, names),
            here=fails_here("part.pty", self.texts[path_of(self.files[id(primary)])]),
        )

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
                self.end_unstarted(part, FAILED, end.at, around)
                continue
            piped = number == 0 or flow.piped[number - 1]
            end = self.parallel(
                part,
                around if last else goes_on,
                end.result if piped else NOTHING,
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
            evaluation = self.states.get(id(last_event(part)))
        ends = [self.unit(arm, around, received, at, None) for arm in part.arms]
        return self.together(ends, evaluation)

    def together(self, ends: list[End], evaluation: str | None) -> End:
        """The end of a group, given those of its arms."""
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
        if isinstance(unit.primary, Fail):
            return self.fail(unit.primary, around, at)
        if isinstance(unit.primary, Event) and unit.each is None:
            return self.event(unit.branches, unit.primary, around, inside, received, at)
        evaluation = unit.evaluation or evaluation
        if unit.branches:
            return self.group(unit, around, inside, received, at, evaluation)
        return self.whole(unit, inside, received, at, evaluation)

    def whole(
        self, unit: Unit, around: Around, received: Any, at: int, evaluation: str | None
    ) -> End:
        """A unit without its branches: once, or a group of copies, one for each item."""
        if unit.each is None:
            return self.rounds(unit, around, received, at, evaluation)
        items = received
        if unit.each.source is not None:
            items = {**around.inputs, **dict(around.items)}[unit.each.source]
        spot = around.at(unit)
        self.began[spot] = at
        self.lists[spot] = list(items) if isinstance(items, list | tuple) else None
        if not isinstance(items, list | tuple):
            self.end_body(unit, FAILED, at, around)
            first = self.first_place(unit, around)
            if first is not None:
                first.result = NoList()
            self.order += 1
            place = Place("each", None, self.order, result=NoList())
            failed = End(at, failed_by=place, fails=() if first else (place,))
            return self.decide((), 0, place.result, failed, around, at)
        if not items:
            self.end_body(unit, SKIPPED, at, around)
            return End(at, [])
        if evaluation is None:
            evaluation = self.states.get(id(last_event(Parallel((unit,)))))
        free = [at] * (unit.each.at_once or len(items))
        ends = []
        for number, item in enumerate(items):
            copy = replace(
                around,
                copies=(*around.copies, number),
                items=(*around.items, (unit.each.name, item)),
                opened=(*around.opened, at),
            )
            # A copy starts when it is one of the first, or when another one has ended.
            start = heapq.heappop(free)
            if isinstance(unit.primary, Event):
                end = self.event((), unit.primary, copy, copy, item, start)
            else:
                end = self.rounds(unit, copy, item, start, None)
            heapq.heappush(free, end.at)
            ends.append(end)
        return self.together(ends, evaluation)

    def rounds(
        self, unit: Unit, around: Around, received: Any, at: int, evaluation: str | None
    ) -> End:
        """A group, again and again until it is done or has no round left."""
        body, again = unit.primary.body, unit.again
        if again is None:
            return self.flow(body, self.inside(unit.primary, around), received, at, evaluation)
        self.rounds_of[around.at(unit)] = None if received is NOTHING else received
        for number in range(1, again + 1):
            inside = replace(around, rounds=(*around.rounds, number))
            if number < again:
                inside = replace(inside, passes=False, caught=True)
            inside = self.inside(unit.primary, inside)
            end = self.flow(body, inside, received, at, evaluation)
            at = end.at
            if end.failed_by is not None:
                around = replace(around, took=end.failed_by.result)
            else:
                for left in range(number + 1, again + 1):
                    inside = replace(around, rounds=(*around.rounds, left))
                    inside = self.inside(unit.primary, inside)
                    self.end_flow_unstarted(body, SKIPPED, at, inside)
                break
        return end

    def first_place(self, unit: Unit, around: Around) -> Place | None:
        """The first place in a unit with `each` that has no copies."""
        first: Event | None
        if isinstance(unit.primary, Event):
            first = unit.primary
        else:
            first = next(events_of(unit.primary.body), None)
        if first is None:
            return None
        name = in_round(self.names[id(first)], around.rounds)
        return self.found[name + "".join(f"[{number}]" for number in around.copies)]

    def fail(self, fail: Fail, around: Around, at: int) -> End:
        """The same as for an event without branches that returns a failure at once."""
        result = Failed(around.here) if around.took is NOTHING else around.took
        self.order += 1
        place = Place(around.here, None, self.order, result=result)
        failed = End(at, failed_by=place, fails=(place,))
        return self.decide((), 0, result, failed, around, at)

    def event(
        self,
        branches: tuple[Branch, ...],
        event: Event,
        around: Around,
        inside: Around,
        received: Any,
        at: int,
    ) -> End:
        place = self.place(event, around)
        script = script_of(self.scripts, place.id)
        self.factors[place.id] = inside.retry
        allowed = inside.retry or DEFAULT_ATTEMPTS
        place.received = None if received is NOTHING else received
        place.started = at
        place.ended = at = at + duration(place.id, script.delay)
        fits, taken = self.taken(event, received)
        if not fits:
            # Without an attempt, it has received nothing.
            place.descriptor, place.result, place.received = 0, WrongType(), None
            place.stops = script.stop_on_exception
        elif not self.calls(place, script, allowed):
            place.descriptor, place.result = 0, TooLate()
            place.stops = script.stop_on_exception
        elif script.raising >= allowed:
            place.descriptor, place.result = 0, Raised(place.id)
            place.stops = script.stop_on_exception
        else:
            place.descriptor = script.descriptor
            place.result = taken if script.passes else result_of(f"r:{place.id}", script)
            has_branch = script.descriptor in [branch.descriptor for branch in branches]
            if script.descriptor >= 2 and not has_branch:
                place.descriptor, place.result = 0, NoBranch(place.id)
        failed = End(at, failed_by=place)
        end = self.decide(branches, place.descriptor, place.result, failed, around, at)
        handled = end.done or end.failed_by is not place
        place.state = DONE if handled else FAILED
        return end

    def calls(self, place: Place, script: Script, allowed: int) -> bool:
        """Count the attempts and polls of an event; False if it said "not yet" too often."""
        for attempt in range(min(script.raising + 1, allowed)):
            place.attempts += 1
            for _ in range(script.polls[attempt] if attempt < len(script.polls) else 0):
                place.polls += 1
                if place.event.impatient:
                    return False
        return True

    def taken(self, event: Event, received: Any) -> tuple[bool, Any]:
        """Whether an event can read what is piped to it, and as what it arrives."""
        if received is NOTHING:
            return True, None
        if id(event) not in self.takes:
            return True, received
        if self.program.inputs and isinstance(received, str) and received[2:] in self.found:
            return False, None  # the text stands for an object with all that its place was given
        try:
            return True, read_as(self.takes[id(event)], received)
        except WrongTypeError:
            return False, None

    def group(
        self,
        unit: Unit,
        around: Around,
        inside: Around,
        received: Any,
        at: int,
        evaluation: str | None,
    ) -> End:
        catches = any(branch.descriptor == 0 for branch in unit.branches)
        inside = replace(inside, passes=False, caught=around.caught or catches)
        end = self.whole(unit, inside, received, at, evaluation)
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
                self.end_flow_unstarted(branch.flow, state, at, around)
        if taken:
            (branch,) = taken
            inside = replace(around, took=result) if descriptor == 0 else around
            return self.flow(branch.flow, inside, result if branch.piped else NOTHING, at)
        if unhandled:
            return failed
        return End(at, result)

    # What never starts.

    def end_flow_unstarted(self, flow: Flow, state: str, at: int, around: Around) -> None:
        for part in flow.parts:
            self.end_unstarted(part, state, at, around)

    def end_unstarted(self, part: Parallel, state: str, at: int, around: Around) -> None:
        for unit in part.arms:
            self.end_body(unit, state, at, replace(around, retry=unit.retry or around.retry))
            for branch in unit.branches:
                self.end_flow_unstarted(branch.flow, state, at, around)

    def end_body(self, unit: Unit, state: str, at: int, around: Around) -> None:
        """A unit without its branches."""
        match unit.primary:
            case Event():
                place = self.place(unit.primary, around)
                place.state = state
                place.ended = at
                self.factors[place.id] = around.retry
            case Group(body=body) | Use(body=body) if unit.again is None:
                inside = self.inside(unit.primary, around)
                self.end_flow_unstarted(body, state, at, inside)
            case Group(body=body) | Use(body=body):
                for number in range(1, unit.again + 1):
                    inside = replace(around, rounds=(*around.rounds, number))
                    inside = self.inside(unit.primary, inside)
                    self.end_flow_unstarted(body, state, at, inside)


def last_event(part: Parallel) -> Event | None:
    """The last event in reading order, branches not counted; None if a `!` is last."""
    last = part.arms[-1].primary
    while isinstance(last, Group | Use):
        last = last.body.parts[-1].arms[-1].primary
    return last if isinstance(last, Event) else None

"""Programs with `each`, `again`, `task` and `@use` in the words of the language without them.

The copies of a unit become the arms of a parallel group, the rounds of a group nested `0` branches,
and a use the flow of its file in braces.
This is what the language says that these options mean. It shares nothing with `volnux.graph`: what
the lists are, and what each group received, comes from the naive evaluator.

Some events are added for what older words cannot say. They take no time. Some pass on the item of a
copy, or what a group received. Others fail like a `!` in a used file, which does not carry the
failure of a branch in another file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from tests.property import endings, naive
from tests.property.driving import Driven, ending, graph_of, plain
from volnux.graph import Failure, Kind
from volnux.graph.report import failure_of_run, places_of
from volnux.testing.behaviour import script_of, scripts
from volnux.testing.programs import (
    ALL_STATES,
    Branch,
    Event,
    Fail,
    Flow,
    Group,
    Parallel,
    Program,
    Unit,
    Use,
    events_of,
    files_of,
    in_round,
    places,
    states_of,
)
from volnux.testing.rendering import path_of, render, shown, texts_of

__all__ = ["Rewritten", "differences", "rewrite", "without_hints"]

PAD = "a second arm"
"""The result of an arm that is added to a group of one arm, which the language does not have."""

PASSED_ON = "from what the first round received"
"""Where a later round has its value from: an added event passes it on."""


@dataclass
class Rewritten:
    """A program in other words.

    Attributes:
        program: the program. Each of its events stands once.
        places: the place in the first program of each event, by its name.
        given: how the added events end, by name: descriptor and result.
        without_list: by the first place of an `each` without a list, the event that fails for it.
        failed: the events that never start because of such an `each`.
    """

    program: Program
    places: dict[str, str] = field(default_factory=dict)
    given: dict[str, tuple[int, Any]] = field(default_factory=dict)
    without_list: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


def rewrite(program: Program) -> Rewritten:
    """The program without `each`, `again`, `task` and `@use`."""
    return _Rewriter(program).rewritten()


def without_hints(program: Program, *, at_once: bool = True) -> Program:
    """The program without `task` and `batch`, and without `at_once`."""

    def flow(old: Flow) -> Flow:
        parts = (Parallel(tuple(map(unit, part.arms))) for part in old.parts)
        return replace(old, parts=tuple(parts))

    def unit(old: Unit) -> Unit:
        primary, each = old.primary, old.each
        if isinstance(primary, Group | Use):
            primary = replace(primary, body=flow(primary.body))
        if each is not None:
            each = replace(each, batch=None, at_once=None if at_once else each.at_once)
        branches = tuple(replace(branch, flow=flow(branch.flow)) for branch in old.branches)
        return replace(old, primary=primary, each=each, task=None, branches=branches)

    return replace(program, flow=flow(program.flow))


class _Rewriter:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.meaning = naive.evaluate(program)
        self.states = states_of(program)
        self.files = files_of(program)
        self.texts = texts_of(program)
        # The message of a `!` in the current file; None inside a `0` branch of the same file, and
        # in programs without used files, where a `!` says the same in other words.
        self.here: str | None = None
        if self.files:
            self.here = naive.fails_here("program.pty", render(program))
        self.evaluations: dict[str, str] = {}
        self.made = Rewritten(program)
        self.names: dict[int, str] = {}
        for place, event in places(program).items():
            self.names.setdefault(id(event), place)

    def rewritten(self) -> Rewritten:
        flow = self.flow(self.program.flow, (), ())
        evaluations = tuple(self.evaluations.items())
        self.made.program = replace(self.program, flow=flow, evaluations=evaluations)
        return self.made

    def flow(self, flow: Flow, rounds: tuple[int, ...], copies: tuple[int, ...]) -> Flow:
        parts = (
            Parallel(tuple(self.unit(unit, rounds, copies) for unit in part.arms))
            for part in flow.parts
        )
        return replace(flow, parts=tuple(parts))

    def unit(self, unit: Unit, rounds: tuple[int, ...], copies: tuple[int, ...]) -> Unit:
        if isinstance(unit.primary, Fail):
            if self.here is None:
                return Unit(Fail())
            return self.added("Fail", 0, Failure("Failed", self.here))
        if isinstance(unit.primary, Event) and unit.each is None:
            made = self.event(unit.primary, rounds, copies)
        else:
            made = _braces(self.whole(unit, rounds, copies))
        branches = tuple(self.branch(branch, rounds, copies) for branch in unit.branches)
        return replace(made, retry=unit.retry, branches=branches)

    def branch(self, branch: Branch, rounds: tuple[int, ...], copies: tuple[int, ...]) -> Branch:
        here = self.here
        if branch.descriptor == 0:
            self.here = None
        flow = self.flow(branch.flow, rounds, copies)
        self.here = here
        return replace(branch, flow=flow)

    def body(self, primary: Group | Use, rounds: tuple[int, ...], copies: tuple[int, ...]) -> Group:
        """Braces, also for the flow of a used file."""
        here = self.here
        if isinstance(primary, Use):
            text = self.texts[path_of(self.files[id(primary)])]
            self.here = naive.fails_here("part.pty", text)
        flow = self.flow(primary.body, rounds, copies)
        self.here = here
        return Group(flow)

    def whole(self, unit: Unit, rounds: tuple[int, ...], copies: tuple[int, ...]) -> Unit:
        """A unit without its branches."""
        if unit.each is None:
            return self.rounds(unit, rounds, copies, unit.evaluation)
        spot = id(unit), rounds, copies
        if spot not in self.meaning.lists:
            # It never began.
            return self.once(unit, rounds, copies)
        items = self.meaning.lists[spot]
        decided = naive.last_event(Parallel((unit,)))
        if items is None:
            error = self.added("Error", 0, Failure("EachError", ""), decided)
            first = next(events_of(_flow(replace(unit, branches=()))), None)
            if first is not None:
                place = self.place(first, rounds, copies)
                self.made.without_list[place] = error.primary.name
            before = len(self.made.places)
            branch = Branch(3, _flow(self.once(unit, rounds, copies)))
            # With `continue`, the branch may be skipped; the places of an `each` are always failed.
            self.made.failed.update(list(self.made.places)[before:])
            return replace(error, branches=(branch,))
        if not items:
            empty = self.added("Empty", 1, [], decided)
            return replace(empty, branches=(Branch(3, _flow(self.once(unit, rounds, copies))),))
        arms = []
        for number, item in enumerate(items):
            copy = self.once(unit, rounds, (*copies, number))
            arms.append(_braces(self.added("Item", 1, item), copy, piped=True))
        evaluation = unit.evaluation
        if len(arms) == 1:
            arms.insert(0, self.added("Pad", 1, PAD))
            evaluation = ALL_STATES[0]
        return Unit(Group(Flow((Parallel(tuple(arms)),))), evaluation=evaluation)

    def once(self, unit: Unit, rounds: tuple[int, ...], copies: tuple[int, ...]) -> Unit:
        """One copy of a unit with `each`."""
        if isinstance(unit.primary, Event):
            return self.event(unit.primary, rounds, copies)
        return _braces(self.rounds(unit, rounds, copies, None))

    def rounds(
        self,
        unit: Unit,
        rounds: tuple[int, ...],
        copies: tuple[int, ...],
        evaluation: str | None,
        number: int = 1,
    ) -> Unit:
        assert isinstance(unit.primary, Group | Use)
        if unit.again is None:
            return Unit(self.body(unit.primary, rounds, copies), evaluation=evaluation)
        here = self.here
        if number > 1:
            # It is in the `0` branch of the round before.
            self.here = None
        made = Unit(
            self.body(unit.primary, (*rounds, number), copies),
            evaluation=evaluation,
        )
        self.here = here
        if number == unit.again:
            return made
        received = self.meaning.rounds.get((id(unit), rounds, copies))
        following = self.rounds(unit, rounds, copies, evaluation, number + 1)
        again = _flow(self.added("Received", 1, received), following, piped=True)
        return replace(made, branches=(Branch(0, again),))

    def event(self, event: Event, rounds: tuple[int, ...], copies: tuple[int, ...]) -> Unit:
        name = f"Place{len(self.made.places)}"
        self.made.places[name] = self.place(event, rounds, copies)
        if id(event) in self.states:
            self.evaluations[name] = self.states[id(event)]
        return Unit(Event(name))

    def place(self, event: Event, rounds: tuple[int, ...], copies: tuple[int, ...]) -> str:
        place = in_round(self.names[id(event)], rounds)
        return place + "".join(f"[{number}]" for number in copies)

    def added(self, what: str, descriptor: int, result: Any, as_: Event | None = None) -> Unit:
        """An event that ends in this way; its class decides like that of `as_`."""
        name = f"{what}{len(self.made.given)}"
        self.made.given[name] = descriptor, result
        if id(as_) in self.states:
            self.evaluations[name] = self.states[id(as_)]
        return Unit(Event(name))


def _flow(*units: Unit, piped: bool = False) -> Flow:
    return Flow(tuple(Parallel((unit,)) for unit in units), (piped,) * (len(units) - 1))


def _braces(*units: Unit, piped: bool = False) -> Unit:
    return Unit(Group(_flow(*units, piped=piped)))


class DrivenRewritten(Driven):
    """One run of a rewritten program."""

    def __init__(self, program: Program, made: Rewritten) -> None:
        super().__init__(made.program, graph_of(made.program))
        self.made = made
        self.scripts = scripts(program)

    def ending_of(self, node: int) -> tuple[int, Any, int, bool]:
        event = self.graph.nodes[node]
        if event.id in self.made.given:
            return *self.made.given[event.id], 1, False
        place = self.made.places[event.id]
        return ending(place, script_of(self.scripts, place), event.retry)

    def lasts(self, node: int) -> int:
        place = self.made.places.get(self.graph.nodes[node].id)
        if place is None:
            return 0
        return endings.duration(place, script_of(self.scripts, place).delay)


def _without_pads(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, list):
        return [_without_pads(item) for item in value if item != PAD]
    return value


def _shown(driven: Driven, made: Rewritten | None = None) -> tuple[Any, ...]:
    """All that is compared between a program and the same in other words."""
    execution = driven.execution
    names = made.places if made else {}
    given = made.given if made else {}

    def source(found: Any) -> Any:
        # A failure of a `!` or of an `each` has no place.
        if "Error" in str(found) or "Fail" in str(found):
            return None
        if isinstance(found, list):
            return [source(each) for each in found if not str(each).startswith("Pad")]
        if str(found).startswith("Received"):
            return PASSED_ON
        if str(found).startswith("Empty"):
            return []
        return None if found in given else names.get(found, found)

    origins = {}
    for node, kind in enumerate(execution.nodes):
        origin = execution.origin_of(node) if kind.kind is Kind.EVENT else None
        if origin is not None:
            place = execution.copies.place(origin)
            if execution.nodes[origin].kind is Kind.FAIL or place.startswith("Fail"):
                place = "!"
            elif execution.nodes[origin].kind is Kind.EACH or place.startswith("Error"):
                place = "each"
            own = execution.copies.place(node)
            origins[names.get(own, own)] = names.get(place, place)
    report = places_of(execution, driven.details)
    found = {}
    for name, place in report.items():
        if name in given:
            continue
        shown = names.get(name, name)
        failure, handled = place.failure, place.handled
        if made and shown in made.without_list:
            error = report[made.without_list[shown]]
            failure, handled = error.failure, error.handled
        found[shown] = (
            "failed" if made and name in made.failed else str(place.state),
            place.descriptor,
            place.attempts,
            _without_pads(failure or place.result),
            _without_pads(place.received),
            handled,
            source(place.received_from),
            origins.get(shown) if place.state == "failed" else None,
        )
    success, result, _ = driven.outcome()
    why = {plain(failure_of_run(execution))}
    for name, place in report.items():
        if name in given and name.startswith("Fail") and place.failure and not place.handled:
            why.add(plain(place.failure))
    # The position of a `!` differs. The comparison with the naive evaluator includes it.
    positions = {each and re.sub(r"(fails here).*", r"\1", each) for each in why}
    return success, _without_pads(result), found, positions


def differences(driven: Driven, program: Program, made: Rewritten, other_run: Driven) -> str | None:
    """A readable difference between a run and that in other words; None if there is none."""
    found, wanted = _shown(driven), _shown(other_run, made)
    for place, (*_, source, origin) in found[2].items():
        *other, other_source, other_origin = wanted[2].get(place, (None, None))
        if other_source == PASSED_ON:
            other_source = source
        # Where an `each` makes no copies, nothing goes through the nodes of its places.
        wanted[2][place] = *other, other_source, origin and other_origin
    # The failure of an `each` that has no place stands at the event that was added for it.
    why = found[3] <= {*wanted[3], "no list"}
    if found[:3] == wanted[:3] and why:
        return None
    lines = [shown(program), f"in other words: {render(made.program)}", f"given: {made.given}"]
    lines.append(f"evaluations: {program.evaluations}")
    lines.append(f"run: {found[:2]} {found[3]}, in other words {wanted[:2]} {wanted[3]}")
    for place in dict.fromkeys([*found[2], *wanted[2]]):
        one, two = found[2].get(place), wanted[2].get(place)
        mark = "  " if one == two else "! "
        lines += [f"{mark}{place}: {one}", f"{mark}in other words: {two}"]
    return "\n".join(lines)

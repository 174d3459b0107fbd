"""Random programs: a flow as plain data, the behaviour of its events, and its Pointy text.

A `Program` is not a syntax tree: `render` writes it as text, so it tests the parser, the graph and
a backend from outside. Two sources create the same kinds of programs:

- `random_program(random.Random(seed))` is fast and reproducible from a seed;
- `programs()` is a Hypothesis strategy, which shrinks what it finds. Only this needs Hypothesis.

Programs are small (their nesting is limited), so plain recursion is fine here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "ALL_STATES",
    "ANY_STATES",
    "DEFAULT_ATTEMPTS",
    "Branch",
    "Event",
    "Flow",
    "Group",
    "Parallel",
    "Program",
    "Script",
    "Unit",
    "places",
    "programs",
    "random_program",
    "render",
]

ALL_STATES = ("SUCCESS_ON_ALL_EVENTS_SUCCESS", "FAILURE_FOR_PARTIAL_ERROR")
"""The evaluation states for which a group is done if all of its arms are done."""

ANY_STATES = ("SUCCESS_FOR_PARTIAL_SUCCESS", "FAILURE_FOR_ALL_EVENTS_FAILURE")
"""The evaluation states for which a group is done if one of its arms is done."""

DEFAULT_ATTEMPTS = 5
"""The number of attempts of an event with neither a factor nor a policy."""

NAMES = ("A", "B", "C", "D", "E", "F", "Load", "billing.Charge")


@dataclass(frozen=True, slots=True)
class Script:
    """The behaviour of the event at one place.

    Attributes:
        descriptor: the descriptor of the first attempt that does not raise.
        raising: the number of attempts that raise before it.
        silent: whether the result is None; otherwise it contains the name of the place.
        delay: its duration, a whole number of at least 1, in a unit that the caller chooses.
        stop_on_exception: whether it ends the run if its last attempt raises.
    """

    descriptor: int = 1
    raising: int = 0
    silent: bool = False
    delay: int = 1
    stop_on_exception: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One place of an event."""

    name: str
    script: Script = Script()


@dataclass(frozen=True, slots=True)
class Group:
    """A flow in braces, or in parentheses if `round` is true."""

    body: Flow
    round: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """`descriptor -> flow`, or with `|->` if `piped` is true."""

    descriptor: int
    flow: Flow
    piped: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """An event or a group with its factor, options and branches.

    `prefix` says that the factor comes first.
    """

    primary: Event | Group
    retry: int | None = None
    branches: tuple[Branch, ...] = ()
    evaluation: str | None = None
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Parallel:
    """One unit, or several that run in parallel."""

    arms: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """Parts in sequence; `piped[i]` says that `|->` is between part i and part i + 1."""

    parts: tuple[Parallel, ...]
    piped: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A whole file, and the evaluation states of its event classes, by name."""

    flow: Flow
    continues: bool = False
    evaluations: tuple[tuple[str, str], ...] = ()


def places(program: Program) -> dict[str, Event]:
    """The events of a program by place (`A`, `A__2`), in reading order."""
    found: dict[str, Event] = {}
    counts: dict[str, int] = {}
    for event in _events(program.flow):
        count = counts[event.name] = counts.get(event.name, 0) + 1
        found[event.name if count == 1 else f"{event.name}__{count}"] = event
    return found


def _events(flow: Flow) -> Iterator[Event]:
    for part in flow.parts:
        for unit in part.arms:
            match unit.primary:
                case Event():
                    yield unit.primary
                case Group(body=body):
                    yield from _events(body)
            for branch in unit.branches:
                yield from _events(branch.flow)


# Text.


def render(program: Program, layout: random.Random | None = None) -> str:
    """The program as Pointy text.

    Args:
        program: the program.
        layout: if given, it inserts random white space, line breaks and comments between the words,
            without changing the meaning.
    """
    directives = "@on-failure: continue\n" if program.continues else ""
    words = list(_words(program.flow))
    if layout is None:
        return directives + " ".join(words) + "\n"
    noise = ["", "# a comment\n"] if layout.random() < 0.5 else [""]
    text = [layout.choice(noise), directives]
    for word in words:
        text += [word, layout.choice([" ", "  ", "\n", "\t", "\r\n", " # -> || {\n"])]
    return "".join(text)


def _words(flow: Flow) -> Iterator[str]:
    for number, part in enumerate(flow.parts):
        if number:
            yield "|->" if flow.piped[number - 1] else "->"
        for position, unit in enumerate(part.arms):
            if position:
                yield "||"
            yield from _unit_words(unit)


def _unit_words(unit: Unit) -> Iterator[str]:
    if unit.retry is not None and unit.prefix:
        yield f"{unit.retry} *"
    match unit.primary:
        case Event(name=name):
            yield name
        case Group(body=body, round=round_):
            yield "(" if round_ else "{"
            yield from _words(body)
            yield ")" if round_ else "}"
    if unit.retry is not None and not unit.prefix:
        yield f"* {unit.retry}"
    if unit.evaluation is not None:
        yield f"[evaluation={unit.evaluation}]"
    if unit.branches:
        yield "("
        for number, branch in enumerate(unit.branches):
            if number:
                yield ","
            yield f"{branch.descriptor} {'|->' if branch.piped else '->'}"
            yield from _words(branch.flow)
        yield ")"


# Creating programs. One maker works with both sources: it needs only "a number below n".


def random_program(
    source: random.Random,
    *,
    events: int = 12,
    depth: int = 5,
    stops: bool = False,
    names: Sequence[str] = NAMES,
) -> Program:
    """Draw a program from `source`: the same state of the source gives the same program.

    Args:
        source: the source of all choices.
        events: about how many events it has at most.
        depth: the maximum nesting of groups and branches.
        stops: whether events may have `stop_on_exception`.
        names: the names of the events.
    """
    draw = source.random
    return _Maker(lambda below: int(draw() * below), depth, names, stops=stops).program(events)


def programs(*, events: int = 12, depth: int = 5, stops: bool = False) -> SearchStrategy[Program]:
    """A Hypothesis strategy for programs; the arguments are those of `random_program`."""
    from hypothesis import strategies as st

    @st.composite
    def program(draw: Callable[[Any], Any]) -> Program:
        maker = _Maker(lambda below: draw(st.integers(0, below - 1)), depth, NAMES, stops=stops)
        return maker.program(events)

    return program()


class _Maker:
    """Creates one program; the choice 0 is always the simplest, as shrinking requires."""

    def __init__(
        self, below: Callable[[int], int], depth: int, names: Sequence[str], *, stops: bool
    ) -> None:
        self.below = below
        self.depth = depth
        self.names = names
        self.stops = stops
        self.left = 0

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def program(self, events: int) -> Program:
        self.left = 1 + self.below(events)
        flow = self.flow(0)
        states = ALL_STATES + ANY_STATES
        return Program(
            flow=flow,
            continues=self.chance(40),
            evaluations=tuple(
                (name, states[self.below(4)])
                for name in sorted({event.name for event in _events(flow)})
                if self.chance(25)
            ),
        )

    def flow(self, depth: int) -> Flow:
        parts = [self.parallel(depth)]
        while self.left > 0 and len(parts) < 4 and self.chance(60):
            parts.append(self.parallel(depth))
        return Flow(tuple(parts), tuple(self.chance(50) for _ in parts[1:]))

    def parallel(self, depth: int) -> Parallel:
        arms = [self.unit(depth)]
        while self.left > 0 and len(arms) < 4 and self.chance(35):
            arms.append(self.unit(depth))
        return Parallel(tuple(arms))

    def unit(self, depth: int) -> Unit:
        nests = depth < self.depth and self.left > 1
        retry = 2 + self.below(5) if self.chance(12) else None
        prefix = retry is not None and self.chance(50)
        if nests and self.chance(30):
            body = self.flow(depth + 1)
            evaluation = None
            if _takes_evaluation(body) and self.chance(60):
                evaluation = (ALL_STATES + ANY_STATES)[self.below(4)]
            branches = self.branches((0, 1), depth) if self.chance(40) else ()
            group = Group(body, self.chance(30))
            return Unit(group, retry, branches, evaluation, prefix)
        self.left -= 1
        name = self.names[self.below(len(self.names))]
        branches = ()
        if nests and self.chance(40):
            branches = self.branches((0, 1, 3 + self.below(7), 2 + self.below(8)), depth)
        script = self.script([branch.descriptor for branch in branches])
        return Unit(Event(name, script), retry, branches, None, prefix)

    def branches(self, descriptors: tuple[int, ...], depth: int) -> tuple[Branch, ...]:
        chosen = [d for d in dict.fromkeys(descriptors) if self.chance(50 if d < 2 else 25)]
        if self.chance(30):
            chosen.reverse()
        return tuple(
            Branch(descriptor, self.flow(depth + 1), self.chance(50)) for descriptor in chosen
        )

    def script(self, branches: list[int]) -> Script:
        descriptor = 1
        raising = 0
        kind = self.below(15)
        if kind in (9, 10):
            descriptor = 0
        elif kind in (6, 7, 8, 11, 12) and branches:
            descriptor = branches[self.below(len(branches))]
        elif kind == 13:
            descriptor = 2 + self.below(8)
        elif kind == 14:
            raising = 1 + self.below(2 * DEFAULT_ATTEMPTS)
            descriptor = self.below(2)
        return Script(
            descriptor=descriptor,
            raising=raising,
            silent=self.chance(10),
            delay=1 + self.below(9),
            stop_on_exception=self.stops and raising > 0 and self.chance(40),
        )


def _takes_evaluation(body: Flow) -> bool:
    """Whether `[evaluation=…]` is allowed after braces around `body`: it must be just `a || b`."""
    while len(body.parts) == 1:
        arms = body.parts[0].arms
        if len(arms) > 1:
            return True
        unit = arms[0]
        if not isinstance(unit.primary, Group) or unit.branches or unit.evaluation or unit.retry:
            return False
        body = unit.primary.body
    return False

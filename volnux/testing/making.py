"""Random programs.

Two sources create the same kinds of programs:

- `random_program(random.Random(seed))` is fast and reproducible from a seed;
- `programs()` is a Hypothesis strategy, which shrinks what it finds. Only this needs Hypothesis.

One maker works with both: it needs only "a number below n".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from volnux.testing.nesting import begins_with_each, nesting, takes_evaluation
from volnux.testing.programs import (
    ALL_STATES,
    ANY_STATES,
    Branch,
    Each,
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
)
from volnux.testing.scripting import Scripting
from volnux.testing.typed import ANNOTATIONS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["INPUTS", "NAMES", "programs", "random_program"]

NAMES = ("A", "B", "C", "D", "E", "F", "Load", "billing.Charge")

INPUTS = (("size", 3), ("place", "north"), ("shops", ["a", "b"]))
"""The inputs of programs whose events have arguments, with their defaults."""

USED_INPUTS: tuple[tuple[tuple[str, Any], ...], ...] = (
    (),
    (("size", 8), ("shops", ["c"])),
    (("shops", "none"), ("goods", []), ("place", 5)),
)
"""The inputs that used files may have: some have the name of another one with another type."""


def random_program(
    source: random.Random,
    *,
    events: int = 12,
    depth: int = 5,
    stops: bool = False,
    names: Sequence[str] = NAMES,
    repeats: bool = True,
    uses: bool = False,
    types: bool = False,
    waits: bool = False,
) -> Program:
    """Draw a program from `source`: the same state of the source gives the same program.

    Args:
        source: the source of all choices.
        events: about how many events it has at most.
        depth: the maximum nesting of groups and branches.
        stops: whether events may have `stop_on_exception`.
        names: the names of the events.
        repeats: whether units may have `each`, `again` and `task`.
        uses: whether the program may use other files.
        types: whether events may return typed values and read what is piped as a type.
        waits: whether events may say "not yet".
    """
    draw = source.random

    def below(most: int) -> int:
        return int(draw() * most)

    maker = _Maker(
        below,
        depth,
        names,
        stops=stops,
        repeats=repeats,
        uses=uses,
        types=types,
        waits=waits,
    )
    return maker.program(events)


def programs(*, events: int = 12, depth: int = 5, stops: bool = False) -> SearchStrategy[Program]:
    """A Hypothesis strategy for programs; the arguments are those of `random_program`."""
    from hypothesis import strategies as st

    @st.composite
    def program(draw: Callable[[Any], Any]) -> Program:
        def below(most: int) -> int:
            return int(draw(st.integers(0, most - 1)))

        maker = _Maker(below, depth, NAMES, stops=stops, repeats=True, uses=True)
        return maker.program(events)

    return program()


@dataclass(frozen=True)
class _File:
    """A file that uses may stand for, with the most `each`es and `again`s around an event in it."""

    use: Use
    eaches: int
    rounds: int
    events: int


class _Maker(Scripting):
    """Creates one program; the choice 0 is always the simplest, as shrinking requires."""

    def __init__(
        self,
        below: Callable[[int], int],
        depth: int,
        names: Sequence[str],
        *,
        stops: bool,
        repeats: bool,
        uses: bool,
        types: bool = False,
        waits: bool = False,
    ) -> None:
        super().__init__(below, stops=stops, repeats=repeats, types=types, waits=waits)
        self.depth = depth
        self.names = names
        self.left = 0
        self.gives = False
        self.uses = uses
        self.files: list[_File] = []
        self.inputs: tuple[tuple[str, Any], ...] = ()
        self.eaches: tuple[str, ...] = ()
        self.rounds: tuple[int, ...] = ()
        self.tasks = 0

    def program(self, events: int) -> Program:
        self.gives = self.chance(40)
        self.repeats = self.repeats and self.chance(60)
        self.types = self.types and self.chance(50)
        self.waits = self.waits and self.chance(50)
        if self.uses and self.chance(50):
            for _ in range(1 + self.below(3)):
                self.files.append(self.file())
        self.left = 1 + self.below(events)
        self.inputs = INPUTS if self.gives else ()
        flow = self.flow(0)
        if begins_with_each(flow.parts[0]) and self.chance(80):
            # At the start of a flow there is no list.
            first = Unit(Event(self.names[0], Script(items=(2, 2))))
            flow = Flow((Parallel((first,)), *flow.parts), (True, *flow.piped))
        return Program(
            flow=flow,
            continues=self.chance(40),
            evaluations=self.evaluations(flow),
            inputs=self.inputs,
            takes=self.takes(flow),
        )

    def evaluations(self, flow: Flow) -> tuple[tuple[str, str], ...]:
        """The evaluation states of some event classes."""
        names = sorted({event.name for event in events_of(flow)})
        return tuple((name, self.evaluation()) for name in names if self.chance(25))

    def takes(self, flow: Flow) -> tuple[tuple[str, str], ...]:
        """The annotations of `previous_result` of some event classes."""
        if not self.types:
            return ()
        names = sorted({event.name for event in events_of(flow)})
        known = list(ANNOTATIONS)
        return tuple((name, known[self.below(len(known))]) for name in names if self.chance(30))

    def file(self) -> _File:
        """A file, which may use the files before it."""
        self.left = 1 + self.below(5)
        self.inputs = USED_INPUTS[self.below(3)] if self.gives else ()
        flow = self.flow(2)
        use = Use(
            flow,
            inputs=self.inputs,
            evaluations=self.evaluations(flow),
            takes=self.takes(flow),
        )
        return _File(use, *nesting(flow), sum(1 for _ in events_of(flow)))

    def flow(self, depth: int) -> Flow:
        if depth and self.chance(6):
            return Flow((Parallel((Unit(Fail()),)),))
        parts = [self.parallel(depth)]
        while self.left > 0 and len(parts) < 4 and self.chance(60):
            parts.append(self.parallel(depth))
        if self.chance(10):
            if self.chance(50):
                # At most the last part has a `!` as an arm: nothing may follow it.
                arms = list(parts[-1].arms)
                arms.insert(self.below(len(arms) + 1), Unit(Fail()))
                parts[-1] = Parallel(tuple(arms))
            else:
                parts.append(Parallel((Unit(Fail()),)))
        return Flow(tuple(parts), tuple(map(self.pipes, parts[1:])))

    def pipes(self, part: Parallel) -> bool:
        """Whether something is piped to a part: mostly if it needs a list."""
        return self.chance(90 if begins_with_each(part) else 50)

    def parallel(self, depth: int) -> Parallel:
        arms = [self.unit(depth)]
        while self.left > 0 and len(arms) < 4 and self.chance(35):
            arms.append(self.unit(depth))
        return Parallel(tuple(arms))

    def unit(self, depth: int) -> Unit:
        nests = depth < self.depth and self.left > 1
        retry = 2 + self.below(5) if self.chance(12) else None
        prefix = retry is not None and self.chance(50)
        if self.files and self.chance(30) and (file := self.fitting()) is not None:
            unit = self.use(file, depth)
        elif nests and self.chance(30):
            unit = self.group(depth)
        else:
            self.left -= 1
            unit = self.event(depth, nests=nests)
        return replace(unit, retry=retry, prefix=prefix)

    def group(self, depth: int) -> Unit:
        around = self.eaches, self.rounds
        each = self.each()
        again = task = evaluation = None
        if self.repeats and len(self.rounds) < 2 and self.chance(20):
            again = 2 + self.below(2)
            self.rounds += (again,)
        if self.repeats and self.chance(15):
            self.tasks += 1
            task = f"task_{self.tasks}"
        group = Group(self.flow(depth + 1), self.chance(30))
        if (each or takes_evaluation(group.body)) and self.chance(60):
            evaluation = self.evaluation()
        # Branches are outside of all options.
        self.eaches, self.rounds = around
        branches = self.branches((0, 1), depth) if self.chance(40) else ()
        return Unit(group, None, branches, evaluation, each=each, again=again, task=task)

    def fitting(self) -> _File | None:
        """A file that does not make too many copies or rounds here."""
        file = self.files[self.below(len(self.files))]
        if len(self.eaches) + file.eaches > 2 or len(self.rounds) + file.rounds > 2:
            return None
        return file

    def use(self, file: _File, depth: int) -> Unit:
        self.left -= file.events
        around = self.eaches, self.rounds
        each = self.each()
        arguments = self.arguments_for(file.use.inputs)
        again = task = evaluation = None
        if self.repeats and len(self.rounds) + file.rounds < 2 and self.chance(20):
            again = 2
            self.rounds += (again,)
        if self.repeats and self.chance(15):
            self.tasks += 1
            task = f"task_{self.tasks}"
        body = self.behaving(file.use.body, len(self.eaches), self.rounds)
        is_group = len(body.parts) == 1 and len(body.parts[0].arms) > 1
        if (each or is_group) and self.chance(60):
            evaluation = self.evaluation()
        self.eaches, self.rounds = around
        branches: tuple[Branch, ...] = ()
        if depth < self.depth and self.left > 1 and self.chance(40):
            branches = self.branches((0, 1), depth)
        use = replace(file.use, body=body, arguments=arguments, other=self.chance(20))
        return Unit(use, None, branches, evaluation, each=each, again=again, task=task)

    def arguments_for(self, inputs: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
        """Arguments of a use: texts, numbers, lists and names of the types of its inputs."""
        found: list[tuple[str, Any]] = []
        for name, default in inputs:
            if not self.chance(50):
                continue
            same = [Name(key) for key, value in self.inputs if type(value) is type(default)]
            if same and self.chance(50):
                found.append((name, same[self.below(len(same))]))
            elif isinstance(default, list):
                found.append((name, [self.value(1) for _ in range(self.below(3))]))
            else:
                found.append((name, 4 if isinstance(default, int) else "west"))
        return tuple(found)

    def behaving(self, flow: Flow, copies: int, rounds: tuple[int, ...]) -> Flow:
        """The flow of a file with another behaviour of its events, in the copies around them."""

        def unit(old: Unit) -> Unit:
            own = copies + (old.each is not None)
            inner = rounds if old.again is None else (*rounds, old.again)
            primary = old.primary
            match primary:
                case Event():
                    taken = [] if old.each else [branch.descriptor for branch in old.branches]
                    script = self.script(taken)
                    primary = replace(primary, script=script, others=self.others(own, rounds))
                case Group() | Use():
                    primary = replace(primary, body=self.behaving(primary.body, own, inner))
            branches = (
                replace(branch, flow=self.behaving(branch.flow, copies, rounds))
                for branch in old.branches
            )
            return replace(old, primary=primary, branches=tuple(branches))

        parts = (Parallel(tuple(map(unit, part.arms))) for part in flow.parts)
        return replace(flow, parts=tuple(parts))

    def event(self, depth: int, *, nests: bool) -> Unit:
        around = self.eaches
        each = self.each()
        name = self.names[self.below(len(self.names))]
        arguments, others = self.arguments(), self.others(len(self.eaches), self.rounds)
        evaluation = self.evaluation() if each and self.chance(30) else None
        self.eaches = around
        branches: tuple[Branch, ...] = ()
        if nests and self.chance(40):
            more = () if each else (3 + self.below(7), 2 + self.below(8))
            branches = self.branches((0, 1, *more), depth)
        script = self.script([] if each else [branch.descriptor for branch in branches])
        event = Event(name, script, arguments, others, impatient=self.waits and self.chance(15))
        return Unit(event, None, branches, evaluation, each=each)

    def evaluation(self) -> str:
        return (ALL_STATES + ANY_STATES)[self.below(4)]

    def each(self) -> Each | None:
        """An `each` now and then, which is then around what comes next."""
        # Three within each other are rare, as they make many copies.
        if not self.repeats or not self.chance((20, 20, 5, 0)[len(self.eaches)]):
            return None
        lists = (name for name, default in self.inputs if isinstance(default, list))
        sources = [*self.eaches, *lists]
        source = sources[self.below(len(sources))] if sources and self.chance(50) else None
        name = f"item_{len(self.eaches)}" if self.eaches else "item"
        self.eaches += (name,)
        at_once = 1 + self.below(3) if self.chance(30) else None
        return Each(name, source, at_once, 1 + self.below(3) if self.chance(15) else None)

    def arguments(self) -> tuple[tuple[str, Any], ...]:
        if not self.gives:
            return ()
        # `size` is an input as well, which an argument overrides at its place.
        names = [name for name in ("x", "size", "y") if self.chance(30)]
        return tuple((name, self.value(2)) for name in names)

    def value(self, depth: int) -> Any:
        kind = self.below(8 if depth else 6)
        if kind < 3:
            return (1, "size", None, -0.5, True)[self.below(5)]
        if kind < 6:
            names = [*(name for name, _ in self.inputs), *self.eaches]
            return Name(names[self.below(len(names))]) if names else "none"
        count = self.below(3)
        if kind == 6:
            return [self.value(depth - 1) for _ in range(count)]
        return {("k", "size")[number]: self.value(depth - 1) for number in range(count)}

    def branches(self, descriptors: tuple[int, ...], depth: int) -> tuple[Branch, ...]:
        chosen = [d for d in dict.fromkeys(descriptors) if self.chance(50 if d < 2 else 25)]
        if self.chance(30):
            chosen.reverse()
        flows = {descriptor: self.flow(depth + 1) for descriptor in chosen}
        return tuple(
            Branch(descriptor, flow, self.pipes(flow.parts[0]))
            for descriptor, flow in flows.items()
        )

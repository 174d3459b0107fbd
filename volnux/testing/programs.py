"""Programs: a flow as plain data, and the behaviour of its events.

A `Program` is not a syntax tree: `volnux.testing.making` creates it, and
`volnux.testing.rendering` writes it as text, so it tests the parser, the graph and a backend from
outside. Programs are small (their nesting is limited), so plain recursion is fine here.

A use contains the whole flow of its file. Uses with equal flows, apart from the behaviour of their
events, are uses of one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = [
    "ALL_STATES",
    "ANY_STATES",
    "DEFAULT_ATTEMPTS",
    "Branch",
    "Each",
    "Event",
    "Fail",
    "Flow",
    "Group",
    "Name",
    "Parallel",
    "Program",
    "Script",
    "Unit",
    "Use",
    "each_event",
    "events_of",
    "files_of",
    "in_round",
    "name_of",
    "places",
    "states_of",
    "takes_of",
    "units_of",
    "uses_of",
]

ALL_STATES = ("SUCCESS_ON_ALL_EVENTS_SUCCESS", "FAILURE_FOR_PARTIAL_ERROR")
"""The evaluation states for which a group is done if all of its arms are done."""

ANY_STATES = ("SUCCESS_FOR_PARTIAL_SUCCESS", "FAILURE_FOR_ALL_EVENTS_FAILURE")
"""The evaluation states for which a group is done if one of its arms is done."""

DEFAULT_ATTEMPTS = 5
"""The number of attempts of an event with neither a factor nor a policy."""


@dataclass(frozen=True, slots=True)
class Script:
    """The behaviour of the event at one place.

    Attributes:
        descriptor: the descriptor of the first attempt that does not raise.
        raising: the number of attempts that raise before it.
        polls: how many calls say "not yet" in each attempt; none in attempts after the last number.
        silent: whether the result is None; otherwise it contains the name of the place.
        items: the length of the list that is its result, then that of each list in this list, and
            so on; empty if the result is a text.
        value: the name of the typed value that is its result, see `volnux.testing.typed`; empty if
            it is a text or a list.
        passes: whether its result is the value that is piped to it.
        delay: its duration, a whole number of at least 1, in a unit that the caller chooses.
        stop_on_exception: whether it ends the run if its last attempt raises.
    """

    descriptor: int = 1
    raising: int = 0
    polls: tuple[int, ...] = ()
    silent: bool = False
    items: tuple[int, ...] = ()
    value: str = ""
    passes: bool = False
    delay: int = 1
    stop_on_exception: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name in the value of an argument: it stands for an input."""

    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """One place of an event; the values of its arguments are JSON with names in it.

    `others` are the scripts of the rounds and copies that behave differently, by the end of the
    name of their place, such as `.2` or `[1]`. If it is `impatient`, it has an option `within` so
    short that it fails when it says "not yet" for the first time.
    """

    name: str
    script: Script = Script()
    arguments: tuple[tuple[str, Any], ...] = ()
    others: tuple[tuple[str, Script], ...] = ()
    impatient: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """`!`; each is an object of its own."""


@dataclass(frozen=True, slots=True)
class Group:
    """A flow in braces, or in parentheses if `round` is true."""

    body: Flow
    round: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """A use of another file.

    Attributes:
        body: the flow of that file.
        arguments: the arguments of the use, as of an event.
        inputs: the names and defaults of the inputs of that file.
        evaluations: the evaluation states of its event classes, by name.
        takes: the annotations of `previous_result` of its event classes, by name.
        other: whether it is used by the second of two names.
    """

    body: Flow
    arguments: tuple[tuple[str, Any], ...] = ()
    inputs: tuple[tuple[str, Any], ...] = ()
    evaluations: tuple[tuple[str, str], ...] = ()
    takes: tuple[tuple[str, str], ...] = ()
    other: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """`descriptor -> flow`, or with `|->` if `piped` is true."""

    descriptor: int
    flow: Flow
    piped: bool = False


@dataclass(frozen=True, slots=True)
class Each:
    """The option `each` with those that belong to it; `source` is the name after `in`."""

    name: str
    source: str | None = None
    at_once: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """An event, a group or a use with its factor, options and branches, or a `!`.

    `prefix` says that the factor comes first.
    """

    primary: Event | Group | Use | Fail
    retry: int | None = None
    branches: tuple[Branch, ...] = ()
    evaluation: str | None = None
    prefix: bool = False
    each: Each | None = None
    again: int | None = None
    task: str | None = None


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
    """A whole file, and the evaluation states of its event classes, by name.

    `inputs` are the names and defaults of its inputs, and `takes` the annotations of
    `previous_result` of its event classes, by name.
    """

    flow: Flow
    continues: bool = False
    evaluations: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, Any], ...] = ()
    takes: tuple[tuple[str, str], ...] = ()


def places(program: Program) -> dict[str, Event]:
    """The events of a program by place, in reading order.

    The rounds of an `again` are places, `A.2`; the copies of an `each` are not.
    """
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    files = files_of(program)

    def counted(name: str) -> str:
        count = counts[name] = counts.get(name, 0) + 1
        return name if count == 1 else f"{name}__{count}"

    def visit(flow: Flow, prefix: str) -> None:
        for unit in units_of(flow):
            match unit.primary:
                case Event() as event:
                    names[id(event)] = counted(prefix + event.name)
                case Group(body=body):
                    visit(body, prefix)
                case Use() as use:
                    place = counted(prefix + name_of(use, files[id(use)]))
                    visit(use.body, f"{place}.")
            for branch in unit.branches:
                visit(branch.flow, prefix)

    visit(program.flow, "")
    return {
        in_round(names[id(event)], rounds): event for event, rounds in _in_rounds(program.flow, ())
    }


def events_of(flow: Flow) -> Iterator[Event]:
    """The events of a flow, also of files that it uses, in reading order, each once."""
    for unit in units_of(flow):
        match unit.primary:
            case Event():
                yield unit.primary
            case Group(body=body) | Use(body=body):
                yield from events_of(body)
        for branch in unit.branches:
            yield from events_of(branch.flow)


def _in_rounds(flow: Flow, rounds: tuple[int, ...]) -> Iterator[tuple[Event, tuple[int, ...]]]:
    """The events of a flow in each round, with the rounds around them, outermost first."""
    for unit in units_of(flow):
        match unit.primary:
            case Event():
                yield unit.primary, rounds
            case Group(body=body) | Use(body=body):
                again = [()] if unit.again is None else [(n + 1,) for n in range(unit.again)]
                for number in again:
                    yield from _in_rounds(body, rounds + number)
        for branch in unit.branches:
            yield from _in_rounds(branch.flow, rounds)


def units_of(flow: Flow) -> Iterator[Unit]:
    """The units of a flow, without those inside of them."""
    for part in flow.parts:
        yield from part.arms


def in_round(name: str, rounds: tuple[int, ...]) -> str:
    """The name of a place in a round: `A` in the second round is `A.2`."""
    while rounds and rounds[-1] == 1:
        rounds = rounds[:-1]
    return name + "".join(f".{number}" for number in rounds)


# Used files.


def uses_of(flow: Flow, *, deep: bool = True) -> Iterator[Use]:
    """The uses of a flow, in reading order; those in the used files only if `deep`."""
    for unit in units_of(flow):
        match unit.primary:
            case Group(body=body):
                yield from uses_of(body, deep=deep)
            case Use(body=body) as use:
                yield use
                if deep:
                    yield from uses_of(body)
        for branch in unit.branches:
            yield from uses_of(branch.flow, deep=deep)


def files_of(program: Program) -> dict[int, int]:
    """The number of the file of each use, from 1, by the id of the use.

    A file has a higher number than those that it uses.
    """
    numbers: dict[str, int] = {}
    found: dict[int, int] = {}

    def visit(flow: Flow) -> None:
        for unit in units_of(flow):
            match unit.primary:
                case Group(body=body):
                    visit(body)
                case Use() as use:
                    visit(use.body)
                    file = replace(_map_use(use, _bare), arguments=(), other=False)
                    found[id(use)] = numbers.setdefault(repr(file), len(numbers) + 1)
            for branch in unit.branches:
                visit(branch.flow)

    visit(program.flow)
    return found


def name_of(use: Use, file: int) -> str:
    """The name of a use in its text, given the number of its file."""
    return f"{'other' if use.other else 'use'}_{file}"


def states_of(program: Program) -> dict[int, str]:
    """The evaluation states that the classes of events have, by the id of the event."""
    return _of_classes(program, lambda file: file.evaluations)


def takes_of(program: Program) -> dict[int, str]:
    """The annotations of `previous_result` that the classes have, by the id of the event."""
    return _of_classes(program, lambda file: file.takes)


def _of_classes(
    program: Program, settings: Callable[[Program | Use], tuple[tuple[str, str], ...]]
) -> dict[int, str]:
    """A setting of the classes of a file, by the id of the event."""
    found: dict[int, str] = {}

    def visit(flow: Flow, known: Mapping[str, str]) -> None:
        for unit in units_of(flow):
            match unit.primary:
                case Event() as event:
                    if event.name in known:
                        found[id(event)] = known[event.name]
                case Group(body=body):
                    visit(body, known)
                case Use(body=body) as use:
                    visit(body, dict(settings(use)))
            for branch in unit.branches:
                visit(branch.flow, known)

    visit(program.flow, dict(settings(program)))
    return found


def each_event(program: Program, change: Callable[[Event], Event]) -> Program:
    """The program with every event replaced by the result of `change`."""
    return replace(program, flow=_map_flow(program.flow, change))


def _map_flow(flow: Flow, change: Callable[[Event], Event]) -> Flow:
    parts = (Parallel(tuple(_map_unit(unit, change) for unit in part.arms)) for part in flow.parts)
    return replace(flow, parts=tuple(parts))


def _map_unit(unit: Unit, change: Callable[[Event], Event]) -> Unit:
    primary = unit.primary
    match primary:
        case Event():
            primary = change(primary)
        case Group(body=body):
            primary = replace(primary, body=_map_flow(body, change))
        case Use():
            primary = _map_use(primary, change)
    branches = tuple(
        replace(branch, flow=_map_flow(branch.flow, change)) for branch in unit.branches
    )
    return replace(unit, primary=primary, branches=branches)


def _map_use(use: Use, change: Callable[[Event], Event]) -> Use:
    return replace(use, body=_map_flow(use.body, change))


def _bare(event: Event) -> Event:
    """The event without its behaviour."""
    return Event(event.name, arguments=event.arguments, impatient=event.impatient)

"""Programs: a flow as plain data, the behaviour of its events, and its Pointy text.

A `Program` is not a syntax tree: `volnux.testing.making` creates it, and `render` writes it as
text, so it tests the parser, the graph and a backend from outside. Programs are small (their
nesting is limited), so plain recursion is fine here.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from volnux.graph.places import names_of

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
    "events_of",
    "in_round",
    "key_of",
    "listed",
    "places",
    "render",
    "result_of",
    "script_of",
    "scripts",
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
        silent: whether the result is None; otherwise it contains the name of the place.
        items: the length of the list that is its result, then that of each list in this list, and
            so on; empty if the result is a text.
        delay: its duration, a whole number of at least 1, in a unit that the caller chooses.
        stop_on_exception: whether it ends the run if its last attempt raises.
    """

    descriptor: int = 1
    raising: int = 0
    silent: bool = False
    items: tuple[int, ...] = ()
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
    name of their place, such as `.2` or `[1]`.
    """

    name: str
    script: Script = Script()
    arguments: tuple[tuple[str, Any], ...] = ()
    others: tuple[tuple[str, Script], ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """`!`; each is an object of its own."""


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
class Each:
    """The option `each` with those that belong to it; `source` is the name after `in`."""

    name: str
    source: str | None = None
    at_once: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """An event or a group with its factor, options and branches, or a `!`.

    `prefix` says that the factor comes first.
    """

    primary: Event | Group | Fail
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

    `inputs` are the names and defaults of its inputs.
    """

    flow: Flow
    continues: bool = False
    evaluations: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, Any], ...] = ()


def places(program: Program) -> dict[str, Event]:
    """The events of a program by place, in reading order.

    The rounds of an `again` are places, `A.2`; the copies of an `each` are not.
    """
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for event in events_of(program.flow):
        count = counts[event.name] = counts.get(event.name, 0) + 1
        names[id(event)] = event.name if count == 1 else f"{event.name}__{count}"
    return {
        in_round(names[id(event)], rounds): event for event, rounds in _in_rounds(program.flow, ())
    }


def events_of(flow: Flow) -> Iterator[Event]:
    """The events of a flow, in reading order, each once."""
    for unit in _units(flow):
        match unit.primary:
            case Event():
                yield unit.primary
            case Group(body=body):
                yield from events_of(body)
        for branch in unit.branches:
            yield from events_of(branch.flow)


def _in_rounds(flow: Flow, rounds: tuple[int, ...]) -> Iterator[tuple[Event, tuple[int, ...]]]:
    """The events of a flow in each round, with the rounds around them, outermost first."""
    for unit in _units(flow):
        match unit.primary:
            case Event():
                yield unit.primary, rounds
            case Group(body=body):
                again = [()] if unit.again is None else [(n + 1,) for n in range(unit.again)]
                for number in again:
                    yield from _in_rounds(body, rounds + number)
        for branch in unit.branches:
            yield from _in_rounds(branch.flow, rounds)


def _units(flow: Flow) -> Iterator[Unit]:
    for part in flow.parts:
        yield from part.arms


def in_round(name: str, rounds: tuple[int, ...]) -> str:
    """The name of a place in a round: `A` in the second round is `A.2`."""
    while rounds and rounds[-1] == 1:
        rounds = rounds[:-1]
    return name + "".join(f".{number}" for number in rounds)


def scripts(program: Program) -> dict[str, Script]:
    """The scripts of a program: of every place, and of the copies with a script of their own."""
    found: dict[str, Script] = {}
    for place, event in places(program).items():
        name = place[: _end_of_name(place)]
        end = place[len(name) :]
        others = dict(event.others)
        found[place] = others.get(end, event.script)
        for key, script in others.items():
            if key.startswith(f"{end}["):
                found[name + key] = script
    return found


def script_of(scripts: Mapping[str, Script], place: str) -> Script:
    """The script of a place: its own, or that of all copies."""
    return scripts[key_of(scripts, place)]


def key_of(scripts: Mapping[str, object], place: str) -> str:
    """The key of the script of a place."""
    return next(name for name in names_of(place) if name in scripts)


def result_of(text: str, script: Script) -> Any:
    """The result of an event: a text, or a list of items that are made from the text."""
    return None if script.silent else listed(text, script.items)


def listed(text: str, lengths: Sequence[int]) -> Any:
    """A text, or lists of these lengths with texts that are made from it."""
    if not lengths:
        return text
    return [listed(f"{text}-{number}", lengths[1:]) for number in range(lengths[0])]


def _end_of_name(place: str) -> int:
    """Where the numbers of the rounds begin."""
    found = re.search(r"(\.\d+)*$", place)
    assert found is not None
    return found.start()


# Text.


def render(program: Program, layout: random.Random | None = None) -> str:
    """The program as Pointy text.

    Args:
        program: the program.
        layout: if given, it inserts random white space, line breaks and comments between the words,
            without changing the meaning.
    """
    directives = "@on-failure: continue\n" if program.continues else ""
    for name, default in program.inputs:
        directives += f"@input: {name}: {type(default).__name__} = {json.dumps(default)}\n"
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
        case Event(name=name, arguments=arguments):
            yield name
            if arguments:
                yield "("
                for key, value in arguments:
                    yield f"{key}={_written(value)}"
                    yield ","
                yield ")"
        case Fail():
            yield "!"
        case Group(body=body, round=round_):
            yield "(" if round_ else "{"
            yield from _words(body)
            yield ")" if round_ else "}"
    if unit.retry is not None and not unit.prefix:
        yield f"* {unit.retry}"
    options = list(_options(unit))
    if options:
        yield f"[{', '.join(options)}]"
    if unit.branches:
        yield "("
        for number, branch in enumerate(unit.branches):
            if number:
                yield ","
            yield f"{branch.descriptor} {'|->' if branch.piped else '->'}"
            yield from _words(branch.flow)
        yield ")"


def _options(unit: Unit) -> Iterator[str]:
    if unit.evaluation is not None:
        yield f"evaluation={unit.evaluation}"
    if unit.again is not None:
        yield f"again={unit.again}"
    if unit.task is not None:
        yield f"task={unit.task}"
    if unit.each is not None:
        named = {"in": unit.each.source, "at_once": unit.each.at_once, "batch": unit.each.batch}
        yield f"each={unit.each.name}"
        yield from (f"{key}={value}" for key, value in named.items() if value is not None)


def _written(value: Any) -> str:
    match value:
        case Name(name=name):
            return name
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            items = (f"{json.dumps(key)}: {_written(each)}" for key, each in value.items())
            return f"{{{', '.join(items)}}}"
    return json.dumps(value)

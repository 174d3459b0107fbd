"""Programs: a flow as plain data, the behaviour of its events, and its Pointy text.

A `Program` is not a syntax tree: `volnux.testing.making` creates it, and `render` writes it as
text, so it tests the parser, the graph and a backend from outside. Programs are small (their
nesting is limited), so plain recursion is fine here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ALL_STATES",
    "ANY_STATES",
    "DEFAULT_ATTEMPTS",
    "Branch",
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
    "places",
    "render",
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
        delay: its duration, a whole number of at least 1, in a unit that the caller chooses.
        stop_on_exception: whether it ends the run if its last attempt raises.
    """

    descriptor: int = 1
    raising: int = 0
    silent: bool = False
    delay: int = 1
    stop_on_exception: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name in the value of an argument: it stands for an input."""

    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """One place of an event; the values of its arguments are JSON with names in it."""

    name: str
    script: Script = Script()
    arguments: tuple[tuple[str, Any], ...] = ()


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
class Unit:
    """An event or a group with its factor, options and branches, or a `!`.

    `prefix` says that the factor comes first.
    """

    primary: Event | Group | Fail
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
    """A whole file, and the evaluation states of its event classes, by name.

    `inputs` are the names and defaults of its inputs.
    """

    flow: Flow
    continues: bool = False
    evaluations: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, Any], ...] = ()


def places(program: Program) -> dict[str, Event]:
    """The events of a program by place (`A`, `A__2`), in reading order."""
    found: dict[str, Event] = {}
    counts: dict[str, int] = {}
    for event in events_of(program.flow):
        count = counts[event.name] = counts.get(event.name, 0) + 1
        found[event.name if count == 1 else f"{event.name}__{count}"] = event
    return found


def events_of(flow: Flow) -> Iterator[Event]:
    """The events of a flow, in reading order."""
    for part in flow.parts:
        for unit in part.arms:
            match unit.primary:
                case Event():
                    yield unit.primary
                case Group(body=body):
                    yield from events_of(body)
            for branch in unit.branches:
                yield from events_of(branch.flow)


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

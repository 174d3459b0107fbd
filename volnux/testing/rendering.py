"""Writes programs as Pointy texts: the flow, and the files that it uses."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from volnux.testing.programs import (
    Event,
    Fail,
    Flow,
    Group,
    Name,
    Program,
    Unit,
    Use,
    files_of,
    name_of,
    uses_of,
)

__all__ = ["path_of", "render", "shown", "texts_of"]


def path_of(file: int) -> str:
    """The path of a used file from the flow: all of them have the same name."""
    return f"part_{file}/part.pty"


def render(program: Program, layout: random.Random | None = None) -> str:
    """The program as Pointy text, without the files that it uses.

    Args:
        program: the program.
        layout: if given, it inserts random white space, line breaks and comments between the words,
            without changing the meaning.
    """
    files = files_of(program)
    directives = _directives(program.flow, program.inputs, files, continues=program.continues)
    words = list(_words(program.flow, files))
    if layout is None:
        return directives + " ".join(words) + "\n"
    noise = ["", "# a comment\n"] if layout.random() < 0.5 else [""]
    text = [layout.choice(noise), directives]
    for word in words:
        text += [word, layout.choice([" ", "  ", "\n", "\t", "\r\n", " # -> || {\n"])]
    return "".join(text)


def texts_of(program: Program) -> dict[str, str]:
    """The texts of the files that a program uses, by their paths."""
    files = files_of(program)
    found: dict[str, str] = {}
    for use in uses_of(program.flow):
        path = path_of(files[id(use)])
        if path not in found:
            directives = _directives(
                use.body, use.inputs, files, continues=program.continues, up="../"
            )
            found[path] = directives + " ".join(_words(use.body, files)) + "\n"
    return found


def shown(program: Program) -> str:
    """All texts of a program, for messages."""
    texts = [f"{path}:\n{text}" for path, text in texts_of(program).items()]
    return "\n".join([render(program), *texts])


def _directives(
    flow: Flow,
    inputs: Sequence[tuple[str, Any]],
    files: Mapping[int, int],
    *,
    continues: bool,
    up: str = "",
) -> str:
    """The directives of one text, in which the paths of used files begin with `up`."""
    lines = ["@on-failure: continue"] if continues else []
    for name, default in inputs:
        lines.append(f"@input: {name}: {type(default).__name__} = {json.dumps(default)}")
    for use in uses_of(flow, deep=False):
        number = files[id(use)]
        lines.append(f'@use: {name_of(use, number)} = "{up}{path_of(number)}"')
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def _words(flow: Flow, files: Mapping[int, int]) -> Iterator[str]:
    for number, part in enumerate(flow.parts):
        if number:
            yield "|->" if flow.piped[number - 1] else "->"
        for position, unit in enumerate(part.arms):
            if position:
                yield "||"
            yield from _unit_words(unit, files)


def _unit_words(unit: Unit, files: Mapping[int, int]) -> Iterator[str]:
    if unit.retry is not None and unit.prefix:
        yield f"{unit.retry} *"
    match unit.primary:
        case Event(name=name, arguments=arguments):
            yield name
            yield from _argument_words(arguments)
        case Use(arguments=arguments) as use:
            yield name_of(use, files[id(use)])
            yield from _argument_words(arguments)
        case Fail():
            yield "!"
        case Group(body=body, round=round_):
            yield "(" if round_ else "{"
            yield from _words(body, files)
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
            yield from _words(branch.flow, files)
        yield ")"


def _argument_words(arguments: Sequence[tuple[str, Any]]) -> Iterator[str]:
    if arguments:
        yield "("
        for key, value in arguments:
            yield f"{key}={_written(value)}"
            yield ","
        yield ")"


def _options(unit: Unit) -> Iterator[str]:
    if isinstance(unit.primary, Event) and unit.primary.impatient:
        yield "within=0.0001"
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

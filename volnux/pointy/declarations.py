"""The names that a file declares: `@input`, `@variable` and `@secret`.

Each reader raises `BadValue` with offsets within the text that it was given.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from volnux.errors import Span, nearest
from volnux.pointy.defaults import default_of, range_of
from volnux.pointy.report import clip
from volnux.pointy.strings import RESERVED_NAMES, STRING, is_name
from volnux.pointy.tree import Input, Secret, Variable
from volnux.pointy.values import INPUT_TYPES, OTHER_QUOTES, BadValue, unquoted
from volnux.strictjson import FormatError, read_json

__all__ = ["read_input", "read_secret", "read_variable"]

_HEAD = re.compile(r"(?P<name>[^\s:=,]*)\s*(?P<colon>:?)\s*")
_TYPE = re.compile(r"(?P<type>[^\s=,(|]*)\s*")
_CHOICE = re.compile(r"-?[0-9]+(?![\w.])")
_BEGIN_CHOICE = frozenset({'"', *"-0123456789", *OTHER_QUOTES})
_SPACE = re.compile(r"\s*")


def read_input(value: str, span: Span) -> Input:
    """What the value of an `@input` declares; `span` is the position of the directive.

    Raises:
        BadValue: the name, the type, the default or the description is not valid.
    """
    kind = _INPUT
    name, at = _name_and_colon(value, kind)
    choices: tuple[str | int, ...] = ()
    least = most = None
    if value[at : at + 1] in _BEGIN_CHOICE:
        choices, at = _choices(value, at)
        type_ = "str" if isinstance(choices[0], str) else "int"
    else:
        type_, at = _type(value, at, name, kind)
        if value[at : at + 1] == "(":
            least, most, at = range_of(value, at, type_)
    item = Input(name, type_, True, None, span, choices, least, most)
    if value[at : at + 1] == "=":
        start = _after_space(value, at + 1)
        default, moment, at = default_of(value, start, name, type_)
        if default is not None:
            _check_default(item, default, start, at)
        item = replace(item, required=False, default=default, moment=moment)
        at = _after_space(value, at)
    if value[at : at + 1] == ",":
        return replace(item, description=_description(value, at + 1))
    if at < len(value):
        after = "'|' or '=' after the choices" if choices else f"'=' after '{type_}'"
        hint = kind.form
        if value[at] == "|":
            hint = 'choices are strings or whole numbers without a type: "full" | "delta"'
        raise BadValue(kind.code, f"expected {after}", at, None, hint)
    return item


def read_variable(value: str, span: Span) -> Variable:
    """What the value of a `@variable` declares; `span` is the position of the directive.

    Raises:
        BadValue: the name, the type or the default is not valid.
    """
    kind = _VARIABLE
    name, at = _name_and_colon(value, kind)
    if value[at : at + 1] in ('"', "'"):
        raise _only_inputs("choices", at)
    type_, at = _type(value, at, name, kind)
    if value[at : at + 1] == "(":
        raise _only_inputs("a range", at)
    default, required = None, True
    if value[at : at + 1] == "=":
        start = _after_space(value, at + 1)
        default, moment, at = default_of(value, start, name, type_, kind="variable")
        if moment is not None:
            raise _only_inputs("a time as its default", start, at)
        required = False
        at = _after_space(value, at)
    if value[at : at + 1] == ",":
        raise _only_inputs("a description", at)
    if at < len(value):
        raise BadValue(kind.code, f"expected '=' after '{type_}'", at, None, kind.form)
    return Variable(name, type_, required, default, span)


def read_secret(value: str, span: Span) -> Secret:
    """What the value of a `@secret` declares; `span` is the position of the directive.

    Raises:
        BadValue: it is not a valid name.
    """
    head = _HEAD.match(value)
    assert head is not None
    name = head["name"]
    _check_name(name, _SECRET)
    if head.end("name") < len(value):
        raise BadValue(
            _SECRET.code,
            "a secret has only a name: its value is a text from the host's secret store",
            head.end("name"),
            None,
            f"write @secret: {clip(name)}",
        )
    return Secret(name, span)


@dataclass(frozen=True, slots=True)
class _Kind:
    """The words for one kind of declaration in messages."""

    article: str
    name: str
    code: str
    form: str


_INPUT = _Kind(
    "an", "input", "bad-input", "an input is written name: type, or name: type = default"
)
_VARIABLE = _Kind(
    "a", "variable", "bad-variable", "a variable is written name: type, or name: type = default"
)
_SECRET = _Kind("a", "secret", "bad-secret", "a secret is written as its name: api_key")


def _name_and_colon(value: str, kind: _Kind) -> tuple[str, int]:
    """The name, and the offset of what follows the colon."""
    head = _HEAD.match(value)
    assert head is not None
    name = head["name"]
    _check_name(name, kind)
    if not head["colon"]:
        message = f"expected ':' after '{clip(name)}'"
        raise BadValue(kind.code, message, head.end("name"), None, kind.form)
    return name, head.end()


def _check_name(name: str, kind: _Kind) -> None:
    if not is_name(name):
        message = f"'{clip(name)}' is not a valid {kind.name} name"
        raise BadValue(kind.code, message, 0, len(name), kind.form)
    if name in RESERVED_NAMES:
        message = f"'{name}' is reserved: choose another name for the {kind.name}"
        raise BadValue(kind.code, message, 0, len(name))


def _type(value: str, at: int, name: str, kind: _Kind) -> tuple[str, int]:
    """The type, and the offset of what follows it."""
    match = _TYPE.match(value, at)
    assert match is not None
    type_ = match["type"]
    if type_ in INPUT_TYPES:
        return type_, match.end()
    close = nearest(type_, INPUT_TYPES)
    hint = f"did you mean '{close[0]}'?" if close else "types: " + ", ".join(INPUT_TYPES)
    if kind is _INPUT and value[match.end() : match.end() + 1] == "|":
        hint = f'choices are strings in double quotes: "{clip(type_)}" | …'
    elif type_.startswith(("int[", "float[")):
        hint = "a range is written in parentheses: int(1..100)"
    raise BadValue(
        kind.code,
        f"'{clip(type_)}' is not {kind.article} {kind.name} type"
        if type_
        else f"expected a type after '{clip(name)}:'",
        match.start("type"),
        match.end("type"),
        hint,
    )


def _choices(value: str, at: int) -> tuple[tuple[str | int, ...], int]:
    """The choices of an input, and the offset of what follows them."""
    found: list[str | int] = []
    while True:
        match = STRING.match(value, at) or _CHOICE.match(value, at)
        if match is None:
            if value[at : at + 1] in tuple(OTHER_QUOTES):
                text = value[at:].partition("|")[0].rstrip()
                hint = f'write "{clip(text.strip(OTHER_QUOTES))}"'
                message = "a string is written in plain double quotes"
                raise BadValue("single-quotes", message, at, at + len(text), hint)
            raise BadValue(
                "bad-input",
                "expected a choice: a string in double quotes or a whole number",
                at,
                at + 1,
                'choices are written "full" | "delta"; a range is written int(1..100)',
            )
        try:
            choice = read_json(match[0])
        except FormatError as error:
            message = f"this choice cannot be used: {error}"
            raise BadValue("bad-input", message, at, match.end()) from None
        if found and type(choice) is not type(found[0]):
            message = "choices must be all strings or all whole numbers"
            raise BadValue("bad-input", message, at, match.end())
        if choice in found:
            message = f"the choice {clip(match[0])} is given twice"
            raise BadValue("bad-input", message, at, match.end(), "remove one of the two")
        found.append(choice)
        at = _after_space(value, match.end())
        if value[at : at + 1] != "|":
            return tuple(found), at
        at = _after_space(value, at + 1)


def _check_default(item: Input, default: object, start: int, end: int) -> None:
    """Check that a default is one of the choices and within the range."""
    if item.choices and default not in item.choices:
        raise BadValue(
            "bad-input",
            f"the default of '{clip(item.name)}' is not one of its choices",
            start,
            end,
            "choices: " + clip(" | ".join(map(json.dumps, item.choices)), 80),
        )
    if item.least is None and item.most is None:
        return
    assert isinstance(default, int | float)
    low = item.least is not None and default < item.least
    if low or (item.most is not None and default > item.most):
        ends = ("" if each is None else str(each) for each in (item.least, item.most))
        raise BadValue(
            "bad-input",
            f"the default of '{clip(item.name)}' is not in its range {'..'.join(ends)}",
            start,
            end,
        )


def _description(value: str, at: int) -> str:
    """The text after the comma at the end of an input."""
    start = _after_space(value, at)
    text = value[start:]
    if not text or text[0] not in OTHER_QUOTES + '"':
        raise BadValue(
            "bad-input",
            "expected a description in double quotes after ','",
            start if text else at - 1,
            None,
            f'write "{clip(text)}"' if text else "remove the comma",
        )
    try:
        description = unquoted(text)
    except BadValue as bad:
        end = None if bad.end is None else bad.end + start
        raise BadValue(bad.code, bad.message, bad.start + start, end, bad.hint) from None
    if "\0" in description:
        raise BadValue("bad-input", "a description cannot contain the character U+0000", start)
    return description


def _only_inputs(what: str, start: int, end: int | None = None) -> BadValue:
    message = f"a variable cannot have {what}"
    return BadValue("bad-variable", message, start, end, "only an input can: @input")


def _after_space(value: str, at: int) -> int:
    match = _SPACE.match(value, at)
    assert match is not None
    return match.end()

"""Messages for a word that does not fit in the arguments of an event, or in their values."""

from __future__ import annotations

import re

from volnux.pointy.foreign import use_hint
from volnux.pointy.lexer import SIGNS, Token
from volnux.pointy.recovery import CLOSERS
from volnux.pointy.report import clip
from volnux.pointy.situation import Situation, Told, word_of

__all__ = ["BRANCHES", "IN_PARENTHESES", "argument", "is_argument", "mixed", "parentheses", "value"]

BRANCHES = "branches are written (0 -> X, 1 -> Y)"
IN_PARENTHESES = f"{BRANCHES}, arguments (a=1)"
_ARROWS = ("ARROW", "PIPE")
_JOINS = ("ARROW", "PIPE", "PARALLEL")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARGUMENTS = 'arguments are written (a=1, b="text")'
_VALUES = 'a value is JSON, such as 3, "text", true or ["a"], or the name of an input'
_OBJECTS = 'an object is written {"key": 1, "other": "text"}'


def parentheses(at: Situation) -> Told:
    """The word is the first one in parentheses after an event or a group."""
    found = word_of(at.found)
    if at.found.type in ("STRING", "LBRACKET"):
        value = clip(at.found.text) if at.found.type == "STRING" else "[…]"
        message = f"expected the name of an argument, or a descriptor, {at.behind}, found {found}"
        hint = f"an argument is written with its name: (name={value})"
        if len(at.before) > 1 and at.before[1].type == "NAME":
            hint = use_hint(at.before[1].text) or hint
        return "bad-arguments", message, hint
    hint = IN_PARENTHESES
    match at.before:
        case (Token(type="LPAREN"), Token(type="NAME") as event, *_):
            if at.found.type in ("NAME", "LPAREN", "LBRACE", "FAIL"):
                following = at.found.text if at.found.type in ("NAME", "FAIL") else "{…}"
                hint = f"to continue the flow write {clip(event.text)} -> {clip(following)}"
                hint += f"; {IN_PARENTHESES}"
    message = f"expected a descriptor, a digit from 0 to 9, {at.behind}, found {found}"
    return "expected-descriptor", message, hint


def argument(at: Situation) -> Told | None:
    """The word is among the arguments of an event, outside their values."""
    found, previous = at.found, at.previous
    if not at.openers or at.openers[0].type != "LPAREN" or previous is None:
        return None
    if at.expected == {"EQUALS"}:
        name = clip(previous.text)
        message = f"expected '=' and a value after the argument '{name}', found {word_of(found)}"
        return "bad-arguments", message, _ARGUMENTS
    if at.expected == {"NAME", "RPAREN"}:
        if found.type == "NUMBER" and at.after and at.after.type in _ARROWS:
            return mixed("arguments")
        hint = _ARGUMENTS
        if found.type == "STRING" and _NAME.fullmatch(str(found.value)):
            hint = f"the names of arguments are written without quotes: {clip(found.value)}"
        message = f"expected the name of an argument {at.behind}, found {word_of(found)}"
        return "bad-arguments", message, hint
    return None


def value(at: Situation) -> Told | None:
    """The word is where a value begins, or after one, or at the key of an object."""
    found, expected = word_of(at.found), at.expected
    if {"STRING", "LBRACE"} <= expected:
        hint: str | None = _VALUES
        if at.found.type == "EQUALS" and at.previous and at.previous.type == "EQUALS":
            hint = "one '=' is enough"
        return "bad-value", f"expected a value {at.behind}, found {found}", hint
    if "COMMA" in expected and at.found.type == "LPAREN" and "ARROW" not in expected:
        return "bad-value", f"a value cannot be a call, found '(' {at.behind}", _VALUES
    if expected in ({"STRING"}, {"STRING", "RBRACE"}):
        hint = _OBJECTS
        if at.found.type in ("NAME", "NUMBER"):
            hint = f'write "{clip(at.found.text)}"'
        return "bad-value", f"expected a key in double quotes {at.behind}, found {found}", hint
    if expected == {"COLON"}:
        return "bad-value", f"expected ':' and a value {at.behind}, found {found}", _OBJECTS
    if not at.openers or expected != {"COMMA", closer := CLOSERS[at.openers[0].type]}:
        return None
    if closer == "RPAREN":
        hint = _ARGUMENTS
        following = [word.type for word in (at.found, *at.coming)]
        if following[:2] == ["NAME", "EQUALS"] or following[1:] == ["NAME", "EQUALS"]:
            hint = "arguments are separated by commas: (a=1, b=2)"
        elif at.found.type in _JOINS:
            hint = "close the arguments with ')'"
    elif closer == "RBRACE":
        hint = _OBJECTS
    elif at.in_list:
        hint = 'a list is written ["a", 2]'
    else:
        return None
    message = f"expected ',' or '{SIGNS[closer]}' {at.behind}, found {found}"
    return "bad-value", message, hint


def mixed(first: str) -> Told:
    """Arguments and branches in one pair of parentheses."""
    second = "branches" if first == "arguments" else "arguments"
    return (
        "bad-arguments",
        f"{second} cannot be in the parentheses of {first}",
        "write two pairs, the arguments first: Event(a=1) (0 -> X)",
    )


def is_argument(at: Situation) -> bool:
    """Whether the word is the name of an argument with a value."""
    return at.found.type == "NAME" and at.after is not None and at.after.type == "EQUALS"

"""Messages for a word that does not fit: what was found, what was expected, how to fix it.

Each function handles one situation; the first one that returns a message is used.
"""

from __future__ import annotations

import re

from volnux.errors import Span
from volnux.pointy import argumentmessages as arguments
from volnux.pointy.argumentmessages import BRANCHES, IN_PARENTHESES
from volnux.pointy.foreign import USE, use_hint
from volnux.pointy.lexer import END, SIGNS, UNKNOWN_HINTS, Token
from volnux.pointy.recovery import CLOSERS
from volnux.pointy.report import clip
from volnux.pointy.situation import Finding, Situation, Told, listed, word_of

__all__ = ["Finding", "Situation", "explain"]

_ARROWS = ("ARROW", "PIPE")
_JOINS = ("ARROW", "PIPE", "PARALLEL")
_JOINED = frozenset(_JOINS)
_CLOSING = frozenset({"COMMA", *CLOSERS.values()})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def explain(at: Situation) -> Finding:
    """The message for a word that does not fit."""
    for tell in _TELLERS:
        told = tell(at)
        if told is not None:
            code, message, hint, *place = told
            if at.found.type == END and at.unclosed:
                hint = _unclosed(at)
            return Finding(code, message, hint, *(place or [at.found.span]))
    wanted = listed(at.expected - {END})
    return Finding(
        "syntax", f"expected {wanted} {at.behind}, found {word_of(at.found)}", None, at.found.span
    )


def _directive(at: Situation) -> Told | None:
    if at.found.type != "DIRECTIVE":
        return None
    return (
        "misplaced-directive",
        f"{word_of(at.found)} comes after the start of the flow",
        "directives come first, each on a line of its own",
    )


def _colon(at: Situation) -> Told | None:
    """A colon after a string outside an object."""
    if at.found.type != "COLON" or at.expected & {"EQUALS", "COLON"}:
        return None
    return "unknown-sign", "':' is not a Pointy operator", UNKNOWN_HINTS[":"]


def _nothing(at: Situation) -> Told | None:
    if at.found.type != END or at.previous is not None:
        return None
    return (
        "empty-flow",
        "there is no flow in this file: expected an event or a group",
        "the smallest flow is the name of one event",
    )


def _bracket(at: Situation) -> Told | None:
    """A closing bracket without an opening bracket, or of the wrong kind."""
    if at.found.type not in CLOSERS.values():
        return None
    sign = at.found.text
    if not at.openers:
        return "wrong-bracket", f"'{sign}' has no opening bracket", "remove it"
    opener = at.openers[0]
    closer = CLOSERS[opener.type]
    if closer == at.found.type:
        return None
    place = f"'{opener.text}' (line {opener.line}, column {opener.column})"
    if at.found.type in (CLOSERS[outer.type] for outer in at.openers[1:]):
        message = f"{place} is not closed before '{sign}'"
    else:
        message = f"{place} is closed by '{sign}'"
    return "wrong-bracket", message, f"close it with '{SIGNS[closer]}'"


def _unit(at: Situation) -> Told | None:
    """The word is where an event or a group may begin."""
    if "LBRACE" not in at.expected:
        return None
    message = f"expected an event or a group {at.behind}, found {word_of(at.found)}"
    return "expected-event", message, _hint_for_unit(at)


def _hint_for_unit(at: Situation) -> str | None:
    previous, type_ = at.previous, at.found.type
    if _is_path(at.found):
        return USE
    if type_ == "STRING" and _NAME.fullmatch(str(at.found.value)):
        return f"event names are written without quotes: {clip(at.found.value)}"
    if type_ == "STAR":
        return "a factor is written after its event, A * 3, or before it, 3 * A"
    if type_ == "LBRACKET":
        return "options are written after an event: A[timeout=30]"
    if previous is None:
        return "a flow begins with the name of an event"
    if previous.type == "STAR":
        return "a factor is written 3 * A or A * 3"
    if previous.type in CLOSERS and type_ in CLOSERS.values():
        return "a group needs at least one event"
    if previous.type in _JOINS:
        if type_ in _JOINS:
            if previous.text == at.found.text:
                return f"one '{previous.text}' is enough"
            return f"remove '{previous.text}' or '{at.found.text}'"
        return f"name the event that comes next, or remove the '{previous.text}'"
    return None


def _factor(
    at: Situation,
) -> Told | tuple[str, str, str | None, Span] | None:
    """The word follows a star, or a number that can only be a factor."""
    previous = at.previous
    if previous is None:
        return None
    if at.expected == {"NUMBER"} and previous.type == "STAR":
        return (
            "bad-factor",
            f"expected a retry factor, a whole number of at least 2, found {word_of(at.found)}",
            "A * 3 means at most 3 attempts in all",
        )
    if at.expected != {"STAR"}:
        return None
    if at.found.type not in _ARROWS:
        message = f"expected '*' and an event {at.behind}, found {word_of(at.found)}"
        return "expected-star", message, "a factor is written 3 * A or A * 3"
    hint = f"{BRANCHES} after their event: Event (0 -> X, 1 -> Y)"
    match at.before:
        case (_, Token(type="LPAREN"), Token(type="ARROW" | "PIPE") as arrow, *_):
            hint = (
                f"remove the '{arrow.text}' before the '(': branches are written directly after "
                "their event, Event (0 -> X, 1 -> Y)"
            )
    return (
        "stray-descriptor",
        f"a descriptor ({clip(previous.text)}) is only allowed in the branches of an event or "
        "a group",
        hint,
        previous.span,
    )


def _descriptor(at: Situation) -> Told | None:
    """The word is where a branch begins, or after its descriptor."""
    found = word_of(at.found)
    if at.expected == set(_ARROWS):
        message = f"expected '->' or '|->' after the descriptor, found {found}"
        positional = at.found.type in ("RPAREN", "COMMA")
        return "expected-arrow", message, IN_PARENTHESES if positional else BRANCHES
    if at.expected == {"NAME", "NUMBER", "RPAREN"}:
        return arguments.parentheses(at)
    if "NUMBER" not in at.expected or at.expected & {"STRING", "NAME"}:
        return None
    if arguments.is_argument(at):
        return arguments.mixed("branches")
    hint = BRANCHES
    message = f"expected a descriptor, a digit from 0 to 9, {at.behind}, found {found}"
    return "expected-descriptor", message, hint


def _joint(at: Situation) -> Told | None:
    """The word follows a complete unit."""
    if "ARROW" not in at.expected:
        return None
    # The parse table no longer expects '||' here if the word cannot follow a unit at all.
    wanted = listed(_JOINED | (at.expected & _CLOSING))
    message = f"expected {wanted} {at.behind}, found {word_of(at.found)}"
    return "expected-arrow", message, _hint_for_joint(at)


def _hint_for_joint(at: Situation) -> str | None:
    previous, found = at.previous, at.found
    if _is_path(found):
        return USE
    if previous and previous.type == "NAME" and found.type in ("NAME", "STRING"):
        meant = use_hint(previous.text)
        if meant:
            return meant
    if previous and (previous.type == "FAIL" or found.type == "FAIL"):
        first = clip(previous.text) if previous.type in ("NAME", "FAIL") else "A"
        if previous.type == "FAIL":
            return "'!' is a unit of its own, the last one of its flow: A -> !"
        return f"'!' is a unit of its own: {first} -> !"
    if found.type == "LBRACE" and previous and previous.type == "NAME":
        match at.coming:
            case (Token(type="NAME") as name, Token(type="EQUALS")):
                argument = clip(f"{name.text}=…")
                return f"arguments are written in parentheses: {clip(previous.text)}({argument})"
    if found.type == "NUMBER":
        if "COMMA" in at.expected and at.after and at.after.type in _ARROWS:
            return "branches are separated by commas: (0 -> X, 1 -> Y)"
        if (
            previous
            and previous.type == "NAME"
            and found.text[0] == "-"
            and _touch(previous, found)
        ):
            return f"a name has no hyphen: {clip(previous.text)}_{clip(found.text[1:])}"
        return "a factor is written A * 3"
    if found.type == "EQUALS":
        return "options are written in brackets: A[timeout=30]"
    if found.type == "STRING" and _NAME.fullmatch(str(found.value)):
        return f"event names are written without quotes: {clip(found.value)}"
    following = at.after if found.type == "COMMA" else found
    if found.type in ("COMMA", "NAME", "LBRACE"):
        first = clip(previous.text) if previous and previous.type == "NAME" else "A"
        second = "B" if first != "B" else "C"
        if following and following.type == "NAME":
            second = clip(following.text)
        if found.type == "LBRACE" or (following and following.type == "LBRACE"):
            second = "{…}"
        return (
            f"write {first} -> {second} to run one after the other, "
            f"{first} || {second} to run both at once"
        )
    return None


def _touch(first: Token, second: Token) -> bool:
    return first.start + len(first.text) == second.start


def _is_path(token: Token) -> bool:
    return token.type == "STRING" and str(token.value).endswith(".pty")


def _option(at: Situation) -> Told | None:
    """The word is inside the brackets of options."""
    if not at.openers or at.openers[0].type != "LBRACKET" or at.in_list:
        return None
    if "STRING" in at.expected:
        wanted = f"a value {at.behind}"
    elif "EQUALS" in at.expected:
        wanted = f"'=' and a value after the option {word_of(at.previous)}"
    elif "NAME" in at.expected:
        wanted = f"the name of an option {at.behind}"
    else:
        wanted = f"',' or ']' {at.behind}"
    hint = _hint_for_each(at) or 'options are written [timeout=30, pool="x"]'
    if at.expected == {"NAME"} and at.found.type == "STRING" and _NAME.fullmatch(at.found.value):
        hint = f"option names are written without quotes: {clip(at.found.value)}"
    return "bad-options", f"expected {wanted}, found {word_of(at.found)}", hint


def _hint_for_each(at: Situation) -> str | None:
    """A hint for `each x in xs` and `in=["a", "b"]`."""
    found, coming = clip(at.found.text), at.after
    match [word.text for word in at.before[:2]]:
        case ["=", "in"] if found == "[":
            return 'write in=items, and declare the list: @input: items: list = ["a", "b"]'
        case [previous, *_] if found == "in" and coming and coming.type == "NAME":
            return f"write [each={clip(previous)}, in={clip(coming.text)}]"
        case ["each", *_]:
            return f"write [each={found if at.found.type == 'NAME' else 'item'}]"
    return None


def _unclosed(at: Situation) -> str:
    opener = at.openers[0]
    more = f" (and {at.unclosed - 1} more)" if at.unclosed > 1 else ""
    return f"the '{opener.text}' of line {opener.line}, column {opener.column} is not closed{more}"


_TELLERS = (
    _directive,
    _nothing,
    _colon,
    _bracket,
    arguments.argument,
    arguments.value,
    _unit,
    _factor,
    _descriptor,
    _joint,
    _option,
)

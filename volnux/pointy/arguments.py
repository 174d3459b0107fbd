"""The arguments of events: the actions of their productions, and the rules for them.

Linking checks whether each bare name in a value has been declared.
"""

from __future__ import annotations

import keyword
import math
from typing import Any, NamedTuple

from volnux.errors import Span
from volnux.pointy.lexer import Token
from volnux.pointy.report import Report, clip
from volnux.pointy.tree import Argument, Name
from volnux.strictjson import DEEPEST, is_text

__all__ = ["ArgumentReader"]


class _Value(NamedTuple):
    """A value, where it stands, and how deep lists and objects are nested in it."""

    value: Any
    span: Span
    depth: int = 0


_CONSTANTS = {"true": True, "false": False, "null": None}
_PYTHON = {"True": "true", "False": "false", "None": "null"}
_RESERVED = {
    "previous_result": "a pipe passes the result of the event before it: A |-> B",
    "self": "it is the event itself: choose another name for the parameter",
}


class ArgumentReader:
    """Reads the arguments of one text: one method for each action of the grammar."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def argument(self, name: Token, _: Token, value: _Value) -> Argument:
        if value.depth > DEEPEST:
            self._bad_value(f"the value is nested deeper than {DEEPEST} levels", value.span)
        span = name.span.to(value.span)
        return Argument(name.value or "", value.value, span, value.span)

    def number_value(self, token: Token) -> _Value:
        if isinstance(token.value, float) and not math.isfinite(token.value) and not token.fault:
            self._bad_value(f"the number {clip(token.text, 20)} is too large", token.span)
        return _Value(token.value, token.span)

    def string_value(self, token: Token) -> _Value:
        self._check_text(token)
        return _Value(token.value, token.span)

    def name_value(self, token: Token) -> _Value:
        text = token.value
        if text in _CONSTANTS:
            return _Value(_CONSTANTS[text], token.span)
        if text in _PYTHON and not token.fault:
            self._bad_value(
                f"'{text}' is not a value: it is written as in JSON",
                token.span,
                f"write {_PYTHON[text]}",
            )
        elif text and "." in text and not token.fault:
            self._bad_value(
                f"'{clip(text)}' is not a value: a name in a value has no dots",
                token.span,
                f'for a text, write it in quotes: "{clip(text)}"',
            )
        return _Value(Name(text or "", token.span), token.span)

    def empty_list(self, opener: Token, closer: Token) -> _Value:
        return _Value([], opener.span.to(closer.span), 1)

    def list_value(self, opener: Token, found: list[_Value], *closing: Token) -> _Value:
        depth = max(each.depth for each in found) + 1
        span = opener.span.to(closing[-1].span)
        return _Value([each.value for each in found], span, depth)

    def empty_object(self, opener: Token, closer: Token) -> _Value:
        return _Value({}, opener.span.to(closer.span), 1)

    def object_value(
        self, opener: Token, found: list[tuple[Token, _Value]], *closing: Token
    ) -> _Value:
        value: dict[Any, Any] = {}
        for key, each in found:
            if key.value in value and key.value is not None:
                self._bad_value(
                    f"the key {clip(key.text)} is already in this object",
                    key.span,
                    "remove one of the two",
                )
            value[key.value] = each.value
        depth = max(each.depth for _, each in found) + 1
        return _Value(value, opener.span.to(closing[-1].span), depth)

    def member(self, key: Token, _: Token, value: _Value) -> tuple[Token, _Value]:
        self._check_text(key)
        return key, value

    def check_arguments(self, found: list[Argument], *, used: bool = False) -> None:
        """Report the names that an argument cannot have, and those that are given twice."""
        seen: set[str] = set()
        for argument in found:
            name = argument.name
            if not name:
                continue
            line, column = argument.span.line, argument.span.column
            where = Span(line, column, line, column + len(name))
            if name in seen:
                self.report.add(
                    "double-argument",
                    f"the argument '{clip(name)}' is already given here",
                    where,
                    hint="remove one of the two",
                )
            elif name in _RESERVED:
                message = f"'{name}' cannot be given as an argument"
                self.report.add("bad-argument", message, where, hint=_RESERVED[name])
            elif "." in name or keyword.iskeyword(name):
                what = "a name with a dot" if "." in name else "a keyword of Python"
                self.report.add(
                    "bad-argument",
                    f"'{clip(name)}' cannot be the name of an argument: it is {what}",
                    where,
                    hint="an argument has the name of an input of the used file"
                    if used
                    else "an argument has the name of a parameter of the event's 'process'",
                )
            seen.add(name)

    def _check_text(self, token: Token) -> None:
        if not token.fault and isinstance(token.value, str) and not is_text(token.value):
            message = "a string has one half of a surrogate pair without the other"
            self._bad_value(message, token.span)

    def _bad_value(self, message: str, span: Span, hint: str | None = None) -> None:
        self.report.add("bad-value", message, span, hint=hint)

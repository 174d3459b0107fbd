"""Reads `@use: name = "path"`."""

from __future__ import annotations

import re

from volnux.errors import Span
from volnux.pointy.report import clip
from volnux.pointy.strings import RESERVED_NAMES, STRING, is_name
from volnux.pointy.tree import Use
from volnux.pointy.values import BadValue, unquoted

__all__ = ["read_use"]

_HEAD = re.compile(r"(?P<name>[^\s:=,\"]*)\s*(?P<equals>=?)\s*")
_FORM = 'a use is written name = "path": @use: clean = "shared/clean.pty"'


def read_use(value: str, span: Span) -> Use:
    """What the value of a `@use` declares; `span` is the position of the value.

    Raises:
        BadValue: the name or the path is not valid.
    """
    head = _HEAD.match(value)
    assert head is not None
    name = head["name"]
    if not is_name(name) or name in RESERVED_NAMES:
        raise BadValue("bad-use", f"'{clip(name)}' is not a valid name", 0, len(name), _FORM)
    if not head["equals"] or not STRING.fullmatch(value[head.end() :]):
        raise BadValue(
            "bad-use", "expected '=' and a path in quotes", head.end("name"), None, _FORM
        )

    def part(start: int, end: int) -> Span:
        return Span(span.line, span.column + start, span.line, span.column + end)

    path_span = part(head.end(), len(value))
    return Use(name, unquoted(value[head.end() :]), part(0, len(name)), path_span)

"""The labels of an event in a drawing: its place, factor, arguments, options and position."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from volnux.graph.parts import Argument, Each, Node
from volnux.pointy.tree import Literal

if TYPE_CHECKING:
    from volnux.graph.model import Graph, Located

__all__ = [
    "LONGEST",
    "argument_texts",
    "each_text",
    "label",
    "option_texts",
    "position",
    "printable",
]

LONGEST = 40
"""Characters of the value of an argument or option that a drawing shows."""

_BARE = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def label(node: Node, place: str) -> str:
    """The place of an event and its factor, such as `Fetch ×3`."""  # noqa: RUF002 - as drawn
    factor = f" ×{node.retry}" if node.retry is not None else ""  # noqa: RUF001 - as drawn
    return printable(place) + factor


def option_texts(node: Node) -> tuple[str, ...]:
    """The options of an event as `name=value`, each on one line."""
    return tuple(f"{name}={_value(value)}" for name, value in node.options.items())


def argument_texts(arguments: Iterable[Argument]) -> tuple[str, ...]:
    """Arguments as `name=value`, each on one line."""
    return tuple(f"{each.name}={printable(_short(str(each)))}" for each in arguments)


def each_text(each: Each) -> str:
    """An `each` with its options, on one line, such as `each url, at_once=8`."""
    options = {"in": each.source, "at_once": each.at_once, "batch": each.batch}
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    return printable(", ".join((f"each {each.name}", *given)))


def position(graph: Graph, part: Located) -> str | None:
    """`file:line` of a part of a text, or None if it has no position."""
    text = graph.text(part.file)
    if text is None or part.span is None:
        return None
    return f"{printable(text.filename)}:{part.span.line}"


def printable(text: str) -> str:
    """The text with an escape for every character that is not visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _value(value: Literal) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    text = _short(value)
    return text if _BARE.fullmatch(text) else printable(json.dumps(text, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

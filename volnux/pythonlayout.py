"""Python expressions as text, laid out as the common formatters do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from volnux.pythontext import quoted

__all__ = ["WIDTH", "Bracketed", "Expression", "call", "literal", "text"]

WIDTH = 88
"""How long a line may be."""


@dataclass(frozen=True)
class Bracketed:
    """`opening item, item closing`; each item with what stands before it (`name=`, `"key": `)."""

    opening: str
    items: tuple[tuple[str, Expression], ...]
    closing: str


Expression = str | Bracketed
"""Text that stays on its line, or something in brackets that may be spread over several."""


def call(function: str, *positional: Expression, **named: Expression | None) -> Bracketed:
    """`function(positional, name=value)`; names with None are left out."""
    items = [("", item) for item in positional]
    items += [(f"{name}=", item) for name, item in named.items() if item is not None]
    return Bracketed(f"{function}(", tuple(items), ")")


def literal(value: Any) -> Expression:
    """A JSON value, or a tuple of such, in Python."""
    match value:
        case dict() | Mapping():
            items = tuple((f"{_key(key)}: ", literal(item)) for key, item in value.items())
            return Bracketed("{", items, "}")
        case list() | tuple():
            inner = tuple(("", literal(item)) for item in value)
            if isinstance(value, tuple):
                return Bracketed("(", inner, ",)" if len(inner) == 1 else ")")
            return Bracketed("[", inner, "]")
        case str():
            return quoted(value)
        case _:
            return repr(value)


def _key(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def text(expression: Expression, *, indent: int, before: str = "", after: str = "") -> str:
    """The expression between two texts, as lines that are indented."""
    return "\n".join(_lines(expression, indent, before, after))


def _lines(expression: Expression, indent: int, before: str, after: str) -> Iterable[str]:
    space = " " * indent
    flat = f"{space}{before}{_flat(expression)}{after}"
    if isinstance(expression, str) or not expression.items or _fits(flat):
        return [flat]
    opened = f"{space}{before}{expression.opening}"
    closed = f"{space}{expression.closing}{after}"
    inner = f"{space}    {_inside(expression)}"
    if expression.closing.startswith(","):
        closed = f"{space}{expression.closing[1:]}{after}"
    elif _fits(inner):
        return [opened, inner, closed]
    spread = [opened]
    for name, item in expression.items:
        spread += _lines(item, indent + 4, name, ",")
    return [*spread, closed]


def _flat(expression: Expression) -> str:
    if isinstance(expression, str):
        return expression
    return f"{expression.opening}{_inside(expression)}{expression.closing}"


def _inside(expression: Bracketed) -> str:
    return ", ".join(f"{name}{_flat(item)}" for name, item in expression.items)


def _fits(line: str) -> bool:
    return len(line) <= WIDTH and "\n" not in line

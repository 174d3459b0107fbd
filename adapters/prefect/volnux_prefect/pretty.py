"""Writing calls and tuples the way that Black and Ruff format them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["WIDTH", "Brackets", "call", "row"]

WIDTH = 88


class Brackets(NamedTuple):
    """Something in parentheses with commas: a call, or a tuple.

    Attributes:
        head: what stands before the opening one.
        items: what stands inside.
        is_tuple: a tuple has a line for each item as soon as it has several lines.
    """

    head: str
    items: Sequence[str | Brackets]
    is_tuple: bool = False

    def flat(self) -> str:
        """The text in one line."""
        inner = self._inner()
        return f"{self.head}({inner},)" if self._lonely() else f"{self.head}({inner})"

    def lines(self, indent: str, prefix: str = "", suffix: str = "") -> Iterator[str]:
        """The text, in several lines where one is too long."""
        one = f"{indent}{prefix}{self.flat()}{suffix}"
        if len(one) <= WIDTH or not self.items:
            yield one
            return
        yield f"{indent}{prefix}{self.head}("
        inside = indent + "    "
        inner = self._inner()
        if not self.is_tuple and len(inside) + len(inner) <= WIDTH:
            yield inside + inner
        else:
            for item in self.items:
                if isinstance(item, Brackets):
                    yield from item.lines(inside, suffix=",")
                else:
                    yield f"{inside}{item},"
        yield f"{indent}){suffix}"

    def _inner(self) -> str:
        return ", ".join(i.flat() if isinstance(i, Brackets) else i for i in self.items)

    def _lonely(self) -> bool:
        return self.is_tuple and len(self.items) == 1


def call(head: str, suffix: str, items: Sequence[str | Brackets]) -> Iterator[str]:
    """The lines of a call, whose head may begin with white space."""
    indent = head[: len(head) - len(head.lstrip())]
    return Brackets(head.lstrip(), items).lines(indent, suffix=suffix)


def row(head: str, items: Sequence[str]) -> Iterator[str]:
    """The lines of a tuple."""
    return Brackets(head, items, is_tuple=True).lines("")

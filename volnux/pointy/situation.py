"""Where a parse is when a word does not fit, and the names of words in messages."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from volnux.errors import Span
from volnux.pointy.lexer import SIGNS, Token
from volnux.pointy.report import clip

__all__ = ["Finding", "Situation", "Told", "listed", "word_of"]

Told = tuple[str, str, str | None]
"""A code, a message and a hint."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where the parse is when a word does not fit.

    `before` has the words of the flow before it, the nearest first, and `coming` the next two.
    `openers` has the brackets around it, the innermost first, as far as recovery looks. `unclosed`
    is their total number at the end of the text. `in_list` says whether the innermost bracket is in
    a value.
    """

    found: Token
    before: tuple[Token, ...]
    coming: tuple[Token, ...]
    expected: frozenset[str]
    openers: tuple[Token, ...]
    unclosed: int = 0
    in_list: bool = False

    @property
    def previous(self) -> Token | None:
        """The word just before, None at the start of the flow."""
        return self.before[0] if self.before else None

    @property
    def after(self) -> Token | None:
        """The word just after, None at the end of the text."""
        return self.coming[0] if self.coming else None

    @property
    def behind(self) -> str:
        """Which word the faulty word follows, for a message."""
        return f"after {word_of(self.previous)}" if self.previous else "at the start of the flow"


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic in the making."""

    code: str
    message: str
    hint: str | None
    span: Span


@functools.lru_cache(maxsize=256)
def listed(types: frozenset[str]) -> str:
    """The types of words that may come next, in a message."""
    order = ("ARROW", "PIPE", "PARALLEL", "COMMA")
    known = sorted(types, key=lambda t: order.index(t) if t in order else len(order))
    words = [f"'{SIGNS[t]}'" if t in SIGNS else f"a {t.lower()}" for t in known]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def word_of(token: Token | None) -> str:
    """The name of a token in a message."""
    if token is None:
        return "nothing"
    match token.type:
        case "$end":
            return "the end of the file"
        case "NUMBER":
            return f"the number {clip(token.text)}"
        case "STRING":
            return f"the string {clip(token.text)}"
        case "DIRECTIVE":
            return f"the directive '{clip(token.text.split(':')[0].strip())}'"
        case _:
            return f"'{clip(token.text)}'"

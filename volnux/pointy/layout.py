"""Turns a row of texts and possible line breaks into lines, together with the comments.

A section stays on one line if it fits and contains no comment. Nothing is recursive: time and
memory are linear in the length of the row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from volnux.errors import Span
from volnux.pointy.tree import Comment

__all__ = ["WIDTH", "Bracket", "Item", "Layout", "Line", "Place", "Text", "gap", "start"]

WIDTH = 88
"""The maximum width of a line of a flow, without the comment after it."""

_INDENT = "  "
_DEEPEST = 20
"""The level at which indentation stops growing."""

Place = tuple[int, int]
"""A line and a column of the text that was parsed."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words that stay together, and the position of the first one."""

    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A possible line break: `flat` if the line is not broken here; else `broken`, then a break.

    `level` is the indentation of the next line, `comments` that of comments before it.
    """

    flat: str
    level: int
    comments: int
    broken: str = ""


class Bracket(Enum):
    """The start or end of a section in which the line is broken everywhere or nowhere."""

    OPEN = "open"
    CLOSE = "close"


Item = Text | Line | Bracket


def start(span: Span) -> Place:
    """The position of the first character of a span."""
    return span.line, span.column


def gap(line_before: int | None, line: int) -> list[str]:
    """An empty line, if there was anything between the two lines."""
    return [""] if line_before is not None and line > line_before + 1 else []


@dataclass(slots=True)
class _Notes:
    """The comments of a flow: after a text, before an item, and around the whole flow."""

    behind: dict[int, list[Comment]] = field(default_factory=dict)
    before: dict[int, list[Comment]] = field(default_factory=dict)
    head: list[Comment] = field(default_factory=list)
    tail: list[Comment] = field(default_factory=list)


class Layout:
    """Lays out one flow; `span` is its position in the text that was parsed."""

    def __init__(self, items: Sequence[Item], span: Span, comments: Sequence[Comment]) -> None:
        self._items = items
        self._first_line = span.line
        self._last_line = span.end_line
        self._measure()
        self._notes = self._attach(comments)
        self._count_forced()
        self._lines: list[str] = []
        self._words: list[str] = []
        self._column = 0
        self._pending: list[Comment] = []

    def lines(self) -> list[str]:
        """The lines of the flow, its comments included."""
        self._head()
        flat: list[bool] = []
        for index, item in enumerate(self._items):
            match item:
                case Bracket.OPEN:
                    flat.append((bool(flat) and flat[-1]) or self._fits(index))
                case Bracket.CLOSE:
                    flat.pop()
                case Text(text):
                    self._write(text)
                    self._pending += self._notes.behind.get(index, ())
                case Line():
                    if flat[-1]:
                        self._write(item.flat)
                    else:
                        self._break(item, self._notes.before.get(index, ()))
        self._tail()
        return self._lines

    def _measure(self) -> None:
        """Compute widths, the partner of each bracket, and the break before and after each item."""
        items = self._items
        size = len(items)
        self._sums = [0] * (size + 1)
        self._closes: dict[int, int] = {}
        self._line_before = [-1] * size
        self._line_after = [size] * (size + 1)
        opened: list[int] = []
        seen = -1
        for index, item in enumerate(items):
            width = 0
            match item:
                case Text(text):
                    width = len(text)
                case Line(text):
                    width = len(text)
                    seen = index
                case Bracket.OPEN:
                    opened.append(index)
                case Bracket.CLOSE:
                    self._closes[opened.pop()] = index
            self._sums[index + 1] = self._sums[index] + width
            self._line_before[index] = seen
        following = size
        for index in range(size - 1, -1, -1):
            self._line_after[index] = following
            if isinstance(items[index], Line):
                following = index

    def _attach(self, comments: Sequence[Comment]) -> _Notes:
        """Give each comment to the word that it follows, or to the line that it precedes."""
        notes = _Notes()
        if not comments:
            return notes
        words = sorted(
            (item.place, index)
            for index, item in enumerate(self._items)
            if isinstance(item, Text) and item.place
        )
        for comment in comments:
            following = bisect_left(words, (start(comment.span), -1))
            if not comment.alone and following:
                notes.behind.setdefault(words[following - 1][1], []).append(comment)
            elif following == len(words):
                notes.tail.append(comment)
            else:
                line = self._line_before[words[following][1]]
                (notes.head if line < 0 else notes.before.setdefault(line, [])).append(comment)
        return notes

    def _count_forced(self) -> None:
        """Compute running sums of the line breaks that comments force."""
        forced = {self._line_after[index] for index in self._notes.behind}
        forced.update(self._notes.before)
        self._forced = [0] * (len(self._items) + 1)
        for index in range(len(self._items)):
            self._forced[index + 1] = self._forced[index] + (index in forced)

    def _fits(self, index: int) -> bool:
        """Whether the section that opens here fits on the line, with what must follow it."""
        end = self._closes[index]
        if self._forced[end] > self._forced[index]:
            return False
        following = self._line_after[end]
        width = self._sums[following] - self._sums[index]
        if following < len(self._items):
            line = self._items[following]
            assert isinstance(line, Line)
            width += len(line.broken)
        return self._column + width <= WIDTH

    # Output.

    def _write(self, text: str) -> None:
        self._words.append(text)
        self._column += len(text)

    def _break(self, line: Line, comments: Sequence[Comment]) -> None:
        self._words.append(line.broken)
        indent = _INDENT * min(line.comments, _DEEPEST)
        self._end_line(indent)
        line_before = None
        for comment in comments:
            self._lines += gap(line_before, comment.span.line)
            self._lines.append(indent + comment.text)
            line_before = comment.span.line
        indent = _INDENT * min(line.level, _DEEPEST)
        self._words.append(indent)
        self._column = len(indent)

    def _end_line(self, indent: str) -> None:
        """Finish a line with the comment after it; a second comment gets its own line."""
        pending, self._pending = self._pending, []
        if pending:
            self._words.append(f"  {pending[0].text}")
        self._lines.append("".join(self._words))
        self._words.clear()
        self._lines += [indent + comment.text for comment in pending[1:]]

    def _head(self) -> None:
        line_before = None
        for comment in self._notes.head:
            self._lines += gap(line_before, comment.span.line)
            self._lines.append(comment.text)
            line_before = comment.span.line
        self._lines += gap(line_before, self._first_line)

    def _tail(self) -> None:
        self._end_line("")
        line_before = self._last_line
        for comment in self._notes.tail:
            self._lines += gap(line_before, comment.span.line)
            self._lines.append(comment.text)
            line_before = comment.span.line

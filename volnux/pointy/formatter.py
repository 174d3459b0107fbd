"""One way to write each `.pty` text: what `volnux fmt` prints.

The tree becomes a row of texts and possible line breaks; a section stays on one line if it fits and
contains no comment. All of it is loops: cost and memory are linear in the length of the text,
however deep it is nested.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from volnux.errors import Span
from volnux.pointy.parser import PointyFile, parse
from volnux.pointy.strings import quote
from volnux.pointy.tree import (
    Branch,
    Comment,
    Directive,
    Event,
    Flow,
    Group,
    Option,
    Parallel,
    Unit,
)

__all__ = ["WIDTH", "format_file", "format_text"]

WIDTH = 88
"""The maximum width of a line of a flow, without the comment after it."""

_INDENT = "  "
_DEEPEST = 20
"""The level at which indentation stops growing."""


def format_text(text: str, filename: str = "<string>") -> str:
    """The text of a `.pty` file in the style of `format_file`.

    Raises:
        PointyError: as `volnux.pointy.parse`.
    """
    return format_file(parse(text, filename))


def format_file(file: PointyFile) -> str:
    """The formatted text of a parsed file, with all its comments.

    Parsing the result gives an equal file, and formatting it again gives the same text.
    """
    last = file.directives[-1].span.line if file.directives else 0
    count = bisect_left(file.comments, last + 1, key=lambda comment: comment.span.line)
    head = list(_format_directives(file.directives, file.comments[:count]))
    flow = _Layout(file.flow, file.comments[count:]).lines()
    return "\n".join([*head, *([""] if head else []), *flow, ""])


# Directives.


def _format_directives(
    directives: Sequence[Directive], comments: Sequence[Comment]
) -> Iterator[str]:
    """The lines of the directives and of the comments between them."""
    position = 0
    line_before = None
    for directive in directives:
        line = directive.span.line
        while position < len(comments) and comments[position].span.line < line:
            comment = comments[position]
            yield from _gap(line_before, comment.span.line)
            yield comment.text
            line_before = comment.span.line
            position += 1
        if position and comments[position - 1].span.line == line_before:
            yield from _gap(line_before, line)
        text = f"@{directive.name}: {directive.value}"
        if position < len(comments) and comments[position].span.line == line:
            text += f"  {comments[position].text}"
            position += 1
        yield text
        line_before = line


def _gap(line_before: int | None, line: int) -> list[str]:
    """The empty line between two lines that did not follow one another."""
    return [""] if line_before is not None and line > line_before + 1 else []


# The flow as a row of items.

_Place = tuple[int, int]
"""A line and a column of the text that was parsed."""


@dataclass(frozen=True, slots=True)
class _Text:
    """Words that stay together, and the position of the first one."""

    text: str
    place: _Place | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """A place where the line may break: `flat` stands there if not, `broken` before it if so.

    `level` is the indentation of the next line, `comments` that of comments before it.
    """

    flat: str
    level: int
    comments: int
    broken: str = ""


class _Bracket(Enum):
    """The start and the end of a section that is broken at all its places or at none."""

    OPEN = "open"
    CLOSE = "close"


_Item = _Text | _Line | _Bracket
_Node = Flow | Parallel | Unit | Group | Option | Branch


def _items(flow: Flow) -> list[_Item]:
    """The row of a flow."""
    items: list[_Item] = []
    jobs: list[_Item | tuple[_Node, int]] = [(flow, 0)]
    while jobs:
        job = jobs.pop()
        if isinstance(job, tuple):
            jobs.extend(reversed(_expand(*job)))
        else:
            items.append(job)
    return items


def _expand(node: _Node, level: int) -> list[_Item | tuple[_Node, int]]:
    """What a node consists of; `level` is the indentation of the line that it stands on."""
    match node:
        case Flow():
            return _row(node.parts, [f"{arrow} " for arrow in node.arrows], level)
        case Parallel():
            return _row(node.arms, ["|| "] * (len(node.arms) - 1), level)
        case Unit():
            return _unit(node, level)
        case Group():
            body = _Text("{", _start(node.span)), _Text("}", _end(node.span))
            return _brackets(body[0], [(node.body, level + 1)], body[1], level)
        case Option():
            return [_Text(f"{node.name}={_literal(node)}", _start(node.span))]
        case Branch():
            text = _Text(f"{node.descriptor} {node.arrow} ", _start(node.span))
            return [text, (node.flow, level)]


def _row(
    nodes: Sequence[_Node], signs: Sequence[str], level: int
) -> list[_Item | tuple[_Node, int]]:
    """Nodes with a sign before each but the first, broken before each sign."""
    if len(nodes) == 1:
        return [(nodes[0], level)]
    row: list[_Item | tuple[_Node, int]] = [_Bracket.OPEN, (nodes[0], level)]
    for sign, node in zip(signs, nodes[1:], strict=True):
        row += [_Line(" ", level + 1, level + 1), _Text(sign), (node, level + 1)]
    row.append(_Bracket.CLOSE)
    return row


def _unit(unit: Unit, level: int) -> list[_Item | tuple[_Node, int]]:
    row: list[_Item | tuple[_Node, int]] = []
    if isinstance(unit.primary, Event):
        row.append(_Text(unit.primary.name, _start(unit.primary.span)))
    else:
        row.append((unit.primary, level))
    if unit.retry:
        row.append(_Text(f" * {unit.retry.attempts}", _start(unit.retry.span)))
    if unit.options:
        span = unit.options_span or unit.span
        row += _list(_Text("[", _start(span)), unit.options, _Text("]", _end(span)), level)
    if unit.branches:
        span = unit.branches_span or unit.span
        row += _list(_Text(" (", _start(span)), unit.branches, _Text(")", _end(span)), level)
    return row


def _list(
    opener: _Text, nodes: Sequence[Option] | Sequence[Branch], closer: _Text, level: int
) -> list[_Item | tuple[_Node, int]]:
    body: list[_Item | tuple[_Node, int]] = []
    for node in nodes:
        if body:
            body += [_Text(","), _Line(" ", level + 1, level + 1)]
        body.append((node, level + 1))
    return _brackets(opener, body, closer, level, comma=",")


def _brackets(
    opener: _Text,
    body: list[_Item | tuple[_Node, int]],
    closer: _Text,
    level: int,
    *,
    comma: str = "",
) -> list[_Item | tuple[_Node, int]]:
    first, last = _Line("", level + 1, level + 1), _Line("", level, level + 1, comma)
    return [_Bracket.OPEN, opener, first, *body, last, closer, _Bracket.CLOSE]


def _start(span: Span) -> _Place:
    return span.line, span.column


def _end(span: Span) -> _Place:
    """The position of the closing bracket of a span."""
    return span.end_line, span.end_column - 1


def _literal(option: Option) -> str:
    value = option.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    if option.bare:
        return value
    return quote(value)


# The row as lines.


@dataclass(slots=True)
class _Notes:
    """The comments of a flow: at the end of a text, on lines before an item, around it all."""

    behind: dict[int, list[Comment]] = field(default_factory=dict)
    before: dict[int, list[Comment]] = field(default_factory=dict)
    head: list[Comment] = field(default_factory=list)
    tail: list[Comment] = field(default_factory=list)


class _Layout:
    """One flow on its way to lines."""

    def __init__(self, flow: Flow, comments: Sequence[Comment]) -> None:
        self._items = _items(flow)
        self._first_line = flow.span.line
        self._last_line = flow.span.end_line
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
                case _Bracket.OPEN:
                    flat.append((bool(flat) and flat[-1]) or self._fits(index))
                case _Bracket.CLOSE:
                    flat.pop()
                case _Text(text):
                    self._write(text)
                    self._pending += self._notes.behind.get(index, ())
                case _Line():
                    if flat[-1]:
                        self._write(item.flat)
                    else:
                        self._break(item, self._notes.before.get(index, ()))
        self._tail()
        return self._lines

    def _measure(self) -> None:
        """Sums of widths, the partner of each bracket, the break before and after each item."""
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
                case _Text(text):
                    width = len(text)
                case _Line(text):
                    width = len(text)
                    seen = index
                case _Bracket.OPEN:
                    opened.append(index)
                case _Bracket.CLOSE:
                    self._closes[opened.pop()] = index
            self._sums[index + 1] = self._sums[index] + width
            self._line_before[index] = seen
        following = size
        for index in range(size - 1, -1, -1):
            self._line_after[index] = following
            if isinstance(items[index], _Line):
                following = index

    def _attach(self, comments: Sequence[Comment]) -> _Notes:
        """Give each comment to the word that it follows, or to the line that it precedes."""
        notes = _Notes()
        if not comments:
            return notes
        words = sorted(
            (item.place, index)
            for index, item in enumerate(self._items)
            if isinstance(item, _Text) and item.place
        )
        for comment in comments:
            following = bisect_left(words, (_start(comment.span), -1))
            if not comment.alone and following:
                notes.behind.setdefault(words[following - 1][1], []).append(comment)
            elif following == len(words):
                notes.tail.append(comment)
            else:
                line = self._line_before[words[following][1]]
                (notes.head if line < 0 else notes.before.setdefault(line, [])).append(comment)
        return notes

    def _count_forced(self) -> None:
        """Sums of the places that a comment forces to break."""
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
            assert isinstance(line, _Line)
            width += len(line.broken)
        return self._column + width <= WIDTH

    # Output.

    def _write(self, text: str) -> None:
        self._words.append(text)
        self._column += len(text)

    def _break(self, line: _Line, comments: Sequence[Comment]) -> None:
        self._words.append(line.broken)
        indent = _INDENT * min(line.comments, _DEEPEST)
        self._end_line(indent)
        line_before = None
        for comment in comments:
            self._lines += _gap(line_before, comment.span.line)
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
            self._lines += _gap(line_before, comment.span.line)
            self._lines.append(comment.text)
            line_before = comment.span.line
        self._lines += _gap(line_before, self._first_line)

    def _tail(self) -> None:
        self._end_line("")
        line_before = self._last_line
        for comment in self._notes.tail:
            self._lines += _gap(line_before, comment.span.line)
            self._lines.append(comment.text)
            line_before = comment.span.line

"""The formatter of `.pty` texts, which `volnux fmt` uses.

The tree becomes a row of texts and possible line breaks; a section stays on one line if it fits and
contains no comment. Nothing is recursive: time and memory are linear in the length of the text,
however deeply it is nested.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise

from volnux.errors import Source, Span
from volnux.pointy.layout import WIDTH, Bracket, Item, Layout, Line, Place, Text, gap, start
from volnux.pointy.lexer import Lexer
from volnux.pointy.parser import PointyFile, parse
from volnux.pointy.recovery import CLOSERS
from volnux.pointy.report import Report
from volnux.pointy.strings import quote
from volnux.pointy.tree import (
    Argument,
    Branch,
    Comment,
    Directive,
    Event,
    Fail,
    Flow,
    Group,
    Literal,
    Name,
    Option,
    Parallel,
    Unit,
    Used,
)

__all__ = ["WIDTH", "format_file", "format_text"]


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
    items = _items(file.flow, file.source)
    flow = Layout(items, file.flow.span, file.comments[count:]).lines()
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
            yield from gap(line_before, comment.span.line)
            yield comment.text
            line_before = comment.span.line
            position += 1
        if position and comments[position - 1].span.line == line_before:
            yield from gap(line_before, line)
        text = f"@{directive.name}: {directive.value}"
        if position < len(comments) and comments[position].span.line == line:
            text += f"  {comments[position].text}"
            position += 1
        yield text
        line_before = line


# The flow as a row of items.

_Node = Flow | Parallel | Unit | Group | Option | Branch | Argument


def _items(flow: Flow, source: Source) -> list[Item]:
    """The items of a flow."""
    items: list[Item] = []
    jobs: list[Item | tuple[_Node, int]] = [(flow, 0)]
    while jobs:
        job = jobs.pop()
        if isinstance(job, tuple):
            jobs.extend(reversed(_expand(*job, source)))
        else:
            items.append(job)
    return items


def _expand(node: _Node, level: int, source: Source) -> list[Item | tuple[_Node, int]]:
    """What a node consists of; `level` is the indentation of the line that it stands on."""
    match node:
        case Flow():
            return _row(node.parts, [f"{arrow} " for arrow in node.arrows], level)
        case Parallel():
            return _row(node.arms, ["|| "] * (len(node.arms) - 1), level)
        case Unit():
            return _unit(node, level)
        case Group():
            body = Text("{", start(node.span)), Text("}", _end(node.span))
            return _brackets(body[0], [(node.body, level + 1)], body[1], level)
        case Option():
            value = str(node.value) if node.bare and isinstance(node.value, str) else None
            return [Text(f"{node.name}={value or _literal(node.value)}", start(node.span))]
        case Argument():
            return _argument(node, level, source)
        case Branch():
            text = Text(f"{node.descriptor} {node.arrow} ", start(node.span))
            return [text, (node.flow, level)]


def _row(
    nodes: Sequence[_Node], signs: Sequence[str], level: int
) -> list[Item | tuple[_Node, int]]:
    """Nodes with a sign between them, and a possible line break before each sign."""
    if len(nodes) == 1:
        return [(nodes[0], level)]
    row: list[Item | tuple[_Node, int]] = [Bracket.OPEN, (nodes[0], level)]
    for sign, node in zip(signs, nodes[1:], strict=True):
        row += [Line(" ", level + 1, level + 1), Text(sign), (node, level + 1)]
    row.append(Bracket.CLOSE)
    return row


def _unit(unit: Unit, level: int) -> list[Item | tuple[_Node, int]]:
    row: list[Item | tuple[_Node, int]] = []
    match unit.primary:
        case (
            Event(name=name, span=span, arguments=arguments, arguments_span=around)
            | Used(name=name, span=span, arguments=arguments, arguments_span=around)
        ):
            row.append(Text(name, start(span)))
            if arguments and around:
                row += _list(Text("(", start(around)), arguments, Text(")", _end(around)), level)
        case Fail(span=span):
            row.append(Text("!", start(span)))
        case Group():
            row.append((unit.primary, level))
    if unit.retry:
        row.append(Text(f" * {unit.retry.attempts}", start(unit.retry.span)))
    if unit.options:
        span = unit.options_span or unit.span
        row += _list(Text("[", start(span)), unit.options, Text("]", _end(span)), level)
    if unit.branches:
        span = unit.branches_span or unit.span
        row += _list(Text(" (", start(span)), unit.branches, Text(")", _end(span)), level)
    return row


def _list(
    opener: Text,
    nodes: Sequence[Option] | Sequence[Branch] | Sequence[Argument],
    closer: Text,
    level: int,
) -> list[Item | tuple[_Node, int]]:
    body: list[Item | tuple[_Node, int]] = []
    for node in nodes:
        if body:
            body += [Text(","), Line(" ", level + 1, level + 1)]
        body.append((node, level + 1))
    return _brackets(opener, body, closer, level, comma=",")


def _brackets(
    opener: Text,
    body: list[Item | tuple[_Node, int]],
    closer: Text,
    level: int,
    *,
    comma: str = "",
) -> list[Item | tuple[_Node, int]]:
    first, last = Line("", level + 1, level + 1), Line("", level, level + 1, comma)
    return [Bracket.OPEN, opener, first, *body, last, closer, Bracket.CLOSE]


def _end(span: Span) -> Place:
    """The position of the closing bracket of a span."""
    return span.end_line, span.end_column - 1


def _literal(value: Literal | Name | None) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value)
        case Name(name=name):
            return name
        case _:
            return repr(value)


def _argument(argument: Argument, level: int, source: Source) -> list[Item | tuple[_Node, int]]:
    place = start(argument.span)
    if not isinstance(argument.value, list | dict):
        return [Text(f"{argument.name}={_literal(argument.value)}", place)]
    return [Text(f"{argument.name}=", place), *_value(argument.value_span, level, source)]


def _value(span: Span, level: int, source: Source) -> Iterator[Item]:
    """The items of a list or an object, from its tokens: the tree has no positions for them."""
    lines = [source.line(number) for number in range(span.line, span.end_line + 1)]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    words = list(Lexer(Report(Source("\n".join(lines)))))
    empty = False
    for word, following in pairwise(words):
        ahead = span.column - 1 if word.line == 1 else 0
        place = span.line + word.line - 1, word.column + ahead
        if word.type in CLOSERS:
            empty = following.type == CLOSERS[word.type]
            if empty:
                yield Text(word.text, place)
                continue
            level += 1
            yield from (Bracket.OPEN, Text(word.text, place), Line("", level, level))
        elif word.type in CLOSERS.values():
            if not empty:
                level -= 1
                yield Line("", level, level + 1, ",")
            yield Text(word.text, place)
            if not empty:
                yield Bracket.CLOSE
            empty = False
        elif word.type == "COMMA":
            if following.type not in CLOSERS.values():
                yield from (Text(","), Line(" ", level, level))
        elif word.type == "COLON":
            yield Text(": ")
        else:
            yield Text(word.text if word.type == "NAME" else _literal(word.value), place)

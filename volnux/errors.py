"""Errors and diagnostics: what went wrong, where, what was expected, what to do.

Every error that a user can cause becomes a `Diagnostic` with a position in a file, or a
`VolnuxError`. This module does not depend on the language, the graph or a backend.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "MOST_FOUND",
    "MOST_SHOWN",
    "Diagnostic",
    "PointyError",
    "PointySyntaxError",
    "Severity",
    "Source",
    "Span",
    "VolnuxError",
    "in_order",
    "most_shown",
    "nearest",
    "pointy_error",
    "shortened",
    "visible",
]


class VolnuxError(Exception):
    """Base of every error that volnux raises on purpose."""


class Span(NamedTuple):
    """A range of source text; lines and columns count from 1, and the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """The range from the start of this span to the end of `other`."""
        return Span(self.line, self.column, other.end_line, other.end_column)


class Source:
    """A text with a name for display; converts offsets into lines and columns.

    As in Python, lines end at LF, CR LF or a single CR. A byte order mark does not count as a
    column.
    """

    __slots__ = ("_lines", "_starts", "filename", "text")

    def __init__(self, text: str, filename: str = "<string>") -> None:
        self.text = text
        self.filename = filename
        self._starts: list[int] | None = None
        self._lines: dict[int, str] = {}

    def __reduce__(self) -> tuple[type[Source], tuple[str, str]]:
        return Source, (self.text, self.filename)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Source)
            and self.text == other.text
            and self.filename == other.filename
        )

    def __hash__(self) -> int:
        return hash((self.text, self.filename))

    def __repr__(self) -> str:
        return f"Source(filename={self.filename!r}, {len(self.text)} characters)"

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            starts = [1 if self.text.startswith("\ufeff") else 0]
            starts.extend(match.end() for match in _LINE_BREAK.finditer(self.text))
            self._starts = starts
        return self._starts

    def span(self, start: int, end: int) -> Span:
        """The span of the characters from offset `start` up to but not including `end`."""
        starts = self._line_starts()
        first = bisect_right(starts, start)
        last = first
        if last < len(starts) and end >= starts[last]:
            last = bisect_right(starts, end)
        return Span(first, start - starts[first - 1] + 1, last, end - starts[last - 1] + 1)

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its line break; empty past the end."""
        starts = self._line_starts()
        if not 1 <= number <= len(starts):
            return ""
        # Many diagnostics in one long line share one copy of it.
        if number not in self._lines:
            end = starts[number] if number < len(starts) else len(self.text)
            self._lines[number] = self.text[starts[number - 1] : end].rstrip("\r\n")
        return self._lines[number]


_LINE_BREAK = re.compile(r"\r\n?|\n")


class Severity(StrEnum):
    """The severity of a diagnostic: only an error makes a file unusable."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_SHOWN = 100
"""The number of columns of a source line that a rendered diagnostic shows around its caret."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One diagnostic about a file: a stable code, a message, a position, a hint.

    `syntax` is true if the text violates the grammar, and false if it violates a rule about names
    or meaning. `text` is the source line in which `span` begins.
    """

    code: str
    message: str
    file: str
    span: Span | None = None
    hint: str | None = None
    severity: Severity = Severity.ERROR
    text: str | None = None
    syntax: bool = False

    @property
    def where(self) -> str:
        """`file:line:column`, or only the file if there is no position."""
        if self.span is None:
            return self.file
        return f"{self.file}:{self.span.line}:{self.span.column}"

    def render(self) -> str:
        """The diagnostic as readable text: position, message, source line with a caret, hint."""
        parts = [visible(f"{self.where}: {self.severity}: {self.message}")]
        if self.span is not None and self.text is not None:
            parts.append(_excerpt(self.text, self.span))
        if self.hint:
            parts.append(visible(f"  hint: {self.hint}"))
        return "\n".join(parts)

    def to_json(self) -> dict[str, object]:
        """The diagnostic as `volnux check --json` prints it."""
        span = self.span
        return {
            "file": self.file,
            "line": span.line if span else None,
            "column": span.column if span else None,
            "end_column": span.end_column if span else None,
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
        }


def _excerpt(text: str, span: Span) -> str:
    """The source line with a caret under the span, cut to a readable width."""
    if "://" in text and "@" in text:
        # Hide a password in a URL; the length stays the same, so that the caret stays in place.
        text = _USERINFO.sub(lambda match: "*" * len(match[0]), text)
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(text)
    left = max(0, start - _SHOWN // 2) if len(text) > _SHOWN else 0
    right = left + _SHOWN
    shown = "".join(map(_printable, text[left:right]))
    before, after = ("…" if left else ""), ("…" if right < len(text) else "")
    # Keep tabs before the caret, so that it is below its character.
    margin = "".join(c if c == "\t" else " " * _width(c) for c in shown[: start - left])
    width = max(1, sum(map(_width, shown[start - left : end - left])))
    number = str(span.line)
    return (
        f"  {number} | {before}{shown}{after}\n"
        f"  {' ' * len(number)} | {' ' * len(before)}{margin}{'^' * width}"
    )


_USERINFO = re.compile(r"(?<=://)[^\s\"'<>]*(?=@)")


def _printable(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return " " if character.isspace() else "�"


def _width(character: str) -> int:
    """The number of terminal columns of a character."""
    if character.isascii():
        return 1
    import unicodedata

    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class PointyError(VolnuxError):
    """A `.pty` text has an error in its names or its meaning.

    Attributes are those of `SyntaxError`: `filename`, `lineno`, `offset` (column from 1),
    `end_lineno`, `end_offset`, `text`, `msg`; and `diagnostics`, everything found in the file,
    in the order of the text. The attributes describe the first error, in a `PointySyntaxError` the
    first that breaks the grammar.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [d for d in diagnostics if d.severity is Severity.ERROR]
        first = errors[0]
        if isinstance(self, SyntaxError):
            first = next((d for d in errors if d.syntax), first)
        super().__init__(first.message)
        self.diagnostics = tuple(diagnostics)
        self.msg = first.message
        self.filename: str | None = first.file
        self.text = first.text
        span = first.span
        self.lineno = span.line if span else None
        self.offset = span.column if span else None
        self.end_lineno = span.end_line if span else None
        self.end_offset = span.end_column if span else None

    def __str__(self) -> str:
        errors = (d for d in self.diagnostics if d.severity is Severity.ERROR)
        shown, left_out = most_shown(errors)
        return "\n".join([*(d.render() for d in shown), *left_out])

    def __reduce__(self) -> tuple[type[PointyError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)


class PointySyntaxError(PointyError, SyntaxError):
    """A text does not match the grammar of Pointy."""


def pointy_error(diagnostics: Iterable[Diagnostic]) -> PointyError:
    """The error for diagnostics, sorted by position in each file; at least one must be an error.

    It is a `PointySyntaxError` if any of them violates the grammar, and describes the first of
    those; otherwise it is a `PointyError`.
    """
    ordered = in_order(diagnostics)
    if any(d.syntax and d.severity is Severity.ERROR for d in ordered):
        return PointySyntaxError(ordered)
    return PointyError(ordered)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics by their position; files keep the order of their first diagnostics."""
    found = list(diagnostics)
    files = {file: number for number, file in enumerate(dict.fromkeys(d.file for d in found))}
    return sorted(found, key=lambda d: (files[d.file], d.span or (0, 0, 0, 0)))


MOST_SHOWN = 20
"""The maximum number of errors, and of warnings, that are shown for one file."""

MOST_FOUND = 1000
"""The maximum number of errors that are searched for in one file."""


def most_shown(found: Iterable[Diagnostic]) -> tuple[list[Diagnostic], list[str]]:
    """The diagnostics to show, and a line for each file that has more.

    After the first 20 errors and the first 20 warnings of a file, the rest is only counted.
    """
    counts: dict[tuple[str, Severity], int] = {}
    shown = []
    for each in found:
        key = (each.file, each.severity)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= MOST_SHOWN:
            shown.append(each)
    left_out = []
    for (file, severity), count in counts.items():
        if count > MOST_SHOWN:
            more = count - MOST_SHOWN
            known = "at least " if count >= MOST_FOUND else ""
            text = f"{file}: … and {known}{more} more {severity}{'' if more == 1 else 's'}"
            left_out.append(visible(text))
    return shown, left_out


def nearest(name: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """The names in `known` that are most similar to `name`, the best first.

    `cutoff` is the required similarity, from 0 to 1.
    """
    import difflib

    folded: dict[str, list[str]] = {}
    for candidate in dict.fromkeys(known):
        folded.setdefault(candidate.casefold(), []).append(candidate)
    wanted = name.casefold()
    close = difflib.get_close_matches(
        wanted, [w for w in folded if w != wanted], n=most, cutoff=cutoff
    )
    return [c for word in (wanted, *close) for c in folded.get(word, ())][:most]


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint about a name that is not in `known`: the nearest name there, or another text."""
    close = nearest(name, known, most=1)
    return f"did you mean '{close[0]}'?" if close else otherwise


# Characters that control a terminal, reorder the text around them, or count as line ends. Line feed
# and tab are allowed.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef]"
)


def visible(text: str) -> str:
    r"""A text that is safe to display: control characters become escapes (`\x1b`, `\u009b`).

    All text of users that a terminal or a log shows goes through here. JSON remains JSON with the
    same value.
    """
    return text if text.isprintable() else _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    # JSON has no \x escape, and these characters never occur unescaped in JSON.
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


def shortened(text: str, most: int = 200) -> str:
    """The first line of a text, cut to a readable width and safe to display."""
    # A text may be much longer than the part that is shown, so it is cut first.
    start = text[: most * 20].strip()
    first, line_break, _ = start.partition("\n")
    if len(first) > most:
        return visible(first[: most - 1]) + "…"
    more = line_break or len(text) > most * 20
    return f"{visible(first)} …" if more else visible(first)

"""Turns text into tokens.

One regular expression classifies each word; every character belongs to exactly one match, so the
cost is linear for any text. Text that is nearly a Pointy operator (`=>`, `|`) is reported and
read as that operator, so that one mistake is one error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from volnux.errors import Span
from volnux.pointy.report import Report, clip
from volnux.pointy.strings import ESCAPES, comment_start, unescape
from volnux.pointy.tree import Comment

__all__ = ["END", "SIGNS", "TOKENS", "UNKNOWN_HINTS", "Lexer", "Token"]

END = "$end"
"""The type of the token after the last word of a text."""

SIGNS = {
    "PIPE": "|->",
    "ARROW": "->",
    "PARALLEL": "||",
    "STAR": "*",
    "LPAREN": "(",
    "RPAREN": ")",
    "LBRACE": "{",
    "RBRACE": "}",
    "LBRACKET": "[",
    "RBRACKET": "]",
    "COMMA": ",",
    "EQUALS": "=",
    "COLON": ":",
    "FAIL": "!",
}
"""The token types that always have the same text, with that text."""

TOKENS = (*SIGNS, "NAME", "NUMBER", "STRING", "DIRECTIVE")


class Token(NamedTuple):
    """One word of the text; it never spans several lines.

    `value` is what a literal stands for, or None for a token that is not in the text. `fault` is
    true if an error in the word, or just before it, was already reported.
    """

    type: str
    text: str
    value: Any
    start: int
    line: int
    column: int
    fault: bool = False

    @property
    def span(self) -> Span:
        """The position of the token."""
        return Span(self.line, self.column, self.line, self.column + len(self.text))


_WORD = re.compile(
    r"""[^\S\r\n]*+(?:
      (?P<NAME>[^\W\d]\w*+(?:\.[^\W\d]\w*+)*+)
    | (?P<sign>\|->|->|\|\|(?![|>])|=(?!=*>)|[*(){}\[\],]|!(?!=))
    | (?P<newline>\r\n?|\n)
    | (?P<comment>\#[^\r\n]*)
    | (?P<NUMBER>[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?:[^\W\d]\w*+)?)
    | (?P<STRING>"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+")
    | (?P<DIRECTIVE>@[^\r\n]*)
    | (?P<near_pipe>\|=+>|\|--+>|\|+>|\|[→⇒⟶])
    | (?P<near_arrow>=+>|--+>|~>|>+|[→⇒⟶]|-+(?![0-9.>]))
    | (?P<near_parallel>\|+|&+)
    | (?P<broken_string>"[^"\]]*+"(?=\s*+[,\]]))
    | (?P<open_string>"[^\r\n\]]*)
    | (?P<other_quotes>'[^'\r\n]*'|[“”„«][^“”„«»\r\n]*[“”»])
    | (?P<other_comment>//[^\r\n]*|/\*[^\r\n]*?\*/|/\*[^\r\n]*)
    | (?P<unknown><[=-]*+|!=++|[;:.?/'“”„«»+]|[^\w\s"'@\#*(){}\[\],=|&~/+\-:<>;.!?“”„«»→⇒⟶]++|.)
    | \Z
    )""",
    re.VERBOSE | re.DOTALL,
)

_LINE_BREAK = re.compile(r"\r\n?|\n")
_BY_SIGN = {sign: type_ for type_, sign in SIGNS.items()}
_NEAR = {"near_pipe": "PIPE", "near_arrow": "ARROW", "near_parallel": "PARALLEL"}
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_MOST_DIGITS = 400
_NEAR_BY = 200
"""How many characters before a colon are searched to guess what it was meant to be."""

UNKNOWN_HINTS = {
    ";": "parts of a flow are joined by '->'; a line break has no meaning",
    ":": "only a directive has a colon: @name: value, on a line before the flow",
    "<": "arrows point to the right: '->'",
    ".": "a dotted name is written without spaces: billing.Charge",
    "!": "a choice is written with branches: A (0 -> B, 1 -> C); '!' alone fails the flow",
    "?": "a choice is written with branches: A (0 -> B, 1 -> C)",
    "/": 'a used file gets a name before the flow: @use: clean = "shared/clean.pty"',
    "'": 'strings are written in double quotes: "text"',
    "“": 'strings are written in plain double quotes: "text"',
    "”": 'strings are written in plain double quotes: "text"',
}


class Lexer:
    """One pass over the source of a report; faulty words go into the report.

    Iterating gives the tokens, the last of type `END`; `comments` grows as they are read.
    """

    def __init__(self, report: Report) -> None:
        self.comments: list[Comment] = []
        self._report = report
        self._token: Token | None = None
        self._earlier: Token | None = None
        self._line = 1
        self._line_start = 0
        self._fault = False

    def __iter__(self) -> Iterator[Token]:
        text = self._report.source.text
        bom = len(text) - len(text.removeprefix("\ufeff"))
        self._line_start = bom
        for match in _WORD.finditer(text, bom):
            kind = match.lastgroup
            if kind == "NAME" or kind == "sign":
                word = match[kind]
                start = match.end() - len(word)
                type_ = kind if kind == "NAME" else _BY_SIGN[word]
                column = start - self._line_start + 1
                token = Token(type_, word, word, start, self._line, column, self._fault)
                self._fault = False
                self._earlier, self._token = self._token, token
                if kind == "NAME" and not word.isascii():
                    self._foreign_name(word, start)
                yield token
            elif kind == "newline":
                self._line += 1
                self._line_start = match.end()
            elif kind is not None:
                word = match[kind]
                if "\0" in word and kind != "unknown":
                    self._nul(word, match.end() - len(word))
                made = _READERS[kind](self, kind, word, match.end() - len(word))
                if made is not None:
                    self._earlier, self._token = self._token, made
                    yield made
        yield self._end()

    def _end(self) -> Token:
        """The token after the last word, or after the last character of a text without words."""
        if self._token is None:
            end = len(self._report.source.text.rstrip())
            span = self._report.source.span(end, end)
            return Token(END, "", None, end, span.line, span.column, self._fault)
        last, length = self._token, len(self._token.text)
        start, column = last.start + length, last.column + length
        return Token(END, "", None, start, last.line, column, self._fault)

    def _nul(self, word: str, start: int) -> None:
        self._problem(
            "nul",
            "U+0000 is not allowed in a file, not even in a comment or a string",
            start + word.index("\0"),
            1,
            r"delete it; in the default of an input it is written \u0000",
        )
        self._fault = True

    # One method for each kind of word.

    def _comment(self, _: str, word: str, start: int) -> None:
        column = start - self._line_start + 1
        text = word.rstrip()
        span = Span(self._line, column, self._line, column + len(text))
        before = self._report.source.text[self._line_start : start]
        self.comments.append(Comment(text, span, not before.strip()))

    def _directive(self, _: str, word: str, start: int) -> Token:
        end = comment_start(word)
        if end < len(word):
            self._comment("comment", word[end:], start + end)
        return self._made("DIRECTIVE", word[:end].rstrip(), None, start)

    def _number(self, _: str, word: str, start: int) -> Token:
        value: float | None = None
        problem: tuple[str, str, str | None] | None = None
        if len(word) > _MOST_DIGITS:
            problem = ("bad-number", f"the number {clip(word)} is too long", None)
        else:
            try:
                if "_" in word:  # which Python would read as a number
                    raise ValueError(word)
                value = int(word) if word.lstrip("+-").isdigit() else float(word)
            except ValueError:
                self._problem(
                    "bad-name",
                    f"'{clip(word)}' is neither a number nor a name",
                    start,
                    len(word),
                    "a name cannot begin with a digit",
                )
                return self._made("NAME", word, word, start, fault=True)
            if word.lstrip("+-").startswith(".") or word.endswith("."):
                problem = (
                    "bad-number",
                    f"'{clip(word)}' is not a valid number",
                    "numbers are written like 3, -3 or 2.5",
                )
        if problem:
            self._problem(problem[0], problem[1], start, len(word), problem[2])
        return self._made("NUMBER", word, value, start, fault=problem is not None)

    def _string(self, _: str, word: str, start: int) -> Token:
        value, faults = unescape(word[1:-1])
        for first, end, message in faults:
            self._problem("bad-escape", message, start + 1 + first, end - first, ESCAPES)
        return self._made("STRING", word, value, start, fault=bool(faults))

    def _open_string(self, _: str, word: str, start: int) -> Token:
        word = word.rstrip()
        self._not_closed(word, start)
        return self._made("STRING", word, word[1:], start, fault=True)

    def _broken_string(self, _: str, word: str, start: int) -> Token:
        first = _LINE_BREAK.split(word, maxsplit=1)[0].rstrip()
        self._not_closed(first, start)
        token = self._made("STRING", first, first[1:], start, fault=True)
        for line_break in _LINE_BREAK.finditer(word):
            self._line += 1
            self._line_start = start + line_break.end()
        return token

    def _not_closed(self, word: str, start: int) -> None:
        self._problem(
            "unterminated-string",
            "this string is not closed before the end of its line",
            start,
            len(word),
            'close it with "; a line break inside a string is written \\n',
        )

    def _other_quotes(self, _: str, word: str, start: int) -> Token:
        inner = word[1:-1]
        if self._begins_value(start):
            hint = f'write "{clip(inner)}"'
        elif _IDENTIFIER.fullmatch(inner):
            hint = f"event names are written without quotes: {clip(inner)}"
        else:
            hint = None
        self._problem(
            "single-quotes",
            "a string is written in plain double quotes, and only as a value",
            start,
            len(word),
            hint,
        )
        return self._made("STRING", word, inner, start, fault=True)

    def _near(self, kind: str, word: str, start: int) -> Token:
        sign = SIGNS[_NEAR[kind]]
        hint = f"did you mean '{sign}'?"
        before = self._token
        joined = before and before.type == "NAME" and before.start + len(before.text) == start
        if word == "-" and joined:
            hint += " A name cannot contain a hyphen, but it may contain '_'"
        self._unknown_sign(word, start, hint)
        return self._made(_NEAR[kind], word, word, start, fault=True)

    def _other_comment(self, _: str, word: str, start: int) -> None:
        self._unknown_sign(word[:2], start, "comments begin with #")
        self._fault = True

    def _unknown(self, _: str, word: str, start: int) -> Token | None:
        before = self._token.type if self._token else None
        if word == ":" and before in ("NAME", "NUMBER", "STRING"):
            meant = self._meant_by_colon(before, start)
            if meant == "COLON":
                return self._made(meant, word, word, start)
            if meant:
                self._unknown_sign(word, start, f"did you mean '{SIGNS[meant]}'?")
                return self._made(meant, word, word, start, fault=True)
        hint = UNKNOWN_HINTS.get(word[0])
        if word == ":" and self._token is not None and self._token.type == "NAME":
            from volnux.pointy.foreign import use_hint

            hint = use_hint(self._token.text) or hint
        self._unknown_sign(word, start, hint)
        self._fault = True
        return None

    def _meant_by_colon(self, before: str, start: int) -> str | None:
        """The token type meant by `:` in `{"k": 1}`, `{k: 1}`, `[timeout: 30]` and `(0: X)`."""
        if before == "STRING":
            return "COLON"
        sign = self._earlier.type if self._earlier else None
        around = self._around(start)
        if around == "object" and sign in ("LBRACE", "COMMA"):
            return "COLON"
        if before == "NUMBER":
            return "ARROW" if sign in ("LPAREN", "COMMA") else None
        if sign in ("LBRACKET", "COMMA") or (sign == "LPAREN" and around == "arguments"):
            return "EQUALS"
        return None

    def _begins_value(self, start: int) -> bool:
        """Whether the next word may be the value of an option or argument, or a part of it."""
        sign = self._token.type if self._token else None
        if sign in ("LBRACKET", "LBRACE", "COMMA"):
            return self._around(start) in ("list", "object")
        return sign in ("EQUALS", "COLON")

    def _around(self, start: int) -> str | None:
        return _around(self._report.source.text[max(0, start - _NEAR_BY) : start])

    def _foreign_name(self, word: str, start: int) -> None:
        self._problem(
            "bad-name",
            f"the name '{clip(word)}' has a letter outside A-Z, a-z",
            start,
            len(word),
            "names are made of the letters A-Z and a-z, digits and underscores",
        )

    # Shared helpers.

    def _made(self, type_: str, word: str, value: Any, start: int, *, fault: bool = False) -> Token:
        column = start - self._line_start + 1
        fault, self._fault = fault or self._fault, False
        return Token(type_, word, value, start, self._line, column, fault)

    def _problem(
        self, code: str, message: str, start: int, length: int, hint: str | None = None
    ) -> None:
        column = start - self._line_start + 1
        span = Span(self._line, column, self._line, column + length)
        self._report.add(code, message, span, hint=hint, syntax=True)

    def _unknown_sign(self, word: str, start: int, hint: str | None) -> None:
        if word.isprintable():
            message = f"'{clip(word)}' is not a Pointy operator"
        else:
            name = unicodedata.name(word[0], "a control character")
            message = f"U+{ord(word[0]):04X} ({name.lower()}) is not allowed in a flow"
            hint = hint or "the character may be invisible: delete it"
        self._problem("unknown-sign", message, start, len(word), hint)


_READERS: dict[str, Callable[[Lexer, str, str, int], Token | None]] = {
    "comment": Lexer._comment,
    "NUMBER": Lexer._number,
    "STRING": Lexer._string,
    "DIRECTIVE": Lexer._directive,
    "near_pipe": Lexer._near,
    "near_arrow": Lexer._near,
    "near_parallel": Lexer._near,
    "broken_string": Lexer._broken_string,
    "open_string": Lexer._open_string,
    "other_quotes": Lexer._other_quotes,
    "other_comment": Lexer._other_comment,
    "unknown": Lexer._unknown,
}

_VALUE = re.compile(r"[=:,\[]\s*\Z")
_NAMED = re.compile(r"[\w\]}]\s*\Z")


def _around(text: str) -> str | None:
    """What the innermost open bracket begins: an `object`, a `list`, `arguments`, or None."""
    open_at = _last_open(text)
    if open_at < 0:
        return None
    before = text[:open_at]
    if text[open_at] == "(":
        return "arguments" if _NAMED.search(before) else None
    if not _VALUE.search(before):
        return None
    return "object" if text[open_at] == "{" else "list"


def _last_open(text: str) -> int:
    """The offset of the last bracket that is not closed, or -1; brackets in strings count too."""
    closed = 0
    for offset in range(len(text) - 1, -1, -1):
        if text[offset] in ")]}":
            closed += 1
        elif text[offset] in "([{":
            if not closed:
                return offset
            closed -= 1
    return -1

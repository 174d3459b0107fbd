"""Parses Pointy text into a `PointyFile`, with an LALR parser that continues after errors.

An error is reported at its position and repaired (a missing word is inserted, a surplus one
removed), and parsing continues, so one run finds all errors of a file. Every repair moves the
parser past at least one word, so the cost stays linear.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Self

from volnux.errors import Diagnostic, Source, Span, pointy_error
from volnux.files import read_bytes
from volnux.pointy import grammar, recovery
from volnux.pointy.actions import Builder
from volnux.pointy.lexer import END, Lexer, Token
from volnux.pointy.report import Report, TooManyErrorsError
from volnux.pointy.tree import Comment, Directive, Flow, Input, Settings, Variable

__all__ = ["PointyFile", "analyze", "load", "parse", "read_source"]


@dataclass(frozen=True, slots=True, eq=False)
class PointyFile:
    """A whole `.pty` text: its directives, its flow, its comments.

    Two files are equal if they mean the same: positions, comments, the kind of brackets and the
    order of directives do not count.
    """

    source: Source
    flow: Flow
    settings: Settings = field(default_factory=Settings)
    directives: tuple[Directive, ...] = ()
    comments: tuple[Comment, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PointyFile):
            return NotImplemented
        from volnux.pointy.shape import shape

        pairs = zip_longest(shape(self.flow), shape(other.flow), fillvalue=object())
        return _spoken(self.settings) == _spoken(other.settings) and all(
            mine == theirs for mine, theirs in pairs
        )

    def __hash__(self) -> int:
        return hash((self.settings.name, self.settings.events))

    def __repr__(self) -> str:
        return f"PointyFile({self.source.filename!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return parse, (self.source.text, self.source.filename)


def parse(text: str, filename: str = "<string>") -> PointyFile:
    """Parse the text of a `.pty` file.

    Args:
        text: the whole text.
        filename: the name that errors show; its stem is the pipeline's name unless `@name` says so.

    Raises:
        PointySyntaxError: the text breaks the grammar; all findings are in `diagnostics`.
        PointyError: the text breaks a rule of names or meaning.
    """
    file, diagnostics = analyze(Source(text, filename))
    if file is None:
        raise pointy_error(diagnostics)
    return file


def load(path: str | Path) -> PointyFile:
    """Read and parse a `.pty` file.

    Raises:
        OSError: the file cannot be read.
        PointyError: as `parse`; also for a file that is not UTF-8.
    """
    source, diagnostics = read_source(path)
    if source is None:
        raise pointy_error(diagnostics)
    return parse(source.text, source.filename)


def read_source(path: str | Path) -> tuple[Source | None, tuple[Diagnostic, ...]]:
    """The text of a file, or None and the reason why it is not text.

    Raises:
        OSError: the file cannot be read.
    """
    data = read_bytes(path)
    try:
        return Source(data.decode("utf-8"), str(path)), ()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        rest = data[error.start :].splitlines()[0].decode("utf-8", "replace")
        source = Source(before + rest, str(path))
        report = Report(source)
        report.add(
            "not-utf-8",
            f"the byte 0x{data[error.start]:02X} is not UTF-8",
            source.span(len(before), len(before) + 1),
            hint="save the file as UTF-8",
            syntax=True,
        )
        return None, report.in_order()


def analyze(source: Source) -> tuple[PointyFile | None, tuple[Diagnostic, ...]]:
    """Parse without raising: returns the file (None if it has errors) and all findings.

    The diagnostics (errors, warnings, notes) come in the order of the text. After 1000 errors the
    rest of the text is not read.
    """
    report = Report(source)
    lexer = Lexer(report)
    run = _Run(report, iter(lexer))
    try:
        flow = run.flow()
    except TooManyErrorsError:
        flow = None
    diagnostics = report.in_order()
    if report.failed or flow is None:
        return None, diagnostics
    reader = run.builder.directives
    file = PointyFile(
        source, flow, reader.settings(), tuple(reader.directives), tuple(lexer.comments)
    )
    return file, diagnostics


class _Run:
    """One parse: a stack of states, the values built so far, and the words to come."""

    def __init__(self, report: Report, words: Iterator[Token]) -> None:
        self.builder = Builder(report)
        self._report = report
        self._words = words
        self._ahead: deque[Token] = deque()
        """Words that were read ahead for a repair."""
        self._repaired: list[Token] = []
        """The words that a repair made from a faulty word, the next one last."""
        self._recent: deque[Token] = deque(maxlen=5)
        """The last words that were taken from the text."""
        self._states = [0]
        self._values: list[Any] = []
        self._left_out: Token | None = None
        """The last word that was removed."""
        self._unopened: list[str] = []
        """The closing brackets of the opening brackets that were removed."""
        self._reported: Token | None = None
        """The last word that was reported."""
        self._stray: tuple[Token | None] | None = None
        """The bracket in which branches without an event were reported, in a tuple."""

    def flow(self) -> Flow | None:
        """Parse all words; None if the text ends too early."""
        actions, gotos, productions = grammar.tables()
        makers = [getattr(self.builder, p.action) if p.action else None for p in productions]
        states, values = self._states, self._values
        words, recent, ahead, repaired = self._words, self._recent, self._ahead, self._repaired
        token = self._take()
        while True:
            action = actions[states[-1]].get(token.type)
            if action is None:
                self._look_ahead()
                if self._begins_flow(token):
                    token = self._step_back(token)
                openers = self._openers()
                self._say(token, openers)
                if token.type == END:
                    return None
                self._mend(token, openers)
                token = self._take()
            elif action > 0:
                states.append(action)
                values.append(token)
                if ahead or repaired:
                    token = self._take()
                else:  # the same without a call, which would cost 2 % of the parse
                    token = next(words)
                    recent.append(token)
            elif action < 0:
                left, length, _ = productions[-action]
                make = makers[-action]
                if make is not None:
                    if length:
                        values[-length:] = (make(*values[-length:]),)
                    else:
                        values.append(make())
                if length:
                    del states[-length:]
                states.append(gotos[states[-1]][left])
            else:
                flow: Flow = values[0]
                return flow

    def _take(self) -> Token:
        """The next word."""
        if self._repaired:
            return self._repaired.pop()
        token = self._ahead.popleft() if self._ahead else next(self._words)
        self._recent.append(token)
        return token

    def _look_ahead(self) -> None:
        while len(self._ahead) < 2:
            word = next(self._words, None)
            if word is None:
                break
            self._ahead.append(word)

    def _begins_flow(self, token: Token) -> bool:
        """Whether the last word is the event of `A (B -> C)`, not the argument of `A (b=1)`."""
        if len(self._values) < 2 or len(self._recent) < 2:
            return False
        opener, name = self._values[-2:]
        if (
            not isinstance(opener, Token)
            or opener.type != "LPAREN"
            or self._recent[-1] is not token
            or self._recent[-2] is not name
            or token.type not in recovery.AFTER_EVENT
            or "EQUALS" not in recovery.expected(self._reach())
        ):
            return False
        # `A (b -> 1)` is an argument, `A (B -> 2 * C)` is a flow.
        coming = [word.type for word in islice(self._ahead, 2)]
        value = coming and coming[0] in ("NUMBER", "STRING") and coming[1:] != ["STAR"]
        return not (value and token.type in ("ARROW", "PIPE"))

    def _step_back(self, token: Token) -> Token:
        """Go back to the last word, because it is the one that does not fit."""
        self._ahead.appendleft(token)
        self._recent.pop()
        self._states.pop()
        name: Token = self._values.pop()
        return name

    def _reach(self) -> tuple[int, ...]:
        return tuple(self._states[-recovery.REACH :])

    def _mend(self, token: Token, openers: tuple[Token, ...]) -> None:
        """Change the next words so that parsing can continue at a word that does not fit."""
        if _closes_reread(openers, token):
            self._repaired.append(token._replace(type="RPAREN"))
            return
        literal = token.type == "LBRACKET" and recovery.needs_literal(self._reach())
        after_value = token.type == "LPAREN" and recovery.after_value(self._reach())
        starred = token.type == "STAR" and recovery.opens_arguments(self._reach())
        if literal or after_value or starred:
            # The brackets of `[in=["a"]]`, `a=f(1, 2)` and `(**more)` are left out as a whole.
            self._skip_to("RBRACKET" if literal else "RPAREN")
            if not starred and self._ahead[0].type != END:
                self._take()
            if literal:
                self._repaired.append(token._replace(type="NAME", value=None))
            return
        repair = recovery.choose(
            self._reach(),
            token.type,
            tuple(word.type for word in islice(self._ahead, 2)),
            repeats=len(self._recent) > 1 and self._recent[-2].type == token.type,
            openers=tuple(opener.type for opener in openers),
        )
        if repair.read_as is None:
            self._left_out = token
            if token.type in recovery.CLOSERS:
                self._unopened.append(recovery.CLOSERS[token.type])
            return
        if repair.insert and repair.insert[-1] in _CLOSING and token.type not in _CLOSING:
            self._unopened.append(repair.insert[-1])
        self._repaired.append(token._replace(type=repair.read_as))
        for type_ in reversed(repair.insert):
            text = recovery.INSERTED.get(type_, "")
            self._repaired.append(Token(type_, text, None, token.start, token.line, token.column))

    def _skip_to(self, closer: str) -> None:
        """Leave out all words up to the closing bracket of that type, or up to the end."""
        depth = 0
        while self._ahead[0].type != END and (depth or self._ahead[0].type != closer):
            word = self._take()
            depth += (recovery.CLOSERS.get(word.type) == closer) - (word.type == closer)
            self._look_ahead()

    def _say(self, token: Token, openers: tuple[Token, ...]) -> None:
        """Report a word, unless that would be a second error about one mistake."""
        before = tuple(self._recent)[-2::-1]
        quiet = token.fault or (before and before[0] is self._left_out)
        if before and before[0] is self._reported and before[0].text in ("!", "in"):
            quiet = True  # `A !B` and `A[each=x in xs]` are one mistake each
        if token.type == END:
            # A string that is not closed may contain the bracket that seems to be missing.
            hidden = before and before[0].fault and before[0].type == "STRING"
            quiet = self._report.failed and (hidden or (quiet and not openers))
        if quiet:
            return
        fits = openers and recovery.CLOSERS[openers[0].type] == token.type
        if self._unopened and self._unopened[-1] == token.type and not fits:
            self._unopened.pop()
            return
        if _closes_reread(openers, token):
            return
        unclosed = 0
        if token.type == END and openers:
            unclosed = sum(_opens(value) for value in self._values)
        # Only texts with errors need these modules.
        from volnux.pointy import messages
        from volnux.pointy.situation import Situation

        finding = messages.explain(
            Situation(
                token,
                tuple(word for word in before if word.type != "DIRECTIVE"),
                tuple(islice(self._ahead, 2)),
                recovery.expected(self._reach()),
                openers,
                unclosed,
                self._in_list(),
            )
        )
        bracket = (openers[0] if openers else None,)
        if finding.code == "stray-descriptor" or token.type == "COMMA":
            # Further branches next to a reported one are the same mistake.
            if self._stray == bracket:
                return
            if token.type != "COMMA":
                self._stray = bracket
        self._reported = token
        self._report.add(
            finding.code, finding.message, finding.span, hint=finding.hint, syntax=True
        )

    def _openers(self) -> tuple[Token, ...]:
        """The brackets around the next word, the innermost first, as far as recovery looks."""
        nearest = reversed(self._values[-recovery.REACH + 1 :])
        return tuple(value for value in nearest if _opens(value))

    def _in_list(self) -> bool:
        """Whether the innermost bracket begins a list or an object in a value."""
        values = self._values[-recovery.REACH :]
        at = next((n for n in range(len(values) - 1, 0, -1) if _opens(values[n])), 0)
        before = values[at - 1] if at else None
        return isinstance(before, Token) and before.type in ("EQUALS", "COLON", "COMMA", "LBRACKET")


_CLOSING = frozenset(recovery.CLOSERS.values())
_NOWHERE = Span(0, 0, 0, 0)


def _closes_reread(openers: tuple[Token, ...], token: Token) -> bool:
    """Whether the token closes the `{` of `A{a=1}`, which was reported and read as `(`."""
    return bool(openers) and openers[0][:2] == ("LPAREN", "{") and token.type == "RBRACE"


def _opens(value: object) -> bool:
    return isinstance(value, Token) and value.type in recovery.CLOSERS


def _spoken(settings: Settings) -> tuple[object, ...]:
    return (
        settings.name,
        settings.description,
        settings.tags,
        tuple(schedule.expression for schedule in settings.schedules),
        settings.timezone,
        settings.start_date,
        settings.catchup,
        settings.max_active_runs,
        settings.events,
        tuple(map(_declared, settings.inputs)),
        tuple(map(_declared, settings.variables)),
        tuple(secret.name for secret in settings.secrets),
        tuple((use.name, use.path) for use in settings.uses),
        settings.on_failure,
        settings.run_timeout,
    )


def _declared(item: Input | Variable) -> str:
    """An input or variable without its position; unlike in Python, `1`, `1.0` and `true` differ."""
    return repr(replace(item, span=_NOWHERE))

"""The directives of a `.pty` file: each line read, checked, collected."""

from __future__ import annotations

import datetime as dt
import functools
import json
import keyword
import re
import zoneinfo
from collections.abc import Callable
from typing import Any

from volnux.errors import Severity, Span, nearest
from volnux.pointy.cron import check_cron
from volnux.pointy.lexer import Token
from volnux.pointy.report import Report
from volnux.pointy.tree import Directive, Input, OnFailure, Schedule, Settings

__all__ = ["DIRECTIVES", "INPUT_TYPES", "DirectiveReader"]

INPUT_TYPES = ("str", "int", "float", "bool", "date", "datetime", "list", "dict")
"""The types that `@input` knows."""

_REPEATABLE = frozenset({"schedule", "input", "events", "tags"})
_LINE = re.compile(r"@(?P<name>[^\s:=]*)\s*(?P<sign>:?)\s*(?P<value>.*)", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_PIPELINE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_TAG = re.compile(r"[^\s,\"#]+")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_INPUT = re.compile(r"(?P<name>[^\s:=]*)\s*(?P<colon>:?)\s*(?P<type>[^\s=]*)\s*(?P<rest>.*)", re.S)


class _Bad(Exception):
    """A directive's value is not what the directive takes: offsets within the value."""

    def __init__(
        self,
        code: str,
        message: str,
        start: int = 0,
        end: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.start, self.end, self.hint = code, message, start, end, hint


class DirectiveReader:
    """Reads the directives of one file, in order, into `Settings`."""

    def __init__(self, report: Report) -> None:
        self.directives: list[Directive] = []
        self._report = report
        self._seen: set[str] = set()
        self._inputs: set[str] = set()
        self._values: dict[str, Any] = {}
        self._lists: dict[str, list[Any]] = {name: [] for name in _REPEATABLE}

    def settings(self) -> Settings:
        """What the directives say, all together."""
        return Settings(
            **self._values,
            schedules=tuple(self._lists["schedule"]),
            inputs=tuple(self._lists["input"]),
            events=tuple(dict.fromkeys(self._lists["events"])),
            tags=tuple(dict.fromkeys(self._lists["tags"])),
        )

    def read(self, token: Token) -> None:
        """Read one directive line; what is wrong with it goes into the report."""
        match = _LINE.fullmatch(token.text)
        assert match is not None
        span = functools.partial(self._span, token.start)
        name = match["name"]
        if name not in DIRECTIVES:
            self._unknown(name, span(match.start("name") - 1, match.end("name")))
            return
        if not match["sign"]:
            self._report.add(
                "bad-directive",
                f"expected ':' after '@{name}'",
                span(match.end("name"), match.end("name") + 1),
                hint=f"write @{name}: value",
                syntax=True,
            )
            return
        directive = Directive(
            name,
            match["value"],
            span(0, len(token.text)),
            span(0, match.end("name")),
            span(match.start("value"), max(match.end("value"), match.start("value") + 1)),
        )
        if name not in _REPEATABLE and name in self._seen:
            self._report.add(
                "double-directive", f"'@{name}' stands in this file already", directive.name_span
            )
            return
        self._seen.add(name)
        self.directives.append(directive)
        if not directive.value:
            self._report.add(
                "bad-directive",
                f"'@{name}' has no value",
                directive.name_span,
                hint=f"it takes {DIRECTIVES[name][1]}",
                syntax=True,
            )
            return
        try:
            DIRECTIVES[name][0](self, directive)
        except _Bad as bad:
            end = len(directive.value) if bad.end is None else bad.end
            offset = match.start("value")
            self._report.add(
                bad.code,
                bad.message,
                span(offset + bad.start, offset + max(end, bad.start + 1)),
                hint=bad.hint,
            )

    def _span(self, base: int, start: int, end: int) -> Span:
        return self._report.source.span(base + start, base + end)

    def _unknown(self, name: str, span: Span) -> None:
        close = nearest(name.lower().replace("_", "-"), DIRECTIVES)
        self._report.add(
            "unknown-directive",
            f"there is no directive '@{name}'",
            span,
            hint=f"did you mean '@{close[0]}'?"
            if close
            else "directives: " + ", ".join(f"@{known}" for known in DIRECTIVES),
        )

    # One reader a directive.

    def _name(self, directive: Directive) -> None:
        name = _unquoted(directive.value)
        if not _PIPELINE_NAME.fullmatch(name):
            raise _Bad(
                "bad-name",
                f"'{name}' is no name of a pipeline",
                hint="names are made of letters, digits, '_', '-' and '.', a letter or '_' first",
            )
        self._values["name"] = name

    def _description(self, directive: Directive) -> None:
        self._values["description"] = _unquoted(directive.value)

    def _tags(self, directive: Directive) -> None:
        for text, start in _items(_unquoted(directive.value)):
            text = _unquoted(text)
            if not _TAG.fullmatch(text):
                raise _Bad(
                    "bad-tag",
                    f"'{text}' is no tag",
                    start,
                    hint="tags are names without spaces, with commas between them",
                )
            self._lists["tags"].append(text)

    def _schedule(self, directive: Directive) -> None:
        value = directive.value
        quoted = _STRING.fullmatch(value)
        if not quoted and not value.startswith("@"):
            raise _Bad(
                "bad-cron",
                "expected a cron expression in double quotes or a preset such as @daily",
                hint=f'write @schedule: "{value}"' if len(value.split()) == 5 else None,
            )
        expression = _unquoted(value).strip()
        offset = 1 if quoted else 0
        problem = check_cron(expression)
        if problem:
            raise _Bad(
                "bad-cron",
                problem.message,
                problem.start + offset,
                problem.end + offset,
                problem.hint,
            )
        schedule = Schedule(" ".join(expression.split()), directive.value_span)
        self._lists["schedule"].append(schedule)

    def _timezone(self, directive: Directive) -> None:
        name = _unquoted(directive.value)
        zones = _zones()
        if name not in zones:
            close = nearest(name, zones) or [z for z in zones if z.endswith("/" + name)]
            raise _Bad(
                "bad-timezone",
                f"there is no time zone '{name}'",
                hint=f"did you mean '{close[0]}'?"
                if close
                else "time zones have IANA names, such as Europe/Paris or UTC",
            )
        self._values["timezone"] = name

    def _start_date(self, directive: Directive) -> None:
        text = _unquoted(directive.value)
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                raise ValueError
            self._values["start_date"] = dt.date.fromisoformat(text)
        except ValueError:
            raise _Bad(
                "bad-date", f"'{text}' is no date", hint="dates are written like 2026-01-31"
            ) from None

    def _catchup(self, directive: Directive) -> None:
        if directive.value not in ("true", "false"):
            raise _Bad("bad-directive", f"'@catchup' takes true or false, found {directive.value}")
        self._values["catchup"] = directive.value == "true"

    def _max_active_runs(self, directive: Directive) -> None:
        if not re.fullmatch(r"[0-9]{1,9}", directive.value) or int(directive.value) < 1:
            raise _Bad(
                "bad-directive",
                f"'@max-active-runs' takes a whole number of at least 1, found {directive.value}",
            )
        self._values["max_active_runs"] = int(directive.value)

    def _events(self, directive: Directive) -> None:
        for text, start in _items(directive.value):
            if not _MODULE.fullmatch(text):
                raise _Bad(
                    "bad-module",
                    f"'{text}' is no dotted name of a module",
                    start,
                    start + len(text),
                    hint="modules are named as Python imports them: shop.events, common"
                    if not text.endswith(".py")
                    else f"write the name without the ending: {text[:-3].replace('/', '.')}",
                )
            self._lists["events"].append(text)

    def _input(self, directive: Directive) -> None:
        item, name_span = _read_input(directive)
        if item.name in self._inputs:
            raise _Bad(
                "double-input", f"the input '{item.name}' stands in this file already", 0, name_span
            )
        self._inputs.add(item.name)
        self._lists["input"].append(item)

    def _on_failure(self, directive: Directive) -> None:
        if directive.value not in ("stop", "continue"):
            raise _Bad(
                "bad-directive", f"'@on-failure' takes stop or continue, found {directive.value}"
            )
        self._values["on_failure"] = OnFailure(directive.value)

    def _without_effect(self, directive: Directive) -> None:
        self._report.add(
            "no-effect",
            f"'@{directive.name}' has no effect: it is accepted for older files",
            directive.span,
            severity=Severity.NOTE,
        )


DIRECTIVES: dict[str, tuple[Callable[[DirectiveReader, Directive], None], str]] = {
    "name": (DirectiveReader._name, "a name"),
    "description": (DirectiveReader._description, "a string"),
    "tags": (DirectiveReader._tags, "names with commas"),
    "schedule": (DirectiveReader._schedule, "a cron expression in quotes, or a preset"),
    "timezone": (DirectiveReader._timezone, "an IANA time zone, such as Europe/Paris"),
    "start-date": (DirectiveReader._start_date, "a date, such as 2026-01-31"),
    "catchup": (DirectiveReader._catchup, "true or false"),
    "max-active-runs": (DirectiveReader._max_active_runs, "a whole number of at least 1"),
    "events": (DirectiveReader._events, "dotted modules with commas"),
    "input": (DirectiveReader._input, "name: type, or name: type = default"),
    "on-failure": (DirectiveReader._on_failure, "stop or continue"),
    "recursive-depth": (DirectiveReader._without_effect, "anything: it has no effect"),
    "mode": (DirectiveReader._without_effect, "anything: it has no effect"),
}
"""Every directive: its reader, and what it takes in words."""


def _read_input(directive: Directive) -> tuple[Input, int]:
    value = directive.value
    match = _INPUT.fullmatch(value)
    assert match is not None
    name, type_ = match["name"], match["type"]
    form = "an input is written name: type, or name: type = default"
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        raise _Bad("bad-input", f"'{name}' is no name of an input", 0, len(name), form)
    if name in ("previous_result", "self"):
        raise _Bad("bad-input", f"'{name}' is taken: an input needs another name", 0, len(name))
    if not match["colon"]:
        raise _Bad("bad-input", f"expected ':' after '{name}'", match.end("name"), None, form)
    if type_ not in INPUT_TYPES:
        close = nearest(type_, INPUT_TYPES)
        raise _Bad(
            "bad-input",
            f"'{type_}' is no type of an input" if type_ else f"expected a type after '{name}:'",
            match.start("type"),
            match.end("type"),
            f"did you mean '{close[0]}'?" if close else "types: " + ", ".join(INPUT_TYPES),
        )
    rest = match["rest"]
    if not rest:
        return Input(name, type_, True, None, directive.span), len(name)
    if not rest.startswith("="):
        raise _Bad("bad-input", f"expected '=' after '{type_}'", match.start("rest"), None, form)
    text = rest[1:].strip()
    start = match.end("rest") - len(text)
    try:
        default = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _Bad(
            "bad-input",
            f"the default of '{name}' is no JSON",
            start,
            None,
            'defaults are JSON: 3, -2.5, true, null, "text", ["a"], {"k": 1}',
        ) from None
    if default is not None and not _fits(default, type_):
        example = '"2026-01-31"' if type_ == "date" else '"2026-01-31T06:00:00"'
        raise _Bad(
            "bad-input",
            f"the default of '{name}' is not of type {type_}",
            start,
            None,
            f"write it like {example}" if type_ in ("date", "datetime") else None,
        )
    return Input(name, type_, False, default, directive.span), len(name)


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _fits(value: object, type_: str) -> bool:
    """Whether a JSON value is of a declared type; dates are ISO strings."""
    match type_:
        case "str":
            return isinstance(value, str)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "list":
            return isinstance(value, list)
        case "dict":
            return isinstance(value, dict)
        case _:
            read = dt.date.fromisoformat if type_ == "date" else dt.datetime.fromisoformat
            try:
                read(str(value))
            except ValueError:
                return False
            return isinstance(value, str)


def _unquoted(value: str) -> str:
    """The text of a value that is one string in quotes; any other value as it is."""
    if not _STRING.fullmatch(value):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        raise _Bad(
            "bad-escape",
            "this string has an escape that is none",
            hint=r"the escapes are \n \t \r \" \\ \uXXXX",
        ) from None


def _items(value: str) -> list[tuple[str, int]]:
    """The items of a list with commas, each with its offset; a trailing comma is allowed."""
    items = []
    start = 0
    for part in value.split(","):
        text = part.strip()
        if text or start + len(part) < len(value):
            items.append((text, start + len(part) - len(part.lstrip())))
        start += len(part) + 1
    return items


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())

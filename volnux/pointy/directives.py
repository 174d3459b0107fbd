"""The directives of a `.pty` file: each line is read, checked and collected."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from typing import Any

from volnux.errors import Severity, Span, nearest
from volnux.pointy.cron import PRESETS, check_cron
from volnux.pointy.lexer import Token
from volnux.pointy.report import Report, clip
from volnux.pointy.strings import CONTROL, STRING
from volnux.pointy.tree import (
    Directive,
    Input,
    OnFailure,
    Schedule,
    Secret,
    Settings,
    Use,
    Variable,
)
from volnux.pointy.values import (
    INPUT_TYPES,
    OTHER_QUOTES,
    BadValue,
    check_zone,
    items,
    read_seconds,
    unquoted,
)

__all__ = ["DIRECTIVES", "INPUT_TYPES", "DirectiveReader"]

_REPEATABLE = frozenset({"schedule", "input", "variable", "secret", "events", "tags", "use"})
_LINE = re.compile(r"@(?P<name>[^\s:=]*)\s*(?P<sign>:?)\s*(?P<value>.*)", re.DOTALL)
_PIPELINE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_TAG = re.compile(r"[^\s,\"#]+")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


class DirectiveReader:
    """Reads the directives of one file, in order, into `Settings`."""

    def __init__(self, report: Report) -> None:
        self.directives: list[Directive] = []
        self.uses: dict[str, Use] = {}
        """The used files, by the names that the flow can use."""
        self._report = report
        self._seen: set[str] = set()
        self._names: dict[str, str] = {}
        """The kind of each name that was declared: input, variable or secret."""
        self._values: dict[str, Any] = {}
        self._lists: dict[str, list[Any]] = {name: [] for name in _REPEATABLE}

    def settings(self) -> Settings:
        """The settings from all directives."""
        return Settings(
            **self._values,
            schedules=tuple(self._lists["schedule"]),
            inputs=tuple(self._lists["input"]),
            variables=tuple(self._lists["variable"]),
            secrets=tuple(self._lists["secret"]),
            uses=tuple(self.uses.values()),
            events=tuple(dict.fromkeys(self._lists["events"])),
            tags=tuple(dict.fromkeys(self._lists["tags"])),
        )

    def read(self, token: Token) -> None:
        """Read one directive line; what is wrong with it goes into the report."""
        if "\0" in token.text:
            return  # the lexer has reported it
        match = _LINE.fullmatch(token.text)
        assert match is not None
        span = functools.partial(self._span, token)
        name = match["name"]
        if name not in DIRECTIVES:
            self._unknown(name, span(match.start("name") - 1, match.end("name")))
            return
        if not match["sign"]:
            self._report.add(
                "bad-directive",
                f"expected ':' after '@{name}'",
                span(match.end("name"), match.end("name") + 1),
                hint=f"write @{name}: {clip(match['value'].lstrip('= ')) or 'value'}",
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
                "double-directive",
                f"'@{name}' is already in this file",
                directive.name_span,
                hint="remove one of the two",
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
        except BadValue as bad:
            end = len(directive.value) if bad.end is None else bad.end
            offset = match.start("value")
            self._report.add(
                bad.code,
                bad.message,
                span(offset + bad.start, offset + max(end, bad.start + 1)),
                hint=bad.hint,
            )

    def _span(self, token: Token, start: int, end: int) -> Span:
        """The span of a part of a directive, cut off at the end of the directive."""
        length = len(token.text)
        start, end = min(start, length), min(end, length)
        return Span(token.line, token.column + start, token.line, token.column + end)

    def _unknown(self, name: str, span: Span) -> None:
        from volnux.pointy.foreign import directive_hint

        hint = directive_hint(name)
        if hint is None:
            close = nearest(name.lower().replace("_", "-"), DIRECTIVES)
            known = "directives: " + ", ".join(f"@{each}" for each in DIRECTIVES)
            hint = f"did you mean '@{close[0]}'?" if close else known
        message = f"there is no directive '@{clip(name)}'"
        self._report.add("unknown-directive", message, span, hint=hint)

    # One reader for each directive.

    def _name(self, directive: Directive) -> None:
        name = unquoted(directive.value)
        if not _PIPELINE_NAME.fullmatch(name):
            raise BadValue(
                "bad-name",
                f"'{clip(name)}' is not a valid pipeline name",
                hint="a name has letters, digits, '_', '-' or '.', and starts with a letter or '_'",
            )
        self._values["name"] = name

    def _description(self, directive: Directive) -> None:
        text = unquoted(directive.value)
        if "\0" in text:
            raise BadValue("bad-directive", "a description cannot contain the character U+0000")
        self._values["description"] = text

    def _tags(self, directive: Directive) -> None:
        value = directive.value
        whole = STRING.fullmatch(value)
        for text, start in items(unquoted(value) if whole else value):
            tag = text if whole else unquoted(text)
            if not _TAG.fullmatch(tag) or CONTROL.search(tag):
                start += bool(whole)
                raise BadValue(
                    "bad-tag",
                    f"'{clip(tag)}' is not a tag",
                    start,
                    start + len(text),
                    "tags are names without spaces, separated by commas",
                )
            self._lists["tags"].append(tag)

    def _schedule(self, directive: Directive) -> None:
        value = directive.value
        quoted = STRING.fullmatch(value)
        if not quoted and not value.startswith("@"):
            raise BadValue(
                "bad-cron",
                "expected a cron expression in double quotes or a preset such as @daily",
                hint=_meant_schedule(value),
            )
        expression = unquoted(value).strip()
        offset = 1 if quoted else 0
        problem = check_cron(expression)
        if problem:
            raise BadValue(
                "bad-cron",
                problem.message,
                problem.start + offset,
                problem.end + offset,
                problem.hint,
            )
        schedule = Schedule(" ".join(expression.split()), directive.value_span)
        self._lists["schedule"].append(schedule)

    def _timezone(self, directive: Directive) -> None:
        name = unquoted(directive.value)
        check_zone(name)
        self._values["timezone"] = name

    def _start_date(self, directive: Directive) -> None:
        text = unquoted(directive.value)
        try:
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                raise ValueError
            self._values["start_date"] = dt.date.fromisoformat(text)
        except ValueError:
            raise BadValue(
                "bad-date",
                f"'{clip(text)}' is not a date",
                hint="dates are written like 2026-01-31",
            ) from None

    def _catchup(self, directive: Directive) -> None:
        if directive.value not in ("true", "false"):
            meant = directive.value.lower()
            raise BadValue(
                "bad-directive",
                f"'@catchup' takes true or false, found {clip(directive.value)}",
                hint=f"write {meant}" if meant in ("true", "false") else None,
            )
        self._values["catchup"] = directive.value == "true"

    def _max_active_runs(self, directive: Directive) -> None:
        value = directive.value
        if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < 1:
            wants = "a whole number of at least 1"
            raise BadValue(
                "bad-directive", f"'@max-active-runs' takes {wants}, found {clip(value)}"
            )
        self._values["max_active_runs"] = int(value)

    def _events(self, directive: Directive) -> None:
        for text, start in items(directive.value):
            if not _MODULE.fullmatch(text):
                raise BadValue(
                    "bad-module",
                    f"'{clip(text)}' is not a dotted module name",
                    start,
                    start + len(text),
                    hint=_meant_module(text),
                )
            self._lists["events"].append(text)

    def _use(self, directive: Directive) -> None:
        from volnux.pointy.uses import read_name, read_path

        name = read_name(directive.value)
        if name in self.uses:
            raise BadValue(
                "double-name",
                f"the name '{clip(name)}' already stands for a used file",
                0,
                len(name),
                "a name is declared only once: rename one",
            )
        where = directive.value_span
        span = where._replace(end_column=where.column + len(name))
        # The flow may contain the name even if the path is wrong.
        self.uses[name] = Use(name, "", span, where)
        path, path_span = read_path(directive.value, where)
        self.uses[name] = Use(name, path, span, path_span)

    def _input(self, directive: Directive) -> None:
        # Most files declare nothing: they need not wait for this module.
        from volnux.pointy.declarations import read_input

        self._declare("input", read_input(directive.value, directive.span))

    def _variable(self, directive: Directive) -> None:
        from volnux.pointy.declarations import read_variable

        self._declare("variable", read_variable(directive.value, directive.span))

    def _secret(self, directive: Directive) -> None:
        from volnux.pointy.declarations import read_secret

        self._declare("secret", read_secret(directive.value, directive.span))

    def _declare(self, kind: str, item: Input | Variable | Secret) -> None:
        name = item.name
        before = self._names.get(name)
        if before is not None:
            shown = clip(name)
            raise BadValue(
                "double-name",
                f"the {kind} '{shown}' is already in this file"
                if before == kind
                else f"'{shown}' is already {'an' if before == 'input' else 'a'} {before}",
                0,
                len(name),
                "remove one of the two"
                if before == kind
                else "a name is declared only once: rename one",
            )
        self._names[name] = kind
        self._lists[kind].append(item)

    def _run_timeout(self, directive: Directive) -> None:
        self._values["run_timeout"] = read_seconds(directive.value)

    def _on_failure(self, directive: Directive) -> None:
        if directive.value not in ("stop", "continue"):
            raise BadValue(
                "bad-directive",
                f"'@on-failure' takes stop or continue, found {clip(directive.value)}",
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
    "tags": (DirectiveReader._tags, "names separated by commas"),
    "schedule": (DirectiveReader._schedule, "a cron expression in quotes, or a preset"),
    "timezone": (DirectiveReader._timezone, "an IANA time zone, such as Europe/Paris"),
    "start-date": (DirectiveReader._start_date, "a date, such as 2026-01-31"),
    "catchup": (DirectiveReader._catchup, "true or false"),
    "max-active-runs": (DirectiveReader._max_active_runs, "a whole number of at least 1"),
    "events": (DirectiveReader._events, "dotted module names separated by commas"),
    "use": (DirectiveReader._use, 'name = "path"'),
    "input": (DirectiveReader._input, "name: type, or name: type = default"),
    "variable": (DirectiveReader._variable, "name: type, or name: type = default"),
    "secret": (DirectiveReader._secret, "a name"),
    "run-timeout": (DirectiveReader._run_timeout, "a length of time, such as 4h"),
    "on-failure": (DirectiveReader._on_failure, "stop or continue"),
    "recursive-depth": (DirectiveReader._without_effect, "anything: it has no effect"),
    "mode": (DirectiveReader._without_effect, "anything: it has no effect"),
}
"""Every directive: its reader, and a description of its value."""


def _meant_module(text: str) -> str:
    inner = text.strip("\"'").removesuffix(".py").lstrip("./").replace("/", ".")
    if inner != text and _MODULE.fullmatch(inner):
        return f"write {clip(inner)}"
    return "write modules as Python imports them: shop.events, common"


def _meant_schedule(value: str) -> str | None:
    inner = value.strip(OTHER_QUOTES + '"')
    if f"@{inner}" in PRESETS:
        return f"write @schedule: @{inner}"
    return f'write @schedule: "{inner}"' if len(inner.split()) == 5 else None

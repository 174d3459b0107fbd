"""The options in brackets: their names, places and values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from volnux.errors import did_you_mean, nearest
from volnux.pointy.report import Report, clip
from volnux.pointy.tree import Evaluation, Event, Group, Option, Unit

__all__ = ["HINTS", "OPTIONS", "OptionRule", "check", "holds_parallel", "split_tags"]


@dataclass(frozen=True, slots=True)
class OptionRule:
    """The rule of one option: a test of its value, and a description of valid values."""

    accepts: Callable[[Option], bool]
    wants: str
    on_groups: bool = False


LONGEST_TIMEOUT = 1_000_000_000
"""In seconds, about 31 years: clocks and threads cannot wait arbitrarily long."""


def _seconds(option: Option) -> bool:
    return 0 < _number(option) <= LONGEST_TIMEOUT


def _number(option: Option) -> float:
    """The value of an option if it is a number, else 0."""
    value = option.value
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _whole(least: int | None) -> Callable[[Option], bool]:
    def accepts(option: Option) -> bool:
        value = option.value
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and (least is None or value >= least)
        )

    return accepts


def _text(option: Option) -> bool:
    value = option.value
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")


def _executor(option: Option) -> bool:
    value = option.value
    return isinstance(value, str) and (
        value in ("inline", "thread", "process")
        or (bool(_URL.fullmatch(value)) and "\0" not in value)
    )


def _evaluation(option: Option) -> bool:
    return isinstance(option.value, str) and option.value in Evaluation.__members__


OPTIONS: dict[str, OptionRule] = {
    "timeout": OptionRule(_seconds, "a number of seconds above 0, such as 30 or 2.5"),
    "retry_attempts": OptionRule(_whole(2), "a whole number of at least 2", on_groups=True),
    "executor": OptionRule(
        _executor, 'inline, thread, process or a URL such as "dask://host:8786"'
    ),
    "evaluation": OptionRule(
        _evaluation, "one of " + ", ".join(Evaluation.__members__), on_groups=True
    ),
    "pool": OptionRule(_text, 'a name, such as "database"'),
    "queue": OptionRule(_text, 'a name, such as "large"'),
    "priority": OptionRule(_whole(None), "a whole number"),
    "concurrency": OptionRule(_whole(1), "a whole number of at least 1"),
    "tags": OptionRule(_text, 'names separated by commas in a string, such as "daily,finance"'),
}
"""Every option, by name."""

HINTS = frozenset({"pool", "queue", "priority", "concurrency", "tags"})
"""The options that never change what a file means."""


def split_tags(text: str) -> tuple[str, ...]:
    """The tags of a `tags="a,b"` option, in the order written."""
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def holds_parallel(group: Group) -> bool:
    """Whether the braces hold exactly `a || b …`, redundant braces aside."""
    while True:
        if len(group.body.parts) != 1:
            return False
        arms = group.body.parts[0].arms
        if len(arms) > 1:
            return True
        unit = arms[0]
        if not isinstance(unit.primary, Group) or unit.retry or unit.options or unit.branches:
            return False
        group = unit.primary


def check(report: Report, unit: Unit) -> None:
    """Report every option of the unit that is unknown, repeated, misplaced or has a bad value."""
    seen: set[str] = set()
    for option in unit.options:
        if not option.name:
            continue
        rule = OPTIONS.get(option.name)
        if rule is None:
            from volnux.pointy.foreign import option_hint

            hint = option_hint(option.name)
            if hint is None:
                hint = did_you_mean(option.name, OPTIONS, _other_options(unit, option))
            message = f"there is no option '{clip(option.name)}'"
            report.add("unknown-option", message, option.span, hint=hint)
            continue
        if option.name in seen:
            report.add(
                "double-option",
                f"the option '{option.name}' is already set here",
                option.span,
                hint="remove one of the two",
            )
        seen.add(option.name)
        if option.value is not None and not rule.accepts(option):
            _report_value(report, option, rule)
        _check_place(report, unit, option, rule)
    factor = unit.option("retry_attempts")
    if factor is not None and unit.retry is not None:
        report.add(
            "double-factor",
            "this unit already has a retry factor",
            factor.span,
            hint="retry_attempts=3 is the same as * 3: remove one of them",
        )


def _report_value(report: Report, option: Option, rule: OptionRule) -> None:
    hint = None
    if option.name == "evaluation" and isinstance(option.value, str):
        close = nearest(option.value.upper(), Evaluation.__members__)
        hint = f"did you mean {close[0]}?" if close else None
    elif option.name == "executor" and isinstance(option.value, str):
        close = nearest(option.value.lower(), ("inline", "thread", "process"))
        hint = f"did you mean {close[0]}?" if close else None
    elif isinstance(option.value, str) and not option.bare and _NUMBER.fullmatch(option.value):
        hint = f"numbers are written without quotes: {clip(option.value)}"
    elif option.name == "timeout" and _number(option) > LONGEST_TIMEOUT:
        hint = f"the maximum is {LONGEST_TIMEOUT} (31 years); for no limit, remove the option"
    elif isinstance(option.value, str) and "\0" in option.value:
        hint = "it cannot contain the character U+0000"
    report.add(
        "bad-option",
        f"the option '{option.name}' takes {rule.wants}",
        option.value_span,
        hint=hint,
    )


def _check_place(report: Report, unit: Unit, option: Option, rule: OptionRule) -> None:
    if not isinstance(unit.primary, Group):
        if option.name == "evaluation":
            report.add(
                "misplaced-option",
                "the option 'evaluation' belongs to a parallel group, not to an event",
                option.span,
                hint="write it after the braces: {A || B}[evaluation=…]",
            )
    elif not rule.on_groups:
        report.add(
            "misplaced-option",
            f"the option '{option.name}' belongs to an event, not to a group",
            option.span,
            hint="write it after each event that needs it",
        )
    elif option.name == "evaluation" and not holds_parallel(unit.primary):
        report.add(
            "misplaced-option",
            "the option 'evaluation' needs braces that contain exactly 'a || b …'",
            option.span,
            hint="put the parallel part into its own braces: {A || B}[evaluation=…]",
        )


def _other_options(unit: Unit, option: Option) -> str:
    """What an unknown option may be meant for: an argument, or one of the options."""
    known = "options: " + ", ".join(OPTIONS)
    if not isinstance(unit.primary, Event):
        return known
    return f"for an argument write {clip(unit.primary.name)}({clip(option.name)}=…); {known}"

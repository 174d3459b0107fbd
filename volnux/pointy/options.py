"""The options in brackets: their names, places and values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from volnux.errors import did_you_mean, nearest
from volnux.pointy.report import Report, clip
from volnux.pointy.strings import RESERVED_NAMES, is_name
from volnux.pointy.tree import Evaluation, Event, Flow, Group, Option, Parallel, Unit, Used

__all__ = [
    "HINTS",
    "OPTIONS",
    "SHAPING",
    "WIDE",
    "OptionRule",
    "check",
    "in_braces",
    "split_tags",
]


@dataclass(frozen=True, slots=True)
class OptionRule:
    """The rule of one option.

    Attributes:
        accepts: a test of its value.
        wants: a description of valid values.
        on_events, on_groups: where it may stand.
        with_each: whether the unit must have `each` as well.
    """

    accepts: Callable[[Option], bool]
    wants: str
    on_events: bool = True
    on_groups: bool = False
    with_each: bool = False


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


def _named(option: Option) -> bool:
    value = option.value
    return isinstance(value, str) and is_name(value) and value not in RESERVED_NAMES


def _bare_name(option: Option) -> bool:
    # In an argument, `null` would be the value of JSON and not the item.
    return option.bare and _named(option) and option.value != "null"


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
    "every": OptionRule(_seconds, "a number of seconds above 0, such as 60 or 0.5"),
    "within": OptionRule(_seconds, "a number of seconds above 0, such as 3600"),
    "retry_attempts": OptionRule(_whole(2), "a whole number of at least 2", on_groups=True),
    "executor": OptionRule(
        _executor, 'inline, thread, process or a URL such as "dask://host:8786"'
    ),
    "evaluation": OptionRule(
        _evaluation, "one of " + ", ".join(Evaluation.__members__), on_groups=True
    ),
    "each": OptionRule(_bare_name, "a name for the item, such as url", on_groups=True),
    "in": OptionRule(
        _bare_name,
        "the name of an input, variable or 'each' around it",
        on_groups=True,
        with_each=True,
    ),
    "at_once": OptionRule(
        _whole(1), "a whole number of at least 1", on_groups=True, with_each=True
    ),
    "batch": OptionRule(_whole(1), "a whole number of at least 1", on_groups=True, with_each=True),
    "task": OptionRule(_named, "a name, such as tidy", on_events=False, on_groups=True),
    "again": OptionRule(_whole(2), "a whole number of at least 2", on_events=False, on_groups=True),
    "pool": OptionRule(_text, 'a name, such as "database"'),
    "queue": OptionRule(_text, 'a name, such as "large"'),
    "priority": OptionRule(_whole(None), "a whole number"),
    "concurrency": OptionRule(_whole(1), "a whole number of at least 1"),
    "tags": OptionRule(_text, 'names separated by commas in a string, such as "daily,finance"'),
}
"""Every option, by name."""

HINTS = frozenset({"pool", "queue", "priority", "concurrency", "tags", "batch", "task"})
"""The options that never change what a file means."""

SHAPING = frozenset(
    {"retry_attempts", "evaluation", "each", "in", "at_once", "batch", "task", "again"}
)
"""The options that change the graph. The others are stored in the node of the event."""

WIDE = frozenset({"each", "task", "again"})
"""The options with rules that concern more than one unit: `volnux.pointy.scopes`."""


def split_tags(text: str) -> tuple[str, ...]:
    """The tags of a `tags="a,b"` option, in the order written."""
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def in_braces(flow: Flow) -> Parallel | Used | None:
    """The `a || b …` or the used file that a flow is, redundant braces aside; None otherwise."""
    while True:
        if len(flow.parts) != 1:
            return None
        part = flow.parts[0]
        if len(part.arms) > 1:
            return part
        unit = part.arms[0]
        if unit.retry or unit.options or unit.branches:
            return None
        if isinstance(unit.primary, Used):
            return unit.primary
        if not isinstance(unit.primary, Group):
            return None
        flow = unit.primary.body


def check(report: Report, unit: Unit) -> None:
    """Report every option of the unit that is unknown, repeated, misplaced or has a bad value."""
    seen: set[str] = set()
    for option in unit.options:
        if not option.name:
            continue
        rule = OPTIONS.get(option.name)
        if rule is None:
            from volnux.pointy.foreign import option_hint

            hint = option_hint(option.name, on_group=isinstance(unit.primary, Group | Used))
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
    elif option.name in ("each", "in", "task") and isinstance(option.value, str):
        hint = _meant_name(option)
    elif isinstance(option.value, str) and not option.bare and _NUMBER.fullmatch(option.value):
        hint = f"numbers are written without quotes: {clip(option.value)}"
    elif option.name in ("timeout", "every", "within") and _number(option) > LONGEST_TIMEOUT:
        hint = f"the maximum is {LONGEST_TIMEOUT} (31 years)"
        if option.name == "timeout":
            hint += "; for no limit, remove the option"
    elif isinstance(option.value, str) and "\0" in option.value:
        hint = "it cannot contain the character U+0000"
    report.add(
        "bad-option",
        f"the option '{option.name}' takes {rule.wants}",
        option.value_span,
        hint=hint,
    )


def _meant_name(option: Option) -> str | None:
    name = str(option.value)
    if not is_name(name):
        return "a name consists of ASCII letters, digits and '_', and is not a keyword of Python"
    if name in RESERVED_NAMES or name == "null":
        return f"'{name}' is reserved: choose another name"
    return f"names are written without quotes: {option.name}={clip(name)}"


def _check_place(report: Report, unit: Unit, option: Option, rule: OptionRule) -> None:
    name = option.name
    on_group = isinstance(unit.primary, Group | Used)
    allowed = rule.on_groups if on_group else rule.on_events
    if allowed and not rule.with_each and name != "evaluation":
        return
    message = hint = None
    each = unit.option("each") is not None
    if rule.with_each and not each:
        message = f"the option '{name}' needs the option 'each' on the same unit"
        hint = f"write [each=item, {name}={_shown(option)}]"
    elif name == "evaluation" and not each:
        message, hint = _evaluation_place(unit)
    elif not allowed and on_group:
        used = isinstance(unit.primary, Used)
        what, where = ("a used file", " in that file") if used else ("a group", "")
        message = f"the option '{name}' belongs to an event, not to {what}"
        hint = f"write it after each event{where} that needs it"
        if name == "concurrency" and each:
            hint = f"to limit how many items are processed at once, write at_once={_shown(option)}"
    elif not allowed:
        message = f"the option '{name}' belongs to a group, not to an event"
        hint = "remove it: an event is already one task"
        if name == "again":
            times = _shown(option) if rule.accepts(option) else 3
            hint = f"to repeat an event, write {clip(_name_of(unit))} * {times}"
    if message is not None:
        report.add("misplaced-option", message, option.span, hint=hint)


def _evaluation_place(unit: Unit) -> tuple[str | None, str | None]:
    """What is wrong with an evaluation on a unit without `each`, and a hint."""
    if isinstance(unit.primary, Used):
        return None, None  # the used file decides
    if not isinstance(unit.primary, Group):
        return (
            "the option 'evaluation' belongs to a parallel group, not to an event",
            "write it after the braces: {A || B}[evaluation=…]",
        )
    if in_braces(unit.primary.body) is None:
        return (
            "the option 'evaluation' needs braces that contain exactly 'a || b …'",
            "put the parallel part into its own braces: {A || B}[evaluation=…]",
        )
    return None, None


def _name_of(unit: Unit) -> str:
    return unit.primary.name if isinstance(unit.primary, Event) else "A"


def _shown(option: Option) -> str:
    """The value of an option in a hint."""
    return clip(str(option.value), 20)


def _other_options(unit: Unit, option: Option) -> str:
    """What an unknown option may be meant for: an argument, or one of the options."""
    event = isinstance(unit.primary, Event)
    known = "options: " + ", ".join(
        name for name, rule in OPTIONS.items() if (rule.on_events if event else rule.on_groups)
    )
    if not isinstance(unit.primary, Event | Used):
        return known
    return f"for an argument write {clip(unit.primary.name)}({clip(option.name)}=…); {known}"

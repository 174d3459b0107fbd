"""The defaults and ranges of inputs and variables: JSON, times of a run, `(1..100)`.

Each reader returns what it read and the offset of what follows, or raises `BadValue`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

from volnux.pointy.inputtypes import InputType
from volnux.pointy.report import clip
from volnux.pointy.tree import Moment
from volnux.pointy.values import BadValue
from volnux.strictjson import DEEPEST, FormatError, NotJsonError, read_json

__all__ = ["default_of", "range_of"]

_BASE = re.compile(r"(?P<base>scheduled|previous)(?!\w)")
_SHIFT = re.compile(r"\s*(?P<sign>[+-])\s*(?P<amount>[0-9]*)\s*(?P<unit>[^\W\d_]*)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOST_DIGITS = 5
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_RANGE = re.compile(rf"\(\s*(?P<least>{_NUMBER})?\s*\.\.\s*(?P<most>{_NUMBER})?\s*\)\s*")
_FORM_OF_RANGE = "a range is written (1..100), (1..) or (..100)"


def default_of(
    value: str, at: int, name: str, type_: str, *, kind: str = "input"
) -> tuple[Any, Moment | None, int]:
    """Read the default at an offset: its JSON value or its time, and where the default ends.

    Raises:
        BadValue: it is not JSON, or not of the type.
    """
    base = _BASE.match(value, at)
    if base is not None:
        moment, end = _moment(value, base, type_)
        return None, moment, end
    end = _end_of_json(value, at)
    text = value[at:end]
    name = clip(name)
    try:
        default = read_json(text, deepest=DEEPEST)
    except NotJsonError:
        message = f"the default of '{name}' is not JSON"
        hint = _hint_for_default(name, type_, text, kind)
        raise BadValue(f"bad-{kind}", message, at, end, hint) from None
    except FormatError as error:
        message = f"the default of '{name}' cannot be used: {error}"
        raise BadValue(f"bad-{kind}", message, at, end) from None
    if default is not None and not _fits(default, type_):
        message = f"the default of '{name}' is not of type {type_}"
        hint = _hint_for_default(name, type_, text, kind)
        raise BadValue(f"bad-{kind}", message, at, end, hint)
    return default, None, end


def range_of(value: str, at: int, type_: str) -> tuple[int | float | None, int | float | None, int]:
    """A range such as `(1..100)`: its ends, and the offset of what follows it.

    Raises:
        BadValue: it is not a range, or its ends are not of this type.
    """
    close = value.find(")", at)
    end = len(value) if close < 0 else close + 1
    if type_ not in ("int", "float"):
        raise BadValue("bad-input", "only int and float can have a range", at, end)
    match = _RANGE.match(value, at)
    if match is None:
        raise BadValue("bad-input", "this is not a range", at, end, _FORM_OF_RANGE)
    ends = []
    for group in ("least", "most"):
        number = None
        if match[group] is not None:
            try:
                number = read_json(match[group])
            except FormatError as error:
                message = f"this range cannot be used: {error}"
                raise BadValue("bad-input", message, *match.span(group)) from None
            if not _fits(number, type_):
                message = "the ends of an int range must be whole numbers"
                raise BadValue("bad-input", message, *match.span(group))
        ends.append(number)
    least, most = ends
    if least is None and most is None:
        raise BadValue("bad-input", "a range needs at least one end", at, end, _FORM_OF_RANGE)
    if least is not None and most is not None and least > most:
        raise BadValue("bad-input", "the range ends before it begins", at, end, _FORM_OF_RANGE)
    return least, most, match.end()


def _end_of_json(value: str, at: int) -> int:
    """Where a JSON value ends: before a description, otherwise at the end of the text."""
    try:
        _, end = json.JSONDecoder().raw_decode(value, at)
    except (ValueError, RecursionError):
        comma = value.find(",", at)
        if comma < 0 or value[at : at + 1] in ("[", "{", '"', "'"):
            return len(value)
        return at + len(value[at:comma].rstrip())
    follows = value[end:].lstrip()
    return end if not follows or follows[0] == "," else len(value)


def _moment(value: str, base: re.Match[str], type_: str) -> tuple[Moment, int]:
    """Read a time of the run, such as `scheduled - 1d`; return it and where it ends."""
    word = base["base"]
    if type_ not in ("date", "datetime"):
        raise BadValue(
            "bad-input",
            f"'{word}' is a time: only a date or a datetime can have it as its default",
            *base.span(),
            f'for a text, write "{word}"' if type_ == "str" else None,
        )
    form = f"a time of the run is written {word}, {word} - 1d or {word} - 1d + 6h"
    at, shifts = base.end(), []
    while match := _SHIFT.match(value, at):
        amount, unit = match["amount"], match["unit"]
        if not amount or len(amount) > _MOST_DIGITS:
            raise BadValue(
                "bad-input",
                f"expected a number of at most {_MOST_DIGITS} digits after '{match['sign']}'",
                match.start("amount"),
                match.end("amount"),
                form,
            )
        if unit not in _UNITS:
            units = ", ".join(f"{short} for {long}" for short, long in _UNITS.items())
            message = f"'{clip(unit)}' is not a unit of time" if unit else "expected a unit of time"
            raise BadValue("bad-input", message, *match.span("unit"), f"units: {units}")
        shifts.append((-int(amount) if match["sign"] == "-" else int(amount), unit))
        at = match.end()
    rest = value[at:].lstrip()
    if rest and rest[0] != ",":
        start = len(value) - len(rest)
        message = f"expected '+', '-' or ',' after '{clip(value[base.start() : at])}'"
        raise BadValue("bad-input", message, start, None, form)
    return Moment(word, tuple(shifts)), at


def _hint_for_default(name: str, type_: str, text: str, kind: str) -> str:
    """What to write instead of a default: the likely intention if known, otherwise an example."""
    candidates = (
        f'"{text}"',
        text.strip("\"'"),
        text.replace("'", '"'),
        "null" if text == "None" else text.lower(),
    )
    for meant in candidates if len(text) <= 30 else ():
        try:
            value = read_json(meant, deepest=DEEPEST)
        except FormatError:
            continue
        if value is None or _fits(value, type_):
            hint = f"write {clip(meant)}"
            break
    else:
        hint = f"write it like {InputType(type_).example}"
    if kind == "variable":
        return hint
    if text.startswith("$"):
        hint += "; environment variables are not read here: remove the default and run with "
        hint += f"--input {name}={clip(text)}, or write @variable: {name}: {type_}"
    elif type_ in ("date", "datetime") and re.search("[A-Za-z]{2}", text):
        hint += "; for the time of the run write scheduled, for the day before it "
        hint += "write scheduled - 1d"
    return hint


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

"""The values of directives: strings, lists, time zones, inputs.

Each reader raises `BadValue` with offsets within the text that it was given.
"""

from __future__ import annotations

import datetime as dt
import keyword
import re
import zoneinfo

from volnux.errors import Span, nearest
from volnux.pointy.inputtypes import InputType
from volnux.pointy.report import clip
from volnux.pointy.strings import ESCAPES, STRING, unescape
from volnux.pointy.tree import Input
from volnux.strictjson import DEEPEST, FormatError, NotJsonError, read_json

__all__ = [
    "INPUT_TYPES",
    "OTHER_QUOTES",
    "BadValue",
    "check_zone",
    "items",
    "read_input",
    "unquoted",
]

INPUT_TYPES = tuple(each.value for each in InputType)
"""The types that `@input` knows."""

OTHER_QUOTES = "'“”„«»"
"""Quotes that Pointy does not accept."""

_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})
"""Names in the database that are not a zone, or a different one on each machine."""
_ZONE = re.compile(r"(?!posix/|right/)[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_INPUT = re.compile(r"(?P<name>[^\s:=]*)\s*(?P<colon>:?)\s*(?P<type>[^\s=]*)\s*(?P<rest>.*)", re.S)


class BadValue(Exception):
    """The value of a directive is not valid; offsets are within the value."""

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


def unquoted(value: str) -> str:
    """The text of a value that is one string in quotes; any other value as it is."""
    if value and value[0] in OTHER_QUOTES:
        inner = value.strip(OTHER_QUOTES)
        raise BadValue(
            "single-quotes",
            "a string is written in plain double quotes",
            hint=f'write "{clip(inner)}"',
        )
    if not value.startswith('"'):
        return value
    string = STRING.match(value)
    if string is None:
        raise BadValue("unterminated-string", "this string is not closed", hint='close it with "')
    if string.end() < len(value):
        raise BadValue(
            "bad-directive",
            "nothing may follow the string",
            string.end(),
            hint="a comment begins with #",
        )
    text, faults = unescape(value[1:-1])
    for start, end, message in faults:
        raise BadValue("bad-escape", message, start + 1, end + 1, ESCAPES)
    return text


def items(value: str) -> list[tuple[str, int]]:
    """The items of a list with commas, each with its offset; a trailing comma is allowed."""
    found = []
    start = 0
    for part in value.split(","):
        text = part.strip()
        if text:
            found.append((text, start + len(part) - len(part.lstrip())))
        elif start + len(part) < len(value) or not found:
            raise BadValue("bad-list", "a name is missing next to the comma", start, start + 1)
        start += len(part) + 1
    return found


def check_zone(name: str) -> None:
    """Whether the machine knows a time zone of that name.

    Raises:
        BadValue: it does not, or the name means a different zone on each machine.
    """
    if _is_zone(name):
        return
    # Listing all zones reads the disk: only for a hint.
    zones = sorted(zoneinfo.available_timezones() - _NO_ZONES)
    wanted = name.replace(" ", "_")
    cities = [zone for zone in zones if zone.casefold().endswith(f"/{wanted.casefold()}")]
    close = cities or nearest(wanted, zones)
    raise BadValue(
        "bad-timezone",
        f"there is no time zone '{clip(name)}'",
        hint=f"did you mean '{close[0]}'?"
        if close
        else "time zones have IANA names, such as Europe/Paris or UTC",
    )


def read_input(value: str, span: Span) -> Input:
    """The input that the value of one `@input` declares; `span` is the position of the directive.

    Raises:
        BadValue: the name, the type or the default is not valid.
    """
    match = _INPUT.fullmatch(value)
    assert match is not None
    name, type_ = match["name"], match["type"]
    form = "an input is written name: type, or name: type = default"
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        raise BadValue("bad-input", f"'{clip(name)}' is not a valid input name", 0, len(name), form)
    if name in ("previous_result", "self"):
        message = f"'{name}' is reserved: choose another name for the input"
        raise BadValue("bad-input", message, 0, len(name))
    if not match["colon"]:
        raise BadValue(
            "bad-input", f"expected ':' after '{clip(name)}'", match.end("name"), None, form
        )
    if type_ not in INPUT_TYPES:
        close = nearest(type_, INPUT_TYPES)
        raise BadValue(
            "bad-input",
            f"'{clip(type_)}' is not an input type"
            if type_
            else f"expected a type after '{name}:'",
            match.start("type"),
            match.end("type"),
            f"did you mean '{close[0]}'?" if close else "types: " + ", ".join(INPUT_TYPES),
        )
    rest = match["rest"]
    if not rest:
        return Input(name, type_, True, None, span)
    if not rest.startswith("="):
        raise BadValue(
            "bad-input", f"expected '=' after '{type_}'", match.start("rest"), None, form
        )
    text = rest[1:].strip()
    start = match.end("rest") - len(text)
    try:
        default = read_json(text, deepest=DEEPEST)
    except NotJsonError:
        raise BadValue(
            "bad-input",
            f"the default of '{name}' is not JSON",
            start,
            None,
            _hint_for_default(name, type_, text),
        ) from None
    except FormatError as error:
        raise BadValue(
            "bad-input", f"the default of '{name}' cannot be used: {error}", start
        ) from None
    if default is not None and not _fits(default, type_):
        raise BadValue(
            "bad-input",
            f"the default of '{name}' is not of type {type_}",
            start,
            None,
            _hint_for_default(name, type_, text),
        )
    return Input(name, type_, False, default, span)


def _hint_for_default(name: str, type_: str, text: str) -> str:
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
    if text.startswith("$"):
        hint += "; environment variables are not read here: remove the default and run with "
        hint += f"--input {name}={clip(text)}"
    elif type_ in ("date", "datetime") and text.strip("\"'").isalpha():
        hint += "; a default is the same in every run: for another day, remove it and run with "
        hint += f"--input {name}=…"
    return hint


def _is_zone(name: str) -> bool:
    if name in _NO_ZONES or not _ZONE.fullmatch(name):
        return False
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


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

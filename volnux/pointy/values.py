"""The values of directives: strings, lists, time zones, lengths of time.

Each reader raises `BadValue` with offsets within the text that it was given.
"""

from __future__ import annotations

import re
import zoneinfo

from volnux.errors import nearest
from volnux.pointy.inputtypes import InputType
from volnux.pointy.options import LONGEST_TIMEOUT
from volnux.pointy.report import clip
from volnux.pointy.strings import ESCAPES, STRING, unescape

__all__ = [
    "INPUT_TYPES",
    "OTHER_QUOTES",
    "BadValue",
    "check_zone",
    "items",
    "read_seconds",
    "unquoted",
]

INPUT_TYPES = tuple(each.value for each in InputType)
"""The types that `@input` knows."""

OTHER_QUOTES = "'“”„«»"
"""Quotes that Pointy does not accept."""

_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})
"""Names in the database that are not time zones, or that differ between machines."""
_ZONE = re.compile(r"(?!posix/|right/)[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")


_LENGTH = re.compile(r"(?P<amount>[0-9]+(?:\.[0-9]+)?)(?P<unit>[smhd])")
_LENGTHS = re.compile(
    r"([0-9]{1,9})\s*(s|m|h|d|sec|min|hrs?|seconds?|minutes?|hours?|days?)(?![a-z])", re.ASCII
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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
    """The items of a comma-separated list, each with its offset; a trailing comma is allowed."""
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
    """Check that the machine knows a time zone of that name.

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


def read_seconds(value: str) -> float:
    """The seconds of a length of time such as `30s`, `90m`, `4h` or `2d`.

    Raises:
        BadValue: it is not such a length, or it is zero or too long.
    """
    match = _LENGTH.fullmatch(value)
    if match is None:
        wants = "a length of time, such as 30s, 90m, 4h or 2d"
        message = f"expected {wants}, found {clip(value)}"
        raise BadValue("bad-directive", message, hint=_meant_length(value))
    seconds = float(match["amount"]) * _SECONDS[match["unit"]]
    if not 0 < seconds <= LONGEST_TIMEOUT:
        message = f"the time must be above 0 and at most {LONGEST_TIMEOUT} seconds (31 years)"
        raise BadValue("bad-directive", message, hint="for no limit, remove the directive")
    return seconds


def _meant_length(value: str) -> str | None:
    text = value.strip(OTHER_QUOTES + '"').lower()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return f"write {text}s for seconds"
    parts = [(int(n), unit[0]) for n, unit in _LENGTHS.findall(text)]
    if not parts or _LENGTHS.sub("", text).strip(" ,"):
        return None
    if len(parts) == 1:
        return f"write {parts[0][0]}{parts[0][1]}"
    total = sum(n * _SECONDS[unit] for n, unit in parts)
    return f"write {total // 60}m" if total % 60 == 0 else f"write {total}s"


def _is_zone(name: str) -> bool:
    if name in _NO_ZONES or not _ZONE.fullmatch(name):
        return False
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True

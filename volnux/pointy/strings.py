"""Strings in double quotes: reading escapes, and writing a text as a string; and valid names."""

from __future__ import annotations

import keyword
import re

__all__ = [
    "CONTROL",
    "ESCAPES",
    "RESERVED_NAMES",
    "STRING",
    "comment_start",
    "is_name",
    "quote",
    "unescape",
]

STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
"""One string that is closed."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""A character that names cannot contain: a control character or a Unicode line break."""

ESCAPES = r"the escapes are \n \t \r \" \\ \uXXXX; a backslash itself is \\"
"""The hint for an unknown escape."""

RESERVED_NAMES = frozenset({"previous_result", "self"})
"""Parameters of `process` that a file cannot declare."""

_MEANINGS = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'["\\\x00-\x1f\x7f-\x9f]')
_WRITTEN = {meaning: f"\\{letter}" for letter, meaning in _MEANINGS.items()}


def unescape(text: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Decode the text between the quotes of a string.

    Returns:
        The value, and for each fault its start and end within `text` and a message.
    """
    if "\\" not in text:
        return text, []
    faults: list[tuple[int, int, str]] = []

    def replace(match: re.Match[str]) -> str:
        escape = match[1]
        if escape in _MEANINGS:
            return _MEANINGS[escape]
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        shown = match[0] if escape.isprintable() else "\\"
        faults.append((match.start(), match.end(), f"'{shown}' is not a valid escape"))
        return escape

    value = _ESCAPE.sub(replace, text)
    # Two escapes may be one character outside the basic plane; half of a pair is an error.
    try:
        value = value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        message = r"this string has one half of a \uXXXX\uXXXX pair without the other"
        faults.append((-1, len(text) + 1, message))
    return value, faults


def is_name(text: str) -> bool:
    """Whether a file can declare a name like that, for an input or the items of an `each`."""
    return text.isidentifier() and text.isascii() and not keyword.iskeyword(text)


def quote(value: str) -> str:
    """A text as a string in quotes, with the fewest escapes."""
    inner = _TO_ESCAPE.sub(lambda m: _WRITTEN.get(m[0]) or f"\\u{ord(m[0]):04x}", value)
    return f'"{inner}"'


_QUOTE_OR_COMMENT = re.compile(r'["#]')


def comment_start(line: str) -> int:
    """The offset of a comment in `line`, outside of strings; the length of `line` if none."""
    position = 0
    while match := _QUOTE_OR_COMMENT.search(line, position):
        if match[0] == "#":
            return match.start()
        string = STRING.match(line, match.start())
        if string is None:
            # A quote that is not closed does not hide a comment: the directive reports the error.
            comment = line.find("#", match.start())
            return len(line) if comment < 0 else comment
        position = string.end()
    return len(line)

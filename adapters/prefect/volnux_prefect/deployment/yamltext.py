"""Values as YAML on one line."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["flow_style", "scalar"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|flows\.py:\w+")
"""Strings that need no quotes, unless they are one of the words below."""

_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that YAML treats as line breaks, or does not allow."""


def scalar(text: str) -> str:
    """A string as YAML: plain if that is safe, otherwise in double quotes."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else flow_style(text)


def flow_style(value: Any) -> str:
    """A JSON value as YAML: plain JSON, except where YAML would read it differently."""
    match value:
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
        case float():
            mantissa, exponent, power = repr(value).partition("e")
            return f"{mantissa}.0e{power}" if exponent and "." not in mantissa else repr(value)
        case list():
            return f"[{', '.join(map(flow_style, value))}]"
        case dict():
            items = (f"{flow_style(key)}: {flow_style(item)}" for key, item in value.items())
            return f"{{{', '.join(items)}}}"
        case _:
            return json.dumps(value)

"""What an event was given, as a digest: a resumed run compares it with what it would give."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any

from volnux.events.files import InputFile
from volnux.events.outcome import Call
from volnux.events.spec import EventSpec
from volnux.masking import hidden
from volnux.runs.values import FULL, LARGEST
from volnux.values.kinds import TAG, VALUE
from volnux.values.plain import plain_text, text_of

__all__ = ["Digests", "given_of"]


class _TooLargeError(Exception):
    """A value is too large to be kept, so its digest would not be needed."""


class Digests:
    """Makes the digests of one run; it remembers what many places have in common."""

    def __init__(self) -> None:
        self._shelf: Any = _Hashing() if "VOLNUX_VALUES" in os.environ else None
        self._inputs: Any = None
        self._start = hashlib.sha256()
        self._plain = ""

    def of(self, spec: EventSpec, call: Call) -> str | None:
        """See `given_of`."""
        try:
            if call.inputs is not self._inputs:
                # Several threads may do so at once: the inputs of a run have the same values.
                self._start = hashlib.sha256(self._text(dict(call.inputs)).encode())
                self._plain = self._with("[]", "[]", "null")
                self._inputs = call.inputs
            arguments, items = "[]", "[]"
            if spec.given is not None:
                written = [[each.name, str(each)] for each in spec.given.arguments]
                arguments = text_of(written)
            if spec.given is not None and spec.given.scope is not None:
                items = self._text(dict(spec.inputs(call)))
            elif call.items:
                items = self._text(call.items)
            elif spec.given is None and call.previous_result is None:
                return self._plain
            return self._with(arguments, items, self._text(call.previous_result))
        except Exception:  # noqa: BLE001 - inputs of a use may be wrong, and values are the user's
            return None

    def _with(self, *parts: str) -> str:
        digest = self._start.copy()
        digest.update("".join(f"\n{part}" for part in parts).encode())
        return digest.hexdigest()

    def _text(self, value: Any) -> str:
        if value is None:
            return "null"
        value = hidden(value)
        text = plain_text(value)
        if text is None:
            from volnux.values.codec import to_json

            data = to_json(_with_paths(value), shelf=self._shelf or FULL, hide=hidden)
            text = text_of(_with_sorted_sets(data))
        if len(text) > LARGEST and self._shelf is None:
            raise _TooLargeError
        return text


def given_of(spec: EventSpec, call: Call) -> str | None:
    """The SHA-256 in hex of what an attempt is given: arguments, inputs, items, the piped value.

    Arguments count as written, and inputs by their values. Variables and secrets count by their
    names only. The number of the attempt does not count.

    Args:
        spec: the event.
        call: the arguments of the attempt.

    Returns:
        None if a value cannot be written as JSON, or is too large to be kept.
    """
    return Digests().of(spec, call)


class _Hashing:
    """In place of a `Shelf`: large bytes become their digest."""

    inline = 1 << 16

    def put(self, data: Any, suffix: str = "") -> dict[str, Any]:
        """The digest of what would be the content of a file."""
        digest = hashlib.sha256()
        if callable(data):
            stream = io.BytesIO()
            data(stream)
            data = stream.getbuffer()
        digest.update(memoryview(data).cast("B"))
        return {"sha256": digest.hexdigest()}


def _with_sorted_sets(data: Any) -> Any:
    """Tagged JSON in which the order of sets, which differs between processes, does not count."""
    if type(data) is list:
        return list(map(_with_sorted_sets, data))
    if type(data) is dict:
        data = {key: _with_sorted_sets(each) for key, each in data.items()}
        if data.get(TAG) in ("set", "frozenset"):
            data[VALUE].sort(key=text_of)
    return data


def _with_paths(value: Any) -> Any:
    """The value with texts in place of the files of inputs, which have no form as JSON."""
    if isinstance(value, InputFile):
        return repr(value)
    if type(value) in (list, tuple):
        return type(value)(map(_with_paths, value))
    if type(value) is dict:
        return {key: _with_paths(each) for key, each in value.items()}
    return value

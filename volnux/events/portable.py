"""How results leave their process: as JSON that every host can store."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from volnux.events.failures import class_name
from volnux.events.outcome import Call
from volnux.graph.outcome import Failure
from volnux.masking import masks

if TYPE_CHECKING:
    from volnux.events.spec import EventSpec
    from volnux.values.store import Store

__all__ = [
    "DEEPEST",
    "Carrier",
    "has_64_bits",
    "not_portable",
    "portable_failure",
    "unstorable",
]

DEEPEST: Final = 200
"""The maximum nesting of lists and dicts; Airflow's own limit is about 260."""


def not_portable(value: Any) -> tuple[str, str] | None:
    """The path and the problem of the first part that a host cannot store, or None.

    JSON itself has no limits, but its transports do: numbers have 64 bits, text is UTF-8, and
    PostgreSQL does not store the NUL character.
    """
    # An item, its depth, and the path to it as a pair: its key, and the path to its container.
    stack: list[tuple[Any, int, Any]] = [(value, 0, None)]
    while stack:
        item, depth, way = stack.pop()
        if item is None or isinstance(item, bool | Failure):
            continue
        if isinstance(item, str):
            problem = unstorable(item)
            if problem is not None:
                return _path(way), f"a str that has {problem}"
        elif isinstance(item, int):
            if not has_64_bits(item):
                return _path(way), "an int that does not fit into 64 bits"
        elif isinstance(item, float):
            if not math.isfinite(item):
                return _path(way), f"of type float ({item})"
        elif depth > DEEPEST:
            return _path(way), f"of type {type(item).__name__}, nested more than {DEEPEST} deep"
        elif isinstance(item, dict):
            for key in item:
                if not isinstance(key, str):
                    return _path(
                        (key, way)
                    ), f"of type dict with a key of type {class_name(type(key))}"
                problem = unstorable(key)
                if problem is not None:
                    return _path((key, way)), f"a dict with a key that has {problem}"
            stack += [(inner, depth + 1, (key, way)) for key, inner in reversed(item.items())]
        elif isinstance(item, list | tuple):
            last = len(item) - 1
            stack += [(inner, depth + 1, (last - i, way)) for i, inner in enumerate(reversed(item))]
        else:
            return _path(way), f"of type {class_name(type(item))}"
    return None


def has_64_bits(number: int) -> bool:
    """Whether a number fits into 64 bits, signed or not."""
    return -(2**63) <= number < 2**64


def unstorable(text: str) -> str | None:
    """The character in a text that a host cannot store, or None if there is none."""
    if "\0" in text:
        return "the character U+0000"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "a lone surrogate, which is not a valid character"
    return None


class Carrier(NamedTuple):
    """How the results of a run leave their process. It can be pickled.

    Attributes:
        store: where large values go; without one, they are part of the JSON.
        keeps: whether the host stores the JSON (`Outcome.packed`); otherwise, the result is read
            back from it at once.
        reserved: the keys of dicts that the host keeps for itself.
    """

    store: Store | None = None
    keeps: bool = False
    reserved: tuple[str, ...] = ()

    def carry(
        self, spec: EventSpec, call: Call, result: Any, secrets: Iterable[str]
    ) -> tuple[Any, Any]:
        """The result as it is passed on, and its JSON.

        Args:
            spec: the event.
            call: the attempt.
            result: what the event returned.
            secrets: what must not be in the JSON.

        Raises:
            NotPortableError: a part of the result cannot leave the process.
        """
        from volnux.values.codec import copied, from_json, in_store, to_json

        what = f"the result of {spec.name}"
        shelf = None if self.store is None else self.store.at(call.run_id, call.task_id)
        data = to_json(
            result,
            what=what,
            shelf=shelf,
            reserved=self.reserved,
            classes=spec.visible,
            hide=masks(secrets) if secrets else None,
        )
        data = in_store(data, what=what, shelf=shelf)
        if self.keeps:
            return result, data
        if data is result:
            return copied(data), None
        return from_json(data, classes=spec.visible, store=self.store), None


def portable_failure(failure: Failure) -> Failure:
    """The failure, with escapes for all characters in its texts that a host cannot store."""
    texts = failure.message, failure.traceback
    if all(unstorable(text) is None for text in texts):
        return failure
    message, shown = (
        text.encode(errors="backslashreplace").decode().replace("\0", "\\x00") for text in texts
    )
    return replace(failure, message=message, traceback=shown).with_exception(failure.exception)


def _path(way: Any) -> str:
    from volnux.shown import shown

    keys: list[str] = []
    while way is not None:
        key, way = way
        keys.append(f"[{shown(key)}]")
    if len(keys) > 20:
        keys[10:-10] = ["…"]
    return "".join(reversed(keys))

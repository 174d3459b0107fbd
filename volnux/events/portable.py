"""How results leave their process: as JSON that every host can store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from volnux.events.outcome import Call
from volnux.graph.outcome import Failure
from volnux.masking import masks

if TYPE_CHECKING:
    from volnux.events.spec import EventSpec
    from volnux.values.reading import Classes
    from volnux.values.store import Store

__all__ = ["Carrier", "has_64_bits", "portable_failure", "unstorable"]


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
        classes: the classes that the reader will know; None for those of the event's pipeline.
    """

    store: Store | None = None
    keeps: bool = False
    reserved: tuple[str, ...] = ()
    classes: Classes | None = None

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
        from volnux.strictjson import FormatError
        from volnux.values.codec import copied, from_json, in_store, to_json
        from volnux.values.kinds import NotPortableError

        what = f"the result of {spec.name}"
        classes = spec.visible if self.classes is None else self.classes
        shelf = None if self.store is None else self.store.at(call.run_id, call.task_id)
        data = to_json(
            result,
            what=what,
            shelf=shelf,
            reserved=self.reserved,
            classes=classes,
            hide=masks(secrets) if secrets else None,
        )
        if self.keeps or shelf is not None:
            data = in_store(data, what=what, shelf=shelf)
        if self.keeps and (data is result or not secrets):
            return result, data
        if data is result:
            return copied(data), None
        # The fields of objects are masked only in the JSON.
        try:
            carried = from_json(data, classes=classes, store=self.store)
        except FormatError as error:
            raise NotPortableError(f"{what} cannot be read again: {error}") from error
        return carried, data if self.keeps else None


def portable_failure(failure: Failure) -> Failure:
    """The failure, with escapes for all characters in its texts that a host cannot store."""
    texts = failure.message, failure.traceback
    if all(unstorable(text) is None for text in texts):
        return failure
    message, shown = (
        text.encode(errors="backslashreplace").decode().replace("\0", "\\x00") for text in texts
    )
    return replace(failure, message=message, traceback=shown).with_exception(failure.exception)

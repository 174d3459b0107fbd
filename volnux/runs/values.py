"""The values of kept runs: as tagged JSON text, or the reason why a value is not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from volnux.errors import VolnuxError
from volnux.masking import hidden
from volnux.values.plain import plain_text, text_of

if TYPE_CHECKING:
    from volnux.values.reading import Classes
    from volnux.values.store import Store

__all__ = ["FULL", "LARGEST", "Values", "read_value"]

LARGEST: Final = 1 << 20
"""The maximum characters of a value in a store; a larger one needs `VOLNUX_VALUES`."""


class Values:
    """Writes the values of one run.

    Args:
        run_id: the id of the run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._store: Store | None = None
        self._what_to_do = "set VOLNUX_VALUES to keep it"
        try:
            self._store = _store()
        except VolnuxError as error:
            self._what_to_do = str(error)

    def write(
        self, value: Any, place: str, what: str, classes: Classes | None
    ) -> tuple[str | None, str | None]:
        """A value as tagged JSON text and None, or None and why it cannot be kept.

        Args:
            value: the value.
            place: the place that it belongs to.
            what: how a reason calls it.
            classes: the classes that the reader will know.
        """
        if value is None:
            return "null", None
        value = hidden(value)
        try:
            if hasattr(value, "__len__") and len(value) > LARGEST and self._store is None:
                return None, self._too_large(what)
            text = plain_text(value)
            if text is None or (self._store and len(text) > self._store.inline):
                text = self._tagged(value, place, what, classes)
        except _TooLargeError:
            return None, self._too_large(what)
        except Exception as error:  # noqa: BLE001 - the user's classes and the store may raise anything
            return None, str(error) or type(error).__name__
        if len(text) > LARGEST:
            return None, self._too_large(what)
        return text, None

    def _too_large(self, what: str) -> str:
        return f"{what} has more than {LARGEST // 2**20} MB: {self._what_to_do}"

    def _tagged(self, value: Any, place: str, what: str, classes: Classes | None) -> str:
        from volnux.values.codec import in_store, to_json

        shelf = FULL if self._store is None else self._store.at(self._run_id, place)
        data = to_json(value, what=what, shelf=shelf, classes=classes, hide=hidden)
        if self._store is not None:
            data = in_store(data, what=what, shelf=shelf)
        return text_of(data)

    def inputs(self, inputs: Mapping[str, Any], classes: Classes | None) -> dict[str, str | None]:
        """Inputs as texts by name; None for one that cannot be kept, or contains a secret."""
        from volnux.events.files import InputFile

        found: dict[str, str | None] = {}
        for name, value in inputs.items():
            if isinstance(value, InputFile) and value.start == 0 and value.end is None:
                value = str(value.path)
            masked = hidden(value)
            text, _ = self.write(value, "inputs", f"the input '{name}'", classes)
            found[name] = text if masked == value else None
        return found


class _TooLargeError(Exception):
    """A part of a value is too large, and there is no place for it."""


class _Full:
    """In place of a `Shelf` where there is no place for large values."""

    inline = LARGEST

    def put(self, data: Any, suffix: str = "") -> dict[str, Any]:
        """Refuse a file."""
        raise _TooLargeError


FULL: Final[Any] = _Full()


def read_value(text: str, classes: Classes | None = None) -> Any:
    """The value that a kept result or input stands for.

    Args:
        text: the text.
        classes: the classes that it may name: `Plan.visible`.

    Raises:
        FormatError: it names an unknown class, or a file with a large value is gone.
        StoreError: VOLNUX_VALUES is wrong.
    """
    from volnux.values.codec import loads

    return loads(text, classes=classes, store=_store())


def _store() -> Store | None:
    """Where large values go; None if they have no place.

    Raises:
        StoreError: VOLNUX_VALUES is wrong.
    """
    import os

    if "VOLNUX_VALUES" not in os.environ:
        return None
    from volnux.values.store import Store

    return Store.of_environment()

"""Any value as JSON, and back."""

from __future__ import annotations

import json
import logging
import marshal
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from volnux.strictjson import FormatError
from volnux.values.kinds import TAG, VALUE
from volnux.values.plain import plain_text, text_of
from volnux.values.reading import Classes, Reader
from volnux.values.writing import Writer

if TYPE_CHECKING:
    from volnux.values.store import Shelf, Store

__all__ = ["copied", "dumps", "from_json", "in_store", "loads", "to_json"]

_LARGE: Final = 1 << 20
"""Bytes: a longer value in a host's database deserves a warning."""

_warned = False


def to_json(
    value: Any,
    *,
    what: str = "value",
    shelf: Shelf | None = None,
    reserved: Collection[str] = (),
    classes: Classes | None = None,
    hide: Callable[[Any], Any] | None = None,
) -> Any:
    """A value as JSON: plain JSON as it is, the same object, and everything else tagged.

    Args:
        value: the value.
        what: how errors call it.
        shelf: where large values go; without one, they are part of the JSON.
        reserved: keys that no dict of the JSON may have.
        classes: the classes that the reader will know; None if the reader decides.
        hide: replaces what must not be seen in texts and bytes inside of instances of classes; the
            caller has done so elsewhere.

    Raises:
        NotPortableError: a part of the value is of an unknown type; the message says where it is.
    """
    return Writer(what, shelf, reserved, classes, hide).write(value)


def in_store(data: Any, *, what: str, shelf: Shelf | None) -> Any:
    """JSON of `to_json` for a host's database: if it is large, it goes into a file as a whole."""
    if type(data) not in (list, dict, str) or (shelf is None and _warned):
        return data
    if 8 * len(marshal.dumps(data, 2)) < (_LARGE if shelf is None else shelf.inline):
        return data  # its text has at most 8 times as many bytes, and takes longer to make
    text = text_of(data)
    if shelf is not None and len(text) > shelf.inline:
        return {TAG: "json", VALUE: {"file": shelf.put(text.encode(), ".json")}}
    if len(text) > _LARGE:
        _warn(what, len(text))
    return data


def from_json(
    data: Any, *, classes: Classes | Iterable[type] | None = None, store: Store | None = None
) -> Any:
    """The value that `to_json` wrote.

    Args:
        data: the JSON, as Python lists and dicts.
        classes: the classes that the data may name, besides registered ones.
        store: where the files with large values are.

    Raises:
        FormatError: it is not such JSON, or names a class that is not allowed.
        ValueLostError: a file with a large value is gone, or was changed.
    """
    return Reader(classes, store).read(data)


def copied(data: Any) -> Any:
    """A copy of JSON of `to_json`."""
    return json.loads(text_of(data)) if type(data) in (list, dict) else data


def dumps(value: Any, *, what: str = "value", shelf: Shelf | None = None) -> str:
    """A value as JSON text; see `to_json`."""
    text = plain_text(value)
    return text_of(Writer(what, shelf).tagged(value)) if text is None else text


def loads(
    text: str | bytes,
    *,
    classes: Classes | Iterable[type] | None = None,
    store: Store | None = None,
) -> Any:
    """The value of JSON text; see `from_json`."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        data = json.loads(text)
    except RecursionError:
        raise FormatError("a stored value is nested too deep") from None
    except ValueError as error:
        raise FormatError(f"a stored value is not JSON: {error}") from None
    if "{" not in text or TAG not in text:
        return data
    return Reader(classes, store).read(data)


def _warn(what: str, size: int) -> None:
    global _warned
    if not _warned:
        _warned = True
        logging.getLogger("volnux.values").warning(
            "%s has %.1f MB and goes into the host's database: set VOLNUX_VALUES to a folder or "
            "URL for large values",
            what,
            size / 1e6,
        )

"""Reads values from tagged JSON. It runs nothing that the data names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol

from volnux.shown import shown
from volnux.strictjson import FormatError
from volnux.values.kinds import TAG, VALUE
from volnux.values.plain import DEEPEST
from volnux.values.registry import kind_named

if TYPE_CHECKING:
    from volnux.values.store import Store

__all__ = ["Classes", "Known", "Reader"]


class Classes(Protocol):
    """The classes that data may name."""

    def find(self, module: str, name: str) -> type | None:
        """The class with this module and qualified name, or None. It must not import anything."""


class Known:
    """A fixed set of classes."""

    def __init__(self, classes: Iterable[type] = ()) -> None:
        classes = tuple(classes)
        for each in classes:
            if not isinstance(each, type):
                raise TypeError(f"expected classes, found {type(each).__name__} {shown(each)}")
        self._classes = {(cls.__module__, cls.__qualname__): cls for cls in classes}

    def find(self, module: str, name: str) -> type | None:
        """See `Classes`."""
        return self._classes.get((module, name))


_NONE: Final = Known()


def classes_of(classes: Classes | Iterable[type] | None) -> Classes:
    """The classes that data may name, however they are given.

    Raises:
        TypeError: something in an iterable is not a class.
    """
    if classes is None:
        return _NONE
    return Known(classes) if isinstance(classes, Iterable) else classes


class Reader:
    """Reads one value.

    Args:
        classes: the classes that the data may name.
        store: where the files with large bytes are.
    """

    def __init__(
        self, classes: Classes | Iterable[type] | None = None, store: Store | None = None
    ) -> None:
        self.classes = classes_of(classes)
        self._store = store
        self._depth = 0

    def read(self, data: Any) -> Any:
        """The value of JSON data; data without tags is returned as it is.

        Raises:
            FormatError: the data is not what `Writer.write` returned, or names an unknown class.
            ValueLostError: a file with a large value is gone, or was changed.
        """
        if not _has_tags(data):
            return data
        try:
            return self.value(data)
        except RecursionError:
            raise FormatError("a stored value is nested too deep") from None

    def value(self, data: Any) -> Any:
        """The value of a part."""
        kind = type(data)
        if kind is not dict and kind is not list:
            return data
        self._depth += 1
        if self._depth > _DEEPEST_READ:
            raise FormatError("a stored value is nested too deep")
        try:
            if kind is list:
                return [self.value(each) for each in data]
            if TAG in data:
                return self._tagged(data)
            return {key: self.value(each) for key, each in data.items()}
        finally:
            self._depth -= 1

    def _tagged(self, data: dict[str, Any]) -> Any:
        name = data[TAG]
        if type(name) is not str or data.keys() != {TAG, VALUE}:
            raise FormatError("a stored value has a malformed tag")
        kind = kind_named(name)
        if kind is None:
            raise FormatError(
                f"a stored value is of the kind {name[:100]!r}, which is not known here: the class "
                "must be registered, or the package installed, in this process too"
            )
        try:
            return kind.read(data[VALUE], self)
        except FormatError:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            raise FormatError(
                f"a stored value of the kind {name!r} is not valid: {error}"
            ) from error

    def bytes(self, blob: Any) -> bytes:
        """The bytes that `Writer.blob` wrote."""
        match blob:
            case {"base64": str(text)}:
                try:
                    return base64.b64decode(text, validate=True)
                except binascii.Error as error:
                    raise FormatError(f"a stored value is not base64: {error}") from None
            case {"file": dict(reference)}:
                if self._store is None:
                    raise FormatError(
                        "a large value is in a file, but VOLNUX_VALUES is not set here: set it to "
                        "the place that it had when the value was written"
                    )
                found: bytes = self._store.read(reference)
                return found
            case _:
                raise FormatError("a stored value has no bytes")


_DEEPEST_READ: Final = 2 * DEEPEST
"""A tagged value has a dict of its own around its content."""


_MANY: Final = 100_000


def _has_tags(data: Any) -> bool:
    """Whether JSON data has a tagged value, or is nested so deep that it must be read with care."""
    level = [data]
    for _ in range(DEEPEST + 1):
        if len(level) > _MANY:
            # Parts that refer to each other would otherwise double at each level.
            level = list({id(each): each for each in level}.values())
        dicts = [each for each in level if type(each) is dict]
        if TAG in chain.from_iterable(dicts):
            return True
        lists = [each for each in level if type(each) is list]
        if not dicts and not lists:
            return False
        level = list(chain.from_iterable(chain(lists, map(dict.values, dicts))))
    return True

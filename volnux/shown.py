"""`shown`: a short text for a value of the user, for messages and reports."""

from __future__ import annotations

import sys
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["cut", "shown"]

_DEEPEST = 100
"""The maximum depth of nested containers that is shown."""

_WIDEST_INTEGER = 10_000
"""The maximum bits of an integer that is shown in digits; Python writes at most 4,300 digits."""


def cut(text: str, most: int) -> str:
    """The text, or its first `most` characters and a `…`."""
    return text if len(text) <= most else text[:most] + "…"


def shown(value: Any, most: int = 200) -> str:
    """The `repr` of a value, cut after `most` characters; a cut text ends in `…`.

    The text is cut while it is built. Builtin containers, text, bytes, dataclasses and named tuples
    are only read as far as they are shown, so a result of 2 GB takes hardly more time than one of 2
    KB. For any other object, `repr` is called once. Its exceptions are caught, except
    `KeyboardInterrupt`.
    """
    text = _Text(most)
    try:
        text.add_value(value)
    except (_FullError, RecursionError):
        from volnux.masking import hide

        # A secret that is cut could not be recognized later.
        return hide("".join(text.parts))[:most] + "…"
    return "".join(text.parts)


class _FullError(Exception):
    """The text has reached its maximum length."""


class _Text:
    """The text so far; adding more than its maximum length raises `_FullError`."""

    def __init__(self, most: int) -> None:
        self.parts: list[str] = []
        self.most = most
        self._left = most
        self._open: set[int] = set()

    def add(self, part: str) -> None:
        self.parts.append(part)
        self._left -= len(part)
        if self._left < 0:
            raise _FullError

    def add_value(self, value: Any) -> None:
        try:
            kind = type(value)
            write = _WRITERS.get(kind.__repr__)
            if write is None and isinstance(value, tuple) and _is_named_tuple(kind):
                write = _named_tuple
            if write is None and _is_plain_dataclass(kind):
                write = _dataclass
            if write is None:
                self.add(repr(value))
            else:
                write(self, value)
        except (_FullError, RecursionError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a user's __repr__ may do anything
            self.add(f"<{type(value).__name__} whose repr raised {type(error).__name__}>")

    def add_items(
        self, start: str, items: Iterable[Any], end: str, owner: Any, *, in_itself: str = ""
    ) -> None:
        """Add items between brackets; a container inside itself is shown as in Python."""
        if id(owner) in self._open:
            self.add(in_itself or f"{start}...{end}")
            return
        if len(self._open) == _DEEPEST:
            raise _FullError
        self._open.add(id(owner))
        self.add(start)
        for position, item in enumerate(items):
            if position:
                self.add(", ")
            if type(item) is _Pair:
                item.write(self)
            else:
                self.add_value(item)
        self.add(end)
        self._open.discard(id(owner))


class _Pair:
    """An item of a dict (`key: value`), or a field (`name=value`)."""

    def __init__(self, key: Any, value: Any, *, field: bool = False) -> None:
        self._key = key
        self._value = value
        self._field = field

    def write(self, text: _Text) -> None:
        if self._field:
            text.add(f"{self._key}=")
        else:
            text.add_value(self._key)
            text.add(": ")
        text.add_value(self._value)


def _str(text: _Text, value: str) -> None:
    if len(value) <= text.most:
        text.add(str.__repr__(value))
        return
    from volnux.masking import beginning

    head, whole = beginning(value, text.most)
    if whole and len(head) <= text.most:
        text.add(str.__repr__(head))
        return
    # Python chooses the quotes by the whole text: these two characters lead to the same choice.
    quotes, written = ("'", 2) if "'" in value and '"' not in value else ("'\"", 4)
    text.add(str.__repr__(head + quotes)[:-written])
    raise _FullError


def _bytes(text: _Text, value: bytes | bytearray) -> None:
    if len(value) <= text.most:
        text.add(type(value).__repr__(value))
        return
    quotes = b"'" if b"'" in value and b'"' not in value else b"'\""
    head = bytes(value[: text.most]) + quotes
    text.add(repr(head) if isinstance(value, bytes) else repr(bytearray(head)))


def _int(text: _Text, value: int) -> None:
    bits = value.bit_length()
    text.add(int.__repr__(value) if bits <= _WIDEST_INTEGER else f"<an int of {bits} bits>")


def _list(text: _Text, value: list[Any]) -> None:
    text.add_items("[", value, "]", value)


def _tuple(text: _Text, value: tuple[Any, ...]) -> None:
    text.add_items("(", value, ",)" if len(value) == 1 else ")", value, in_itself="(...)")


def _set(text: _Text, value: set[Any] | frozenset[Any]) -> None:
    name = type(value).__name__
    if not value:
        text.add(f"{name}()")
    elif type(value) is set:
        text.add_items("{", value, "}", value)
    else:
        text.add_items(f"{name}({{", value, "})", value)


def _dict(text: _Text, value: dict[Any, Any]) -> None:
    text.add_items("{", (_Pair(*item) for item in value.items()), "}", value)


def _ordered_dict(text: _Text, value: OrderedDict[Any, Any]) -> None:
    name = type(value).__name__
    if not value:
        text.add(f"{name}()")
    elif sys.version_info >= (3, 12):
        pairs = (_Pair(*item) for item in value.items())
        text.add_items(f"{name}({{", pairs, "})", value, in_itself="...")
    else:
        text.add_items(f"{name}([", value.items(), "])", value, in_itself="...")


def _default_dict(text: _Text, value: defaultdict[Any, Any]) -> None:
    text.add(f"{type(value).__name__}({value.default_factory!r}, ")
    _dict(text, value)
    text.add(")")


def _counter(text: _Text, value: Counter[Any]) -> None:
    if not value:
        text.add(f"{type(value).__name__}()")
        return
    try:
        pairs = value.most_common(text.most)
    except TypeError:  # counts that cannot be compared
        pairs = list(value.items())
    text.add(f"{type(value).__name__}(")
    text.add_items("{", (_Pair(*pair) for pair in pairs), "}", value)
    text.add(")")


def _deque(text: _Text, value: deque[Any]) -> None:
    end = "])" if value.maxlen is None else f"], maxlen={value.maxlen})"
    text.add_items(f"{type(value).__name__}([", value, end, value, in_itself="[...]")


def _array(text: _Text, value: array[Any]) -> None:
    text.add(array.__repr__(value[: text.most + 1]))


def _exception(text: _Text, value: BaseException) -> None:
    text.add_items(f"{type(value).__name__}(", value.args, ")", value)


def _named_tuple(text: _Text, value: Any) -> None:
    fields = (
        _Pair(name, item, field=True) for name, item in zip(value._fields, value, strict=True)
    )
    text.add_items(f"{type(value).__name__}(", fields, ")", value, in_itself="...")


def _dataclass(text: _Text, value: Any) -> None:
    fields = type(value).__dataclass_fields__.values()
    pairs = (
        _Pair(field.name, getattr(value, field.name), field=True)
        for field in fields
        if field.repr and field._field_type.name == "_FIELD"
    )
    text.add_items(f"{type(value).__qualname__}(", pairs, ")", value, in_itself="...")


def _is_named_tuple(kind: type) -> bool:
    """Whether the class has the `__repr__` that `collections.namedtuple` made."""
    return hasattr(kind, "_fields") and getattr(kind.__repr__, "__module__", "") == "collections"


def _is_plain_dataclass(kind: type) -> bool:
    """Whether the class has the `__repr__` that `dataclass` made; the same test as in `pprint`."""
    made = getattr(kind.__repr__, "__wrapped__", None)
    return hasattr(kind, "__dataclass_fields__") and "__create_fn__" in getattr(
        made, "__qualname__", ""
    )


_WRITERS: dict[Any, Callable[[_Text, Any], None]] = {
    str.__repr__: _str,
    bytes.__repr__: _bytes,
    bytearray.__repr__: _bytes,
    int.__repr__: _int,
    list.__repr__: _list,
    tuple.__repr__: _tuple,
    set.__repr__: _set,
    frozenset.__repr__: _set,
    dict.__repr__: _dict,
    OrderedDict.__repr__: _ordered_dict,
    defaultdict.__repr__: _default_dict,
    Counter.__repr__: _counter,
    deque.__repr__: _deque,
    array.__repr__: _array,
    BaseException.__repr__: _exception,
}
"""Functions by the `__repr__` of a class, which subclasses may inherit."""

"""Writes values as tagged JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NoReturn

from volnux.shown import shown
from volnux.values.kinds import TAG, VALUE, NotPortableError
from volnux.values.plain import DEEPEST, is_plain, is_plain_scalar
from volnux.values.registry import kind_of

if TYPE_CHECKING:
    from volnux.values.reading import Classes
    from volnux.values.store import Shelf

__all__ = ["Writer"]

_HOW = (
    "return a value of a type that volnux knows, or make its class known with "
    "volnux.values.register"
)

_FLATTEN = "return a value with fewer levels, and none that contains itself"

_TAG_LEVELS = 2
"""What a tag adds at most to the nesting: itself, and the lists or dicts in its content."""


class Writer:
    """Writes one value.

    Args:
        what: how errors call the value.
        shelf: where large bytes go; without one, they go into the JSON.
        reserved: keys that no dict of the JSON may have, because the host keeps them for itself.
        classes: the classes that the reader will know; None if the reader decides.
        hide: replaces what must not be seen in a text or in bytes.
    """

    def __init__(
        self,
        what: str = "value",
        shelf: Shelf | None = None,
        reserved: Collection[str] = (),
        classes: Classes | None = None,
        hide: Callable[[Any], Any] | None = None,
    ) -> None:
        self._what = what
        self._shelf = shelf
        self._reserved = reserved
        self._classes = classes
        self._hide = hide
        self._path: list[Any] = []
        self._depth = 0

    def write(self, value: Any) -> Any:
        """The value as JSON; a value that is plain JSON is returned as it is.

        Raises:
            NotPortableError: a part of it is of a type that nothing is known of.
        """
        return value if is_plain(value, self._reserved) else self.tagged(value)

    def tagged(self, value: Any) -> Any:
        """The value as JSON, as `write` returns it for a value that is not plain JSON."""
        try:
            return self.json(value)
        except RecursionError:
            self.refuse("is nested too deep for the stack of Python", _FLATTEN)

    def json(self, value: Any, step: str | int | tuple[Any] | None = None) -> Any:
        """A part of the value as JSON.

        Args:
            value: the part.
            step: where errors say that the part is: its index, its key as a tuple `(key,)`, or a
                text such as `.name`; None if that is where the whole is.
        """
        if is_plain_scalar(value):
            return value if self._hide is None or type(value) is not str else self._hide(value)
        if step is not None:
            self._path.append(step)
        self._depth += 1
        if self._depth > DEEPEST:
            self.refuse(f"is nested more than {DEEPEST} levels deep as JSON", _FLATTEN)
        found = self._json(value)
        self._depth -= 1
        if step is not None:
            self._path.pop()
        return found

    def _json(self, value: Any) -> Any:
        cls = type(value)
        if self._hide is not None:
            if cls is str or cls is bytes:
                value = self._hide(value)
            elif cls is dict:
                value = {self._hide(key): each for key, each in value.items()}
        if cls is list:
            return [self.json(each, index) for index, each in enumerate(value)]
        if cls is dict and self._is_plain_dict(value):
            return {key: self.json(each, (key,)) for key, each in value.items()}
        kind = kind_of(cls)
        if kind is None:
            self.refuse(f"is of type {_name_of(cls)}")
        self._depth += _TAG_LEVELS
        content = kind.write(value, self)
        self._depth -= _TAG_LEVELS
        return {TAG: kind.name, VALUE: content}

    def _is_plain_dict(self, value: dict[Any, Any]) -> bool:
        return all(
            type(key) is str and key != TAG and key not in self._reserved and is_plain_scalar(key)
            for key in value
        )

    def may_name(self, cls: type) -> bool:
        """Whether the reader will know a class."""
        if self._classes is None:
            return True
        return self._classes.find(cls.__module__, cls.__qualname__) is cls

    def knows_other(self, cls: type) -> bool:
        """Whether the reader will know another class of the same module name and name."""
        if self._classes is None:
            return False
        return self._classes.find(cls.__module__, cls.__qualname__) not in (None, cls)

    def blob(self, data: Any, suffix: str = ".bin", *, size: int | None = None) -> dict[str, Any]:
        """Bytes as JSON: as base64, or as a reference to a file if they are large.

        Args:
            data: bytes, or an object with a buffer; or a function that writes them to the stream
                that it gets.
            suffix: the end of the file's name.
            size: about how many bytes the function writes.
        """
        if size is None:
            size = memoryview(data).nbytes
        if self._shelf is not None and size > self._shelf.inline:
            return {"file": self._shelf.put(data, suffix)}
        return {"base64": base64.b64encode(_written(data) if callable(data) else data).decode()}

    def refuse(self, problem: str, how: str = _HOW) -> NoReturn:
        """Refuse the part that is being written.

        Args:
            problem: what is wrong, after the path of the part.
            how: what the user can do.
        """
        path = [
            f"[{shown(*step)}]"
            if type(step) is tuple
            else f"[{step}]"
            if type(step) is int
            else step
            for step in self._path
        ]
        if len(path) > 20:
            path[10:-10] = ["…"]
        raise NotPortableError(f"{self._what}{''.join(path)} {problem}: {how}")


def _written(write: Callable[[io.BytesIO], None]) -> memoryview:
    stream = io.BytesIO()
    write(stream)
    return stream.getbuffer()


def _name_of(cls: type) -> str:
    name = cls.__qualname__
    return name if cls.__module__ == "builtins" else f"{cls.__module__}.{name}"

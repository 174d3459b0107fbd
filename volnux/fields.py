"""Input fields of a pipeline class: what a run is given, checked before it starts."""

from __future__ import annotations

import datetime as dt
import functools
import os
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self, overload

from volnux.errors import VolnuxError
from volnux.events.executors import EMPTY
from volnux.events.files import InputFile
from volnux.graph.model import InputSpec

__all__ = ["FieldError", "FileInputDataField", "InputDataField"]

_NAMES: dict[Any, str] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    dt.date: "date",
    dt.datetime: "datetime",
    list: "list",
    dict: "dict",
}

BatchProcessor = Callable[[Any, int], Iterable[Any]]
"""Cuts a value into batches: takes the value and the batch size, gives the parts in order."""


class FieldError(VolnuxError, TypeError):
    """A field is declared in a way that cannot work."""


class InputDataField:
    """One input of a pipeline, declared as a class attribute.

    Args:
        data_type: a type, a tuple of types, or any annotation that pydantic knows.
        required: whether a run must be given a value.
        default: the value otherwise; None if it is left out.
        batch_size: items in a batch, for batch pipelines.
        batch_processor: a function `(value, batch_size) -> parts` that cuts in another way.
        description: shown where the input is asked for.

    Reading the attribute on a pipeline gives the value; assigning checks it.
    """

    def __init__(
        self,
        data_type: Any = Any,
        required: bool = False,  # noqa: FBT001, FBT002 - a field, as in a dataclass
        default: Any = EMPTY,
        *,
        batch_size: int | None = None,
        batch_processor: BatchProcessor | None = None,
        description: str | None = None,
    ) -> None:
        if required and default is not EMPTY:
            raise FieldError("a required field has no default: leave one of them out")
        _check_size("batch_size", batch_size)
        if batch_processor is not None and not callable(batch_processor):
            raise FieldError(f"batch_processor is a function, found {batch_processor!r}")
        self.data_type = data_type
        self.required = required
        self.default = None if default is EMPTY else default
        self.batch_size = batch_size
        self.batch_processor = batch_processor
        self.description = description
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Any: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        return instance.__dict__.get(self.name, self.default)

    def __set__(self, instance: object, value: Any) -> None:
        from volnux.events.inputs import bind_inputs

        bound = bind_inputs([self.spec()], {self.name: value}, {self.name: self.read})
        instance.__dict__[self.name] = bound[self.name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or '?'}: {self.type_name})"

    @property
    def type_name(self) -> str:
        """The type as `@input` would name it; `any` where it has no such name."""
        return _NAMES.get(self.data_type, "any")

    def spec(self) -> InputSpec:
        """The field as an input of a graph."""
        return InputSpec(self.name, self.type_name, self.required, self.default)

    def read(self, value: Any) -> Any:
        """The value as the field's type.

        Raises:
            pydantic.ValidationError: it is not of that type.
        """
        if self.data_type is Any or (value is None and not self.required):
            return value
        return self._adapter.validate_python(value)

    @functools.cached_property
    def _adapter(self) -> Any:
        from pydantic import ConfigDict, TypeAdapter

        data_type = self.data_type
        if isinstance(data_type, tuple):
            data_type = typing.Union[data_type]  # noqa: UP007 - made from a tuple at run time
        try:
            return TypeAdapter(data_type)
        except Exception:  # noqa: BLE001 - pydantic asks for a config with foreign classes
            return TypeAdapter(data_type, config=ConfigDict(arbitrary_types_allowed=True))

    @property
    def cut(self) -> bool:
        """Whether a batch pipeline cuts this field into batches."""
        return self.batch_size is not None

    def batches(self, value: Any) -> Iterator[Any]:
        """The parts of a value, one after the other; the source is never read whole."""
        if self.batch_size is None:
            raise FieldError(f"the field {self.name} has no batch_size")
        if self.batch_processor is not None:
            yield from self.batch_processor(value, self.batch_size)
            return
        batch: list[Any] = []
        for item in value:
            batch.append(item)
            if len(batch) == self.batch_size:
                yield self._part(batch)
                batch = []
        if batch:
            yield self._part(batch)

    def count(self, value: Any) -> int | None:
        """How many batches there will be; None where that is not known before they are read."""
        if self.batch_processor is not None or not hasattr(value, "__len__"):
            return None
        assert self.batch_size is not None
        return -(-len(value) // self.batch_size)

    def _part(self, items: list[Any]) -> Any:
        return self.data_type(items) if self.data_type in (tuple, set, frozenset) else items


class FileInputDataField(InputDataField):
    """A file as an input: given as a path or an open file, received as an `InputFile`.

    Args:
        path: the file that is used unless another is given.
        required: whether a run must be given a file.
        chunk_size: bytes in a batch, for batch pipelines; text is cut at line ends.
        mode: `r` for text, `rb` for bytes.
        encoding: of a text file.
        description: shown where the input is asked for.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        required: bool = False,  # noqa: FBT001, FBT002 - a field, as in a dataclass
        *,
        chunk_size: int | None = None,
        mode: str = "r",
        encoding: str = "utf-8",
        description: str | None = None,
    ) -> None:
        if mode not in ("r", "rb", "rt"):
            raise FieldError(f"a file input is read: its mode is 'r' or 'rb', found {mode!r}")
        _check_size("chunk_size", chunk_size)
        super().__init__(
            str,
            required and path is None,
            EMPTY if path is None else os.fspath(path),
            description=description,
        )
        self.chunk_size = chunk_size
        self.mode = mode
        self.encoding = encoding

    def read(self, value: Any) -> Any:
        """The `InputFile` of a path or an open file.

        Raises:
            ValueError: there is no such file, or the value is neither.
        """
        if value is None:
            return None
        if isinstance(value, InputFile):
            return value
        if hasattr(value, "read"):
            name = getattr(value, "name", None)
            if not isinstance(name, str):
                raise ValueError("an open file must have a path: write its content to a file")
            value = name
        if not isinstance(value, str | os.PathLike):
            raise ValueError("expected a path or an open file")
        path = Path(value)
        if not path.is_file():
            what = "a directory" if path.is_dir() else "no file"
            raise ValueError(f"{os.fspath(path)} is {what}")
        return InputFile(path, mode=self.mode, encoding=self.encoding)

    @property
    def cut(self) -> bool:
        """Whether a batch pipeline cuts this file into chunks."""
        return self.chunk_size is not None

    def batches(self, value: Any) -> Iterator[Any]:
        """Parts of the file, as `InputFile` objects that read their bytes when they are used."""
        file = self.read(value)
        for start, end in _chunks(file, self.chunk_size or 0):
            yield InputFile(file.path, mode=file.mode, encoding=file.encoding, start=start, end=end)

    def count(self, value: Any) -> int | None:
        """How many chunks there will be."""
        return sum(1 for _ in _chunks(self.read(value), self.chunk_size or 0))


def _chunks(file: InputFile, size: int) -> Iterator[tuple[int, int]]:
    """Byte offsets of the chunks of a file; a text file is cut behind the line that fills one."""
    text = "b" not in file.mode
    with file.path.open("rb") as handle:
        total = handle.seek(0, os.SEEK_END)
        start = 0
        while start < total:
            end = min(start + size, total)
            if text and end < total:
                # Read on to the end of the line: the chunk ends behind it.
                handle.seek(end - 1)
                while True:
                    line = handle.readline(1 << 16)
                    end = handle.tell()
                    if not line or line.endswith(b"\n"):
                        break
            yield start, end
            start = end


def _check_size(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise FieldError(f"{name} is a whole number of at least 1, found {value!r}")

"""Input fields of a pipeline class: declare the inputs of a run, and check their values."""

from __future__ import annotations

import codecs
import datetime as dt
import functools
import os
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, overload

from volnux.errors import VolnuxError
from volnux.events.executors import EMPTY
from volnux.events.files import InputFile
from volnux.graph.model import InputSpec
from volnux.pointy.inputtypes import InputType

__all__ = ["FieldError", "FileInputDataField", "InputDataField"]

_NAMES: dict[type, str] = {each.python: each.value for each in InputType}

_UNCUT = (int, float, bool, complex, dt.date, dt.datetime, dt.time, Path)
"""Types whose values cannot be cut into parts of the same type."""

BatchProcessor = Callable[[Any, int], Iterable[Any]]
"""A function that takes a value and a batch size, and returns the parts in order."""


class FieldError(VolnuxError, TypeError):
    """A field has arguments that are not valid."""


class InputDataField:
    """One input of a pipeline, declared as a class attribute.

    Args:
        data_type: a type, a tuple of types, or any annotation that pydantic knows.
        required: whether a run needs a value.
        default: the value if none is given (each run gets a copy); None by default.
        batch_size: the number of items in a batch, for batch pipelines. Each batch has the
            `data_type` too.
        batch_processor: a function `(value, batch_size) -> parts` that cuts the value instead.
        description: the text that user interfaces show for the input.

    Reading the attribute of a pipeline returns the value; assigning a value checks it.

    Raises:
        FieldError: the arguments are not valid, or do not fit together.
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
            raise FieldError("a required field has no default: remove one of them")
        _check_size("batch_size", batch_size)
        _check_processor(batch_processor, "batch_size", batch_size)
        if batch_size is not None and batch_processor is None and data_type in _UNCUT:
            raise FieldError(
                f"a batch has the data_type of its field, but {data_type.__name__} is not a "
                f"collection: use data_type=list[{data_type.__name__}], or give a batch_processor"
            )
        self.data_type = data_type
        self.required = required
        self.default = None if default is EMPTY else default
        self.batch_size = batch_size
        self.batch_processor = batch_processor
        self.description = description
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        # One field with two names is refused when the class is complete: Python 3.11 would wrap an
        # error that is raised here in a RuntimeError.
        self.name = self.name or name

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_adapter"}

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

        bound = bind_inputs(
            [self.spec()], {self.name: value}, {self.name: self.read}, {self.name: self.kind}
        )
        instance.__dict__[self.name] = bound[self.name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or '?'}: {self.type_name})"

    @property
    def type_name(self) -> str:
        """The name of the type for `@input`; `any` if it has none."""
        plain = typing.get_origin(self.data_type) or self.data_type
        return _NAMES.get(plain, "any") if isinstance(plain, type) else "any"

    @property
    def kind(self) -> str:
        """The name of the value's type in errors."""
        return self.type_name

    def spec(self) -> InputSpec:
        """The field as an input spec of a graph."""
        return InputSpec(self.name, self.type_name, self.required, self.default)

    def read(self, value: Any) -> Any:
        """Check a value and convert it to the field's type.

        Raises:
            pydantic.ValidationError: the value does not fit the type.
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
        except Exception:  # noqa: BLE001 - pydantic needs a config for foreign classes
            return TypeAdapter(data_type, config=ConfigDict(arbitrary_types_allowed=True))

    @property
    def cut(self) -> bool:
        """Whether a batch pipeline cuts this field into batches."""
        return self.batch_size is not None

    def check_source(self, value: Any) -> None:
        """Check that a value can be cut into batches, without reading it.

        Raises:
            ValueError: it cannot.
        """
        if self.batch_processor is not None:
            return
        if isinstance(value, str | bytes) and self._container not in (type(value), Any):
            raise ValueError(
                f"expected a collection to cut into batches, found a single {type(value).__name__}"
            )
        if not hasattr(value, "__iter__"):
            raise ValueError("expected items to cut into batches")

    def batches(self, value: Any) -> Iterator[Any]:
        """Yield the parts of a value one by one; an iterator is never read whole."""
        if self.batch_size is None:
            raise FieldError(f"the field {self.name} has no batch_size")
        if self.batch_processor is not None:
            yield from self.batch_processor(value, self.batch_size)
            return
        if isinstance(value, Mapping):
            value = value.items()
        batch: list[Any] = []
        for item in value:
            batch.append(item)
            if len(batch) == self.batch_size:
                yield self._part(batch)
                batch = []
        if batch:
            yield self._part(batch)

    def count(self, value: Any) -> int | None:
        """The number of batches; None if it is known only after reading the value."""
        if not hasattr(value, "__len__"):
            return None
        if self.batch_processor is not None:
            return sum(1 for _ in self.batches(value))
        assert self.batch_size is not None
        return -(-len(value) // self.batch_size)

    @property
    def _container(self) -> Any:
        return typing.get_origin(self.data_type) or self.data_type

    def _part(self, items: list[Any]) -> Any:
        container = self._container
        if container is str:
            return "".join(items)
        if container in (bytes, dict, tuple, set, frozenset):
            return container(items)
        return items


class FileInputDataField(InputDataField):
    """A file input: a run is given a path or an open file, and events receive an `InputFile`.

    Args:
        path: the default file; a path or None.
        required: whether a run needs a file.
        chunk_size: the number of bytes in a batch, for batch pipelines. Text is cut only after the
            end of a line, so a chunk can be longer.
        batch_processor: a function `(file, chunk_size) -> parts` that cuts the file instead.
        mode: `r` for text, `rb` for bytes.
        encoding: the encoding of a text file.
        description: the text that user interfaces show for the input.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        required: bool = False,  # noqa: FBT001, FBT002 - a field, as in a dataclass
        *,
        chunk_size: int | None = None,
        batch_processor: BatchProcessor | None = None,
        mode: str = "r",
        encoding: str = "utf-8",
        description: str | None = None,
    ) -> None:
        if mode not in ("r", "rb", "rt"):
            raise FieldError(f"the mode of a file input must be 'r' or 'rb', found {mode!r}")
        _check_size("chunk_size", chunk_size)
        _check_processor(batch_processor, "chunk_size", chunk_size)
        if chunk_size is not None and mode != "rb" and _is_wide(encoding):
            raise FieldError(
                f"text in {encoding} cannot be split at line ends by byte: "
                "use mode='rb', or a batch_processor"
            )
        super().__init__(
            str,
            required and path is None,
            EMPTY if path is None else os.fspath(path),
            description=description,
        )
        self.chunk_size = chunk_size
        self.batch_processor = batch_processor
        self.mode = mode
        self.encoding = encoding

    @property
    def kind(self) -> str:
        """See `InputDataField.kind`."""
        return "file path"

    def read(self, value: Any) -> Any:
        """Make an `InputFile` from a path or an open file.

        Raises:
            ValueError: there is no such file, or the value is neither of them.
        """
        if value is None and not self.required:
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
            what = "is a directory" if path.is_dir() else "does not exist"
            raise ValueError(f"{os.fspath(path)} {what}")
        return InputFile(path, mode=self.mode, encoding=self.encoding)

    @property
    def cut(self) -> bool:
        """Whether a batch pipeline cuts this file into chunks."""
        return self.chunk_size is not None

    def check_source(self, value: Any) -> None:
        """See `InputDataField.check_source`."""
        self.read(value)

    def batches(self, value: Any) -> Iterator[Any]:
        """Yield the parts of the file as `InputFile` objects, which are read when they are used."""
        if self.chunk_size is None:
            raise FieldError(f"the field {self.name} has no chunk_size")
        file = self.read(value)
        if self.batch_processor is not None:
            with file.fresh() as opened:
                yield from self.batch_processor(opened, self.chunk_size)
            return
        for start, end in _chunks(file, self.chunk_size):
            yield InputFile(file.path, mode=file.mode, encoding=file.encoding, start=start, end=end)

    def count(self, value: Any) -> int | None:
        """The number of chunks."""
        return sum(1 for _ in self.batches(value))


def _chunks(file: InputFile, size: int) -> Iterator[tuple[int, int]]:
    """The byte offsets of the chunks of a file; a text file is cut only at line ends."""
    text = "b" not in file.mode
    with file.path.open("rb") as handle:
        total = handle.seek(0, os.SEEK_END)
        if file.end is not None:
            total = min(total, file.end)
        start = file.start
        while start < total:
            end = min(start + size, total)
            if text and end < total:
                # Read to the end of the line: the chunk ends after it.
                handle.seek(end - 1)
                while True:
                    line = handle.readline(1 << 16)
                    end = min(handle.tell(), total)
                    if not line or line.endswith(b"\n"):
                        break
            yield start, end
            start = end


def _is_wide(encoding: str) -> bool:
    """Whether a line end takes more than one byte in an encoding."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise FieldError(f"there is no encoding {encoding!r}") from None
    return name.startswith(("utf-16", "utf-32"))


def _check_size(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise FieldError(f"{name} must be a whole number of at least 1, found {value!r}")


def _check_processor(processor: object, size_name: str, size: int | None) -> None:
    if processor is None:
        return
    if not callable(processor):
        raise FieldError(f"batch_processor must be a function, found {processor!r}")
    if size is None:
        raise FieldError(f"batch_processor needs a {size_name}: give both")

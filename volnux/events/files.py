"""Files as inputs of a pipeline: opened at the first read, closed when the attempt has ended."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

__all__ = ["InputFile", "close_files", "with_own_files"]


class InputFile(os.PathLike[str]):
    """A file, or a part of one, that an event reads; it is opened at the first read.

    It can be read like an open file (`read`, `readline`, iteration, `with`) and used as a path
    (`open(book)`, `Path(book)`). Each attempt of an event gets a separate object, which is closed
    afterwards.

    Args:
        path: the file.
        mode: `r` for text, `rb` for bytes.
        encoding: the encoding of a text file.
        start, end: byte offsets of the part to read; an `end` of None is the end of the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: str = "r",
        encoding: str | None = "utf-8",
        start: int = 0,
        end: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.mode = mode
        self.encoding = None if "b" in mode else encoding
        self.start = start
        self.end = end
        self._handle: IO[Any] | None = None

    def __repr__(self) -> str:
        part = "" if self.start == 0 and self.end is None else f"[{self.start}:{self.end}]"
        return f"InputFile({str(self.path)!r}{part})"

    def __fspath__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (str(self.path), self.mode, self.encoding, self.start, self.end)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputFile) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__()[1])

    def open(self) -> IO[Any]:
        """The open file (or part of it); every call returns the same object until `close`."""
        if self._handle is None:
            if self.start == 0 and self.end is None:
                self._handle = self.path.open(self.mode, encoding=self.encoding)
            else:
                self._handle = self._open_part()
        return self._handle

    def _open_part(self) -> IO[Any]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            data = file.read(-1 if self.end is None else self.end - self.start)
        if "b" in self.mode:
            return io.BytesIO(data)
        return io.TextIOWrapper(io.BytesIO(data), encoding=self.encoding)

    def read(self, size: int = -1) -> Any:
        """Read the rest of the file, or at most `size` characters (bytes in binary mode)."""
        return self.open().read(size)

    def readline(self) -> Any:
        """Read the next line; empty at the end of the file."""
        return self.open().readline()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.open())

    def __enter__(self) -> InputFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether the file is currently closed."""
        return self._handle is None

    def close(self) -> None:
        """Close the file if it is open; a later read opens it again from the beginning."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def fresh(self) -> InputFile:
        """A new, closed object for the same file, for another reader."""
        return InputFile(
            self.path, mode=self.mode, encoding=self.encoding, start=self.start, end=self.end
        )


def _restore(path: str, mode: str, encoding: str | None, start: int, end: int | None) -> InputFile:
    return InputFile(path, mode=mode, encoding=encoding, start=start, end=end)


def with_own_files(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The inputs with a separate object for each file; the same mapping if there are no files."""
    if not any(isinstance(value, InputFile) for value in inputs.values()):
        return inputs
    return {
        name: value.fresh() if isinstance(value, InputFile) else value
        for name, value in inputs.items()
    }


def close_files(values: Iterable[Any]) -> None:
    """Close the files among the values."""
    for value in values:
        if isinstance(value, InputFile):
            value.close()

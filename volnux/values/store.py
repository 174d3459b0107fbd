"""Large values in files: each file belongs to a run, and only a reference to it travels."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import quote, unquote

from volnux.errors import shortened
from volnux.redaction import redacted
from volnux.strictjson import FormatError
from volnux.values.folders import PART, Folder, StoreError, absolute, open_folder

__all__ = ["INLINE", "INLINE_NAME", "NAME", "Run", "Shelf", "Store", "StoreError", "ValueLostError"]

NAME: Final = "VOLNUX_VALUES"
"""The environment variable with the place for large values: a folder, or a URL of fsspec."""

INLINE_NAME: Final = "VOLNUX_VALUES_INLINE"
"""The environment variable with the size in bytes above which a value is large."""

INLINE: Final = 64 * 1024
"""The default of that size."""


class ValueLostError(FormatError):
    """A file with a large value is gone, was changed, or cannot be read."""

    __module__ = "volnux.values"


@dataclass(frozen=True, slots=True)
class Run:
    """The files of one run in a store; `modified` is when the newest was written."""

    run_id: str
    files: int
    size: int
    modified: dt.datetime
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """A place for large values, on this machine or elsewhere. It can be pickled.

    Attributes:
        url: a folder, or a URL of fsspec.
        inline: the size in bytes above which a value goes into a file.
        opener: opens the folder; a host with filesystems of its own has another one.
    """

    url: str
    inline: int = INLINE
    opener: Callable[[str], Folder] = open_folder

    @classmethod
    def of_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        opener: Callable[[str], Folder] = open_folder,
    ) -> Store | None:
        """The store that `VOLNUX_VALUES` names; None if it is not set.

        Raises:
            StoreError: a setting is not valid, or a package is not installed.
        """
        url = environment.get(NAME, "").strip()
        size = environment.get(INLINE_NAME, "").strip() or str(INLINE)
        if not re.fullmatch(r"[0-9]{1,18}", size):
            raise StoreError(
                f"{INLINE_NAME} must be a number of bytes such as {INLINE}, found '{size}'"
            )
        if not url:
            return None
        try:
            opener(url)
        except Exception as error:
            raise StoreError(f"{NAME}={redacted(url)}: {_reason(error)}") from error
        return cls(absolute(url), int(size), opener)  # an event may change the current folder

    def at(self, run_id: str, place: str) -> Shelf:
        """Where the large values of a place in a run go."""
        return Shelf(self, run_id, place)

    def read(self, reference: Any) -> bytes:
        """The content of the file of a reference, after a check of its size and digest.

        Raises:
            FormatError: it is not a reference, or it leaves the store.
            ValueLostError: the file is gone, was changed, or cannot be read.
        """
        path, size, digest = _checked(reference)
        try:
            content = self.opener(self.url).read(path)
        except FileNotFoundError:
            raise self._lost(
                path,
                "is not there",
                "start the run again; was it deleted by 'volnux values prune'?",
            ) from None
        except Exception as error:
            raise self._lost(
                path,
                f"cannot be read: {_reason(error)}",
                f"check {NAME}: it must name the place where the value was written",
            ) from error
        if len(content) != size:
            problem = f"has {len(content):,} bytes, but {size:,} bytes were written"
        elif hashlib.sha256(content).hexdigest() != digest:
            problem = "has another content than was written"
        else:
            return content
        raise self._lost(path, problem, "start the run again; the file was changed or damaged")

    def _lost(self, path: str, problem: str, what_to_do: str) -> ValueLostError:
        return ValueLostError(
            f"the file '{path}' with a large value in {redacted(self.url)} {problem}: {what_to_do}"
        )

    def runs(self) -> list[Run]:
        """The runs that have files here, the one with the newest file first.

        Files with other names than those of `Shelf.put` are not part of any run.

        Raises:
            StoreError: the place cannot be read.
        """
        found: dict[str, list[Any]] = {}
        try:
            for file in self.opener(self.url).files():
                if _FILE.fullmatch(file.path):
                    found.setdefault(file.path.partition("/")[0], []).append(file)
        except Exception as error:
            raise StoreError(f"{redacted(self.url)} cannot be read: {_reason(error)}") from error
        runs = [
            Run(
                unquote(name),
                len(files),
                sum(file.size for file in files),
                max(file.modified for file in files),
                tuple(sorted(file.path for file in files)),
            )
            for name, files in found.items()
        ]
        return sorted(runs, key=lambda run: (run.modified, run.run_id), reverse=True)

    def delete(self, run: Run) -> int:
        """Delete the files of a run, and return how many there were; some may be gone already.

        Raises:
            StoreError: a file cannot be deleted.
        """
        folder = self.opener(self.url)
        try:
            return sum(folder.delete(path) for path in run.paths)
        except Exception as error:
            raise StoreError(
                f"the files of run {run.run_id} in {redacted(self.url)} cannot be deleted: "
                f"{_reason(error)}"
            ) from error


@dataclass(frozen=True, slots=True)
class Shelf:
    """The part of a store for the values of one place in one run."""

    store: Store
    run_id: str
    place: str

    @property
    def inline(self) -> int:
        """The size in bytes above which a value goes into a file."""
        return self.store.inline

    def put(self, data: Any, suffix: str = ".bin") -> dict[str, Any]:
        """Write a file, and return the reference to it.

        Args:
            data: an object with a buffer, or a function that writes to the stream that it gets. So
                a large value need not be in memory twice.
            suffix: the end of the file's name.

        Raises:
            StoreError: the file cannot be written; nothing is left of it then.
        """
        path = f"{_name(self.run_id)}/{_name(self.place)}/{secrets.token_hex(16)}{suffix}"
        stream = _Hashing()
        try:
            with self.store.opener(self.store.url).writing(path) as stream.file:
                if callable(data):
                    data(stream)
                else:
                    stream.write(data)
        except OSError as error:
            raise self._failed(stream.failure or error) from None
        except Exception as error:
            raise self._failed(stream.failure or error) from error
        return {"path": path, "size": stream.size, "sha256": stream.digest.hexdigest()}

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(
            f"a large value of {self.place} cannot be written to {redacted(self.store.url)} "
            f"({NAME}): {_reason(error)}; set it to a place that can be written"
        )


class _Hashing(io.RawIOBase):
    """Writes to a file, and computes the digest on the way.

    It has no `fileno`: some writers would write past it.
    """

    def __init__(self) -> None:
        self.file: BinaryIO = io.BytesIO()
        self.size = 0
        self.digest = hashlib.sha256()
        self.failure: Exception | None = None
        """What the file has raised; a writer may turn it into an error of its own."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        try:
            self.file.write(view)
        except Exception as error:
            self.failure = error
            raise
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes


_LONGEST_NAME: Final = 120


def _name(text: str) -> str:
    """A run or a place as the name of a folder on every filesystem."""
    name = quote(text, safe="", errors="surrogatepass")
    if name[:1] in ("", "."):
        name = f"%2E{name[1:]}"
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
        name = f"{name[: _LONGEST_NAME - 17]}-{digest}"
    return name


_FILE: Final = re.compile(
    r"(?!\.)[A-Za-z0-9_.~%-]{1,200}/(?!\.)[A-Za-z0-9_.~%-]{1,200}/[0-9a-f]{32}\.[a-z0-9]{1,10}"
    rf"(?:{re.escape(PART)})?"
)
"""The paths of `Shelf.put`, also of files that are not complete."""


def _checked(reference: Any) -> tuple[str, int, str]:
    match reference:
        case {"path": str(path), "size": int(size), "sha256": str(digest)} if len(reference) == 3:
            if _FILE.fullmatch(path) and not path.endswith(PART):
                return path, size, digest
            raise FormatError(f"a stored value names the file {path[:200]!r}, which no store has")
    raise FormatError("a stored value has a malformed reference to a file")


def _reason(error: BaseException) -> str:
    """What went wrong, in one line and without credentials."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return redacted(shortened(text or type(error).__name__))

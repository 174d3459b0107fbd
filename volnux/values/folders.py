"""The folder of a store: on this machine, or on any filesystem that fsspec knows.

A folder on this machine needs no extra.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from volnux.errors import VolnuxError
from volnux.extras import how_to_install

__all__ = [
    "Folder",
    "LocalFolder",
    "RemoteFolder",
    "StoreError",
    "Stored",
    "absolute",
    "open_folder",
]


class StoreError(VolnuxError):
    """Large values cannot be stored, or the setting of the place for them is not valid."""

    __module__ = "volnux.values"


class Stored(NamedTuple):
    """A file below a folder: its path from there, its size in bytes, when it was written."""

    path: str
    size: int
    modified: dt.datetime


class Folder(ABC):
    """Where the files of a store are. Paths are relative, with `/` between the names."""

    @abstractmethod
    def writing(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A file to write; it is there when the block ends, and not at all if the block fails."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is none.
        """

    @abstractmethod
    def files(self) -> Iterator[Stored]:
        """All files below the folder; none if the folder does not exist."""

    @abstractmethod
    def delete(self, path: str) -> bool:
        """Delete a file, and the folders that are empty then; false if it is gone already."""


def open_folder(url: str) -> Folder:
    """The folder at a local path or at a URL of fsspec.

    Raises:
        StoreError: there is no such filesystem, its package is not installed, or the path is that
            of a file.
    """
    protocol = _PROTOCOL.match(url)
    if protocol is not None and protocol[0].endswith(":") and not protocol[0].endswith("::"):
        raise StoreError(
            f"a URL begins with '{protocol[0]}//'; write a folder of this name as './…'"
        )
    if protocol is None or protocol[0] in ("file://", "local://"):
        path = _local(url[protocol.end() if protocol else 0 :])
        if path.is_file():
            raise StoreError(f"'{path}' is a file, but a folder was expected")
        return LocalFolder(path)
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise StoreError(
            f"'{protocol[0]}' needs the package fsspec: {how_to_install('values')}"
        ) from None
    try:
        return RemoteFolder(*url_to_fs(url))
    except ImportError as error:  # "Install s3fs to access S3"
        raise StoreError(f"'{protocol[0]}' needs a package that is missing: {error}") from None
    except ValueError as error:  # "Protocol not known: s4"
        raise StoreError(
            f"{error}; expected the path of a folder, or a URL with a protocol that fsspec knows, "
            "such as s3://bucket/folder"
        ) from None


def absolute(url: str) -> str:
    """The same place as text that does not depend on the current folder."""
    return url if _PROTOCOL.match(url) else str(_local(url))


_PROTOCOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(?://|:)?")
"""A protocol has more letters than a drive of Windows."""


def _local(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:  # there is no such user
        raise StoreError(
            f"the home folder in '{text}' is not known: write the whole path"
        ) from None


class LocalFolder(Folder):
    """A folder on this machine, or one that is mounted here.

    Args:
        root: its path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        target = self.root / path
        part = target.with_name(f"{target.name}{PART}")
        # `prune` may delete an empty folder before the file is in it.
        for last in (False, False, True):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = part.open("xb")
                break
            except FileNotFoundError:
                if last:
                    raise
        try:
            with file:
                yield file
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def files(self) -> Iterator[Stored]:
        for folder, _, names in os.walk(self.root, onerror=_unless_gone):
            for name in names:
                file = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    about = file.stat()
                    modified = dt.datetime.fromtimestamp(about.st_mtime, dt.UTC)
                    path = file.relative_to(self.root).as_posix()
                    yield Stored(path, about.st_size, modified)

    def delete(self, path: str) -> bool:
        file = self.root / path
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        for parent in file.relative_to(self.root).parents[:-1]:
            with contextlib.suppress(OSError):  # it is not empty, or gone
                (self.root / parent).rmdir()
        return True


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


PART: Final = ".part"
"""The end of the name of a file that is not complete."""


class RemoteFolder(Folder):
    """A folder of an fsspec filesystem.

    An object store shows a file only when it is complete. On other filesystems an incomplete file
    may be seen, but no reference to it exists yet.

    Args:
        filesystem: the `AbstractFileSystem`.
        root: the path of the folder there.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._files = filesystem
        self.root = root.rstrip("/")

    @contextlib.contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        target = f"{self.root}/{path}"
        try:
            file = self._files.open(target, "wb")
        except FileNotFoundError:
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            file = self._files.open(target, "wb")
        try:
            with file:
                yield file
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is the one to report
                self._files.rm_file(target)
            raise

    def read(self, path: str) -> bytes:
        content: bytes = self._files.cat_file(f"{self.root}/{path}")
        return content

    def files(self) -> Iterator[Stored]:
        self._files.invalidate_cache()
        try:
            found = self._files.find(self.root, detail=True)
        except FileNotFoundError:
            return
        for path, about in found.items():
            with contextlib.suppress(FileNotFoundError):
                relative = path.removeprefix(self.root).lstrip("/")
                yield Stored(relative, about["size"] or 0, self._modified(path, about))

    def _modified(self, path: str, about: dict[str, Any]) -> dt.datetime:
        for key in _MODIFIED:
            moment = about.get(key)
            if isinstance(moment, int | float):
                moment = dt.datetime.fromtimestamp(moment, dt.UTC)
            if isinstance(moment, dt.datetime):
                break
        else:
            moment = self._files.modified(path)
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)

    def delete(self, path: str) -> bool:
        try:
            self._files.rm_file(f"{self.root}/{path}")
        except FileNotFoundError:
            return False
        for _ in range(path.count("/")):
            path = path.rpartition("/")[0]
            # Most have no folders; elsewhere it may be not empty, or gone.
            with contextlib.suppress(Exception):
                self._files.rmdir(f"{self.root}/{path}")
        return True


_MODIFIED: Final = ("LastModified", "last_modified", "mtime", "modified", "created")
"""Keys under which filesystems tell when a file was written."""

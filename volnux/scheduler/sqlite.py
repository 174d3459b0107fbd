"""A store in an SQLite file: private, with only one path, and restored if it is deleted."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import tempfile
from enum import Enum
from pathlib import Path

from volnux.databases import DatabaseFileError, make_private
from volnux.scheduler.errors import StoreError

__all__ = ["DatabaseFile", "Found"]

_PRIVATE = 0o600


class Found(Enum):
    """The state of a database file since it was opened."""

    SAME = "same"
    DELETED = "deleted"
    REPLACED = "replaced"


class DatabaseFile:
    """The file of an SQLite store.

    Args:
        path: its path with links resolved, so that a store has only one path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._own_journals: dict[Path, tuple[int, int]] = {}

    def prepare(self) -> None:
        """Create the file if it does not exist, readable by its owner only.

        Raises:
            StoreError: it cannot be created, or has several names.
            sqlite3.OperationalError: it was deleted or replaced while it was in use.
        """
        if self.look() is Found.REPLACED:
            raise sqlite3.OperationalError(f"{self.path} was replaced")
        try:
            make_private(self.path, create=self._identity is None)
        except FileNotFoundError as error:
            if self._identity is None:
                raise StoreError(f"there is no folder {self.path.parent}") from error
            raise sqlite3.OperationalError(f"{self.path} was deleted") from error
        except DatabaseFileError as error:
            raise StoreError(str(error)) from error

    def close_to_others(self) -> None:
        """Make the database and its journals accessible to their owner only.

        An earlier version left them readable by others. New files need no change: SQLite creates
        journals with the mode of their database.
        """
        for each in (self.path, *self._journals()):
            with contextlib.suppress(OSError):  # it belongs to another user, or no longer exists
                if stat.S_IMODE(each.stat().st_mode) & 0o077:
                    each.chmod(_PRIVATE)

    def keep(self) -> None:
        """Keep the database open, so that it can be restored if it is deleted."""
        self._kept = sqlite3.connect(self.path, check_same_thread=False)
        self._kept.execute("SELECT count(*) FROM sqlite_master").fetchone()
        self._identity = _identity(self.path)
        self._own_journals = {path: _identity(path) for path in self._journals()}

    def look(self) -> Found:
        """Check whether the opened file is still in place, or was deleted or replaced."""
        if self._identity is None:
            return Found.SAME
        try:
            same = _identity(self.path) == self._identity
        except OSError as error:
            return Found.DELETED if error.errno in (errno.ENOENT, errno.ENOTDIR) else Found.SAME
        return Found.SAME if same else Found.REPLACED

    def restore(self) -> None:
        """Write the deleted database to its path again.

        Raises:
            OSError, sqlite3.Error: it cannot be written.
        """
        assert self._kept is not None
        number, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
        os.close(number)
        copy = Path(name)
        try:
            with contextlib.closing(sqlite3.connect(copy)) as target:
                self._kept.backup(target)
            self._remove_journals()
            copy.replace(self.path)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise

    def leave_to_other(self) -> None:
        """Close the database, because another one has replaced it."""
        self._remove_journals()
        self.let_go()

    def let_go(self) -> None:
        """Close the database."""
        self._identity = None
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _remove_journals(self) -> None:
        """Remove the journals of the opened file, so that its successor does not get them."""
        for path, identity in self._own_journals.items():
            with contextlib.suppress(OSError):
                if _identity(path) == identity:
                    path.unlink()

    def _journals(self) -> list[Path]:
        names = (f"{self.path.name}{ending}" for ending in ("-wal", "-shm", "-journal"))
        return [path for path in map(self.path.with_name, names) if path.exists()]


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino

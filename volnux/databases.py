"""SQLite files: made for their owner only, and with one name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from volnux.errors import VolnuxError

__all__ = ["DatabaseFileError", "make_private"]

_PRIVATE = 0o600


class DatabaseFileError(VolnuxError):
    """A file cannot be used as an SQLite database."""


def make_private(path: Path, *, create: bool = True) -> None:
    """Create the file of a database if it does not exist, readable by its owner only.

    Args:
        path: the file.
        create: whether it may be created.

    Raises:
        FileNotFoundError: it does not exist and may not be created, or its folder does not exist.
        DatabaseFileError: it cannot be created, or has several names.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        # Closing any descriptor of a database drops SQLite's own locks on it, so an existing file
        # is not opened here.
        if not path.exists():
            os.close(os.open(path, flags, _PRIVATE))
        status = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DatabaseFileError(f"{path} cannot be written: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise DatabaseFileError(f"the store {path} is not a file")
    if status.st_nlink > 1:
        raise DatabaseFileError(
            f"the store {path} has {status.st_nlink} names (hard links): an SQLite "
            "database is damaged if it is used under several names; remove all but one"
        )

"""Finds the `.pty` files for paths, and writes files atomically."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from volnux.errors import Diagnostic, VolnuxError
from volnux.files import Found, find_files

__all__ = ["WriteError", "check", "find", "write"]


class WriteError(VolnuxError):
    """A file cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be written: {error.strerror or error}")


def find(paths: Iterable[Path]) -> Found:
    """Find the pipelines for paths, without duplicates, and diagnostics about other files.

    For a folder, these are the files that `find_files` finds in it; any other path is a file
    itself.
    """
    files: dict[Path, None] = {}
    diagnostics: list[Diagnostic] = []
    for path in paths:
        if _is_folder(path):
            found = find_files(path)
            files.update(dict.fromkeys(found.files))
            diagnostics += found.diagnostics
        else:
            files[path] = None
    return Found(list(files), diagnostics)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the reader reports why it cannot be read
        return False


def check(path: Path) -> None:
    """Check that `write` could write a file, as far as that can be known; write nothing.

    Raises:
        WriteError: it could not.
    """
    target = path.resolve()
    try:
        if target.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        if target.exists():
            if not os.access(target, os.W_OK):
                raise PermissionError(13, os.strerror(13))
        elif not target.parent.is_dir():
            raise FileNotFoundError(2, f"there is no folder {path.parent}")
        # A file is replaced, which needs a new file beside it.
        replaced = not target.exists() or target.is_file()
        if replaced and not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13))
    except OSError as error:
        raise WriteError(path, error) from error


def write(path: Path, data: bytes) -> None:
    """Write a file atomically; an existing file keeps its permissions.

    Raises:
        WriteError: it cannot be written; an existing file is unchanged.
    """
    # A link stays a link: its target is replaced.
    target = path.resolve()
    try:
        mode = target.stat().st_mode & 0o7777 if target.exists() else None
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(13, os.strerror(13))
        if target.exists() and not target.is_file():  # /dev/stdout and the like
            target.write_bytes(data)
            return
        _replace(target, data, _default_mode() if mode is None else mode)
    except OSError as error:
        raise WriteError(path, error) from error


def _replace(target: Path, data: bytes, mode: int) -> None:
    number, name = tempfile.mkstemp(dir=target.parent, prefix=".volnux-")
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(number)
        temporary.chmod(mode)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

"""The `.pty` files that paths stand for, and writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from volnux.errors import VolnuxError
from volnux.loading import FileError

__all__ = ["WriteError", "find", "write"]


class WriteError(VolnuxError):
    """A file cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be written: {error.strerror or error}")


def find(paths: Iterable[Path]) -> tuple[list[Path], list[FileError]]:
    """The files that paths stand for, each once, and the folders that cannot be read.

    A folder stands for every `*.pty` in it and below, by name; hidden folders are left out.
    """
    files: dict[Path, None] = {}
    faults: list[FileError] = []

    def note(error: OSError) -> None:
        faults.append(FileError(error.filename, f"it cannot be read: {error.strerror}"))

    for path in paths:
        if not path.is_dir():
            files[path] = None
            continue
        found = []
        for folder, folders, names in os.walk(path, onerror=note):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [Path(folder, name) for name in sorted(names) if name.endswith(".pty")]
        files.update(dict.fromkeys(found))
    return list(files), faults


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; a file that exists keeps its permissions.

    Raises:
        WriteError: it cannot be written; what was there is untouched.
    """
    # A link stays a link: what it leads to is replaced.
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

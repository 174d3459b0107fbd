"""Finds the `.pty` files of a folder, and reads files safely.

Every command and every host finds pipelines with `find_files`. `docs/files.md` states its rule.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from volnux.errors import Diagnostic, Severity

__all__ = ["LONGEST", "SUFFIX", "UNREADABLE", "Found", "find_files", "read_bytes"]

SUFFIX = ".pty"
"""The suffix of pipeline files, in upper or lower case."""

LONGEST = 16 * 2**20
"""The maximum size in bytes of a file that is read."""

UNREADABLE = "unreadable"
"""The code of a diagnostic about something that could not be read."""

_OF_TOOLS = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders that tools create, with files of other projects."""

_ENVIRONMENT = "pyvenv.cfg"
"""The file that marks a folder as a virtual environment."""


class Found(NamedTuple):
    """The files of a folder in order, and diagnostics about the rest.

    An error says that something could not be read; a warning that something was skipped.
    """

    files: list[Path]
    diagnostics: list[Diagnostic]


def find_files(
    root: Path,
    suffixes: Sequence[str] = (SUFFIX,),
    *,
    leave_out: Callable[[Path], bool] | None = None,
) -> Found:
    """The pipelines in a folder and the folders below, sorted by path.

    Hidden files and folders, and folders that tools create, are left out. A link is followed only
    if its target does not have a real path in the folder (even a hidden one), so each file is found
    once. Links to folders that were already searched are not followed, so there are no cycles.

    Args:
        root: the folder. It may itself be hidden, or a link.
        suffixes: the suffixes of the file names, in lower case.
        leave_out: a function that returns whether to also leave out a file or folder.
    """
    return _Search(tuple(suffixes), leave_out).run(root)


class _Search:
    """One search: first real paths, then paths that are reached only through links."""

    def __init__(self, suffixes: tuple[str, ...], leave_out: Callable[[Path], bool] | None) -> None:
        self._suffixes = suffixes
        self._leave_out = leave_out
        self._files: dict[str, Path] = {}
        """The files by their real paths."""
        self._folders: set[str] = set()
        """The real paths of the folders that were searched."""
        self._links: list[Path] = []
        """The links still to follow: a heap, so that they are followed in order."""
        self._diagnostics: list[Diagnostic] = []

    def run(self, root: Path) -> Found:
        self._search(root, os.path.realpath(root), is_root=True)
        while self._links:
            self._follow(heapq.heappop(self._links))
        return Found(sorted(self._files.values()), self._diagnostics)

    def _follow(self, link: Path) -> None:
        try:
            mode = link.stat().st_mode
        except OSError as error:
            if self._is_wanted(link.name):
                reason = "it is a broken symbolic link" if _is_missing(error) else _reason(error)
                self._unreadable(link, reason)
            return
        if stat.S_ISDIR(mode):
            if link.name not in _OF_TOOLS:
                self._search(link, os.path.realpath(link))
        elif self._is_wanted(link.name):
            self._take(link, os.path.realpath(link), mode)

    def _search(self, folder: Path, real: str, *, is_root: bool = False) -> None:
        """Search a folder and the real folders below it."""
        waiting = [(folder, real)]
        while waiting:
            folder, real = waiting.pop()
            if real in self._folders:
                continue
            self._folders.add(real)
            try:
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name)
            except OSError as error:
                if is_root or not _is_missing(error):  # otherwise it was removed since the listing
                    self._unreadable(folder, _reason(error))
                continue
            if not is_root and any(entry.name == _ENVIRONMENT for entry in entries):
                continue
            is_root = False
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = folder / entry.name
                if self._leave_out is not None and self._leave_out(path):
                    continue
                if entry.is_symlink():
                    heapq.heappush(self._links, path)
                elif entry.is_dir(follow_symlinks=False):
                    if entry.name not in _OF_TOOLS:
                        waiting.append((path, os.path.join(real, entry.name)))  # noqa: PTH118 - real paths are text
                elif self._is_wanted(entry.name):
                    mode = stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0
                    self._take(path, os.path.join(real, entry.name), mode)  # noqa: PTH118 - the same

    def _is_wanted(self, name: str) -> bool:
        return name.lower().endswith(self._suffixes)

    def _take(self, path: Path, real: str, mode: int) -> None:
        if stat.S_ISREG(mode):
            self._files.setdefault(real, path)
        else:
            self._diagnostics.append(
                Diagnostic(
                    "skipped",
                    "skipped: it is not a regular file",
                    str(path),
                    severity=Severity.WARNING,
                )
            )

    def _unreadable(self, path: Path, reason: str) -> None:
        self._diagnostics.append(Diagnostic(UNREADABLE, f"it cannot be read: {reason}", str(path)))


def read_bytes(path: str | Path) -> bytes:
    """The content of a regular file of at most `LONGEST` bytes.

    Reading a device or a pipe might never end, or never begin.

    Raises:
        OSError: there is no such file, it cannot be read, is not regular or is too long.
    """
    # Opening a pipe would wait for a writer.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(number)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        # The size is only a hint: the file may grow, and files in /proc have size 0.
        data = os.read(number, min(status.st_size, LONGEST) + 2**12)
        while len(data) <= LONGEST and (more := os.read(number, 2**20)):
            data += more
    finally:
        os.close(number)
    if len(data) > LONGEST:
        raise OSError(errno.EFBIG, f"it has more than {LONGEST // 2**20} MB", str(path))
    return data


def _is_missing(error: OSError) -> bool:
    return error.errno == errno.ENOENT


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{text[:1].lower()}{text[1:]}"

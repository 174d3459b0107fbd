"""The `.pty` files of a folder that become DAGs: all except those that an `.airflowignore` matches.

This module imports little, because Airflow's DAG processor keeps what it imports in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from volnux.errors import Diagnostic, did_you_mean
from volnux.events.portable import unstorable
from volnux.files import SUFFIX, UNREADABLE, Found, read_bytes
from volnux.files import find_files as find_all
from volnux_airflow import compat

__all__ = ["Ids", "find_files", "id_of", "no_such_dags", "repeated", "taken_id"]


def find_files(root: Path, suffixes: Sequence[str] = (SUFFIX,)) -> Found:
    """The pipelines of a folder, found as in `docs/files.md`, except those that Airflow ignores.

    A path that is not UTF-8 is an error: Airflow can neither send nor store it.
    """
    found = find_all(root, suffixes, leave_out=compat.ignored(root))
    files = []
    for path in found.files:
        if unstorable(str(path)) is None:
            files.append(path)
        else:
            reason = "it cannot be a DAG: its path is not UTF-8"
            found.diagnostics.append(Diagnostic(UNREADABLE, reason, str(path)))
    return Found(files, found.diagnostics)


def id_of(path: Path) -> str:
    """The id that the DAG of a file would have, read without parsing the flow if possible."""
    try:
        data = read_bytes(path)
    except OSError:
        return path.stem
    if b"@name" in data:
        from volnux.loading import load_file

        file, _ = load_file(path)
        if file is not None and file.settings.name:
            return file.settings.name
    return path.stem


def repeated(ids: Mapping[Path, str]) -> dict[Path, str]:
    """An error for each file whose id is already used by an earlier file."""
    first: dict[str, Path] = {}
    return {
        path: taken_id(path, name, first[name])
        for path, name in ids.items()
        if first.setdefault(name, path) != path
    }


def taken_id(path: Path, name: str, first: Path) -> str:
    """The error for a file whose DAG id is already used by another file."""
    return (
        f"{path}: error: the DAG id '{name}' is already used by {first}\n"
        "  hint: give one of them another @name"
    )


def no_such_dags(settings: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """An error for each id in the settings that is not the id of any file."""
    faults = {}
    for name in settings:
        if name not in known:
            hint = did_you_mean(name, known, f"the DAGs are {', '.join(known) or 'none'}")
            text = f"there are settings for the DAG '{name}', but no file has that id: {hint}"
            faults[name] = text
    return faults


class Ids:
    """The DAG ids of files. A file is read again when it has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], str]] = {}

    def of(self, files: Sequence[Path]) -> dict[Path, str]:
        """The id that the DAG of each file would have."""
        known = {}
        for path in files:
            try:
                state = path.stat()
            except OSError:
                known[path] = ((0, 0), path.stem)
                continue
            now = (state.st_mtime_ns, state.st_size)
            before = self._known.get(path)
            known[path] = before if before and before[0] == now else (now, id_of(path))
        self._known = known
        return {path: name for path, (_, name) in known.items()}

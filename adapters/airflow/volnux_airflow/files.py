"""Which files of a folder are pipelines. Light: Airflow's dag processor keeps what it imports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from volnux_airflow import compat

__all__ = ["SUFFIX", "find_files"]

SUFFIX = ".pty"


def find_files(root: Path) -> Iterator[Path]:
    """The `.pty` files in a folder and below, sorted; `.airflowignore` holds as ever."""
    found = {Path(path) for path in compat.find_paths(root) if str(path).lower().endswith(SUFFIX)}
    hidden = {path for path in found if _hidden(path.relative_to(root))}
    yield from sorted(found - hidden)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)

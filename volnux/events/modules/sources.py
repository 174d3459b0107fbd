"""Finds the file of a module, even if the name of a module of events contains dots."""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import importlib.util
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

__all__ = [
    "EVENTS",
    "entries",
    "events_file",
    "events_module",
    "find_source",
    "real_path",
    "same_file",
]

EVENTS = "_events"
"""The suffix of the name of the module of events beside a `.pty` file."""


def events_module(stem: str) -> str:
    """The name of the module of events beside `<stem>.pty`; it contains no dot."""
    return stem.replace(".", "_") + EVENTS


def events_file(folder: Path, name: str) -> Path | None:
    """The file of a module of events in a folder; its name may contain dots (`a.b_events.py`)."""
    file = os.path.join(folder, f"{name}.py")  # noqa: PTH118 - called twice for each file
    if os.path.isfile(file):  # noqa: PTH113 - the same
        return Path(file)
    try:
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - the same
    except OSError:
        return None
    # A file that is added within the same clock tick does not change the time again.
    settled = time.time_ns() - changed > _TICK
    read = _dotted_events if settled else _dotted_events.__wrapped__
    dotted = read(folder, changed).get(name)
    return dotted if dotted is not None and dotted.is_file() else None


def find_source(fullname: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
    """Find a module as Python does; in a folder, `a_b_events` may also be `a.b_events.py`."""
    spec = importlib.machinery.PathFinder.find_spec(fullname, path)
    name = fullname.rpartition(".")[2]
    if spec is None and name.endswith(EVENTS):
        files = (events_file(Path(folder), name) for folder in path or ())
        file = next((each for each in files if each is not None), None)
        if file is not None:
            return importlib.util.spec_from_file_location(fullname, file)
    return spec


def same_file(module: ModuleType | None, path: str) -> bool:
    """Whether a module was loaded from the file at `path`."""
    file = getattr(module, "__file__", None)
    real = real_path(file) if isinstance(file, str) else ""
    return real != "" and real == real_path(path)


def entries(folder: str) -> list[Path]:
    """The entries of a folder; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        return list(Path(folder).iterdir())
    return []


@functools.cache
def real_path(filename: str) -> str:
    """The path with links resolved; empty for names such as `<string>`."""
    return os.path.realpath(filename) if Path(filename).is_absolute() else ""


_TICK = 50_000_000
"""Two changes of a folder that are this many nanoseconds apart have different times.

The file system clock of Linux has ticks of at most 10 ms. Importing the first module of a folder
adds `__pycache__` to it, so with a longer time no pipeline would use what was read before.
"""


@functools.lru_cache(maxsize=16)
def _dotted_events(folder: Path, changed: int) -> dict[str, Path]:
    """The modules of events in a folder whose file names contain dots, by their names without dots.

    Every pipeline of a folder needs them, so the result is cached for each `changed`, the
    modification time of the folder in ns.
    """
    found = (each for each in sorted(folder.glob(f"*.*{EVENTS}.py")) if "." in each.stem)
    return {each.stem.replace(".", "_"): each for each in reversed(list(found))}

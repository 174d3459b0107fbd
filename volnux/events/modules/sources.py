"""Finding the file of a module, also of a module of events whose own name has dots."""

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
"""How the name of the module of events beside a `.pty` ends."""


def events_module(stem: str) -> str:
    """The name of the module of events beside `<stem>.pty`: a module's name has no dot."""
    return stem.replace(".", "_") + EVENTS


def events_file(folder: Path, name: str) -> Path | None:
    """The file of a module of events in a folder; its own name may have dots (`a.b_events.py`)."""
    file = os.path.join(folder, f"{name}.py")  # noqa: PTH118 - it is asked twice for each file
    if os.path.isfile(file):  # noqa: PTH113 - the same
        return Path(file)
    try:
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - the same
    except OSError:
        return None
    # A file that comes within a tick of the clock does not change the time again.
    settled = time.time_ns() - changed > _TICK
    read = _dotted_events if settled else _dotted_events.__wrapped__
    dotted = read(folder, changed).get(name)
    return dotted if dotted is not None and dotted.is_file() else None


def find_source(fullname: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
    """As Python finds a module; in a folder, `a_b_events` may also be the file `a.b_events.py`."""
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
    """What is in a folder; nothing if it cannot be read."""
    with contextlib.suppress(OSError):
        return list(Path(folder).iterdir())
    return []


@functools.cache
def real_path(filename: str) -> str:
    """The file without links; empty for `<string>` and the like, wherever the process may be."""
    return os.path.realpath(filename) if Path(filename).is_absolute() else ""


_TICK = 50_000_000
"""Nanoseconds after which a change of a folder has another time than the one before.

The clock of Linux's file systems has ticks of at most 10 ms. Importing a folder's first module adds
`__pycache__` to it, so a longer wait would keep each pipeline from using what was read.
"""


@functools.lru_cache(maxsize=16)
def _dotted_events(folder: Path, changed: int) -> dict[str, Path]:
    """The modules of events in a folder whose own names have dots, by the name without.

    Every pipeline of a folder asks, so it is read once for each `changed`, its time in ns.
    """
    found = (each for each in sorted(folder.glob(f"*.*{EVENTS}.py")) if "." in each.stem)
    return {each.stem.replace(".", "_"): each for each in reversed(list(found))}

"""Which process a run belongs to, and whether that process still runs."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import time
from pathlib import Path
from typing import Final

__all__ = ["BEAT", "is_alive", "this_process"]

BEAT: Final = 5.0
"""Seconds between two signs of life of a run."""

_PATIENCE: Final = 60.0
"""A run on another machine is lost if its last sign of life is older, in seconds."""


def this_process() -> str:
    """A text that no other process has: the machine, the id, and the start of this process."""
    pid = os.getpid()
    return f"{_machine()} {pid} {_start_of(pid)}"


def is_alive(process: str, beat: float) -> bool:
    """Whether a process still runs.

    Args:
        process: what `this_process` returned there.
        beat: its last sign of life, in seconds since the epoch.
    """
    machine, pid, start = process.rsplit(" ", 2)
    if machine != _machine():
        return time.time() - beat < _PATIENCE
    # A stopped process gives no sign of life, but it will go on.
    return _start_of(int(pid)) == start


@functools.cache
def _machine() -> str:
    """The machine since it was started, and the namespace of its process ids."""
    found = [platform.node()]
    with contextlib.suppress(OSError):  # this is not Linux
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        found.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return "/".join(found)


def _start_of(pid: int) -> str:
    """When a process was started, in ticks; empty if there is none, or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
    except OSError:
        return ""
    else:
        # The name of the program, in brackets, may contain anything.
        fields = text.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "alive"

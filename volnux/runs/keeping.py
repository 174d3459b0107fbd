"""How long runs are kept."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from volnux.runs.model import RunStoreError
from volnux.runs.process import is_alive

__all__ = ["AGE", "Keep", "prune", "remove", "seconds_of"]

AGE: Final = "an age such as 30m, 12h, 30d or 2w"

_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}

_AT_ONCE: Final = 20
"""How many runs are removed at the end of a run: it must not wait for long."""


@dataclass(frozen=True)
class Keep:
    """A run is kept if it is among the latest `runs`, or began in the last `seconds`.

    None stands for no limit.
    """

    runs: int | None = 1_000
    seconds: float | None = 30 * 86_400.0

    @classmethod
    def of(cls, setting: Any) -> Keep:
        """What `keep` in a `volnux.toml` says: `"30d"`, `1000`, both in a list, or `"all"`.

        Raises:
            RunStoreError: it says something else.
        """
        if setting == "all":
            return cls(None, None)
        runs, seconds = 0, 0.0
        given = setting if isinstance(setting, list) else [setting]
        for each in given:
            age = seconds_of(each) if isinstance(each, str) else None
            if age is not None:
                seconds = max(seconds, age)
            elif type(each) is int and each > 0:
                runs = max(runs, each)
            else:
                raise RunStoreError(
                    f"keep = {setting!r} is none of: {AGE}, a number of runs, a list of both, or "
                    '"all"'
                )
        return cls(runs, seconds)


def seconds_of(age: str) -> float | None:
    """An age such as `30d` in seconds; None if the text is none."""
    found = re.fullmatch(r"([0-9]{1,5})([mhdw])", age.strip())
    return None if found is None else int(found[1]) * float(_UNITS[found[2]])


def prune(connection: sqlite3.Connection, keep: Keep) -> None:
    """Remove the oldest runs that need not be kept, within a transaction.

    A run that is running stays, and so does the last run of a file if it is not a success.
    """
    if keep.runs is None or keep.seconds is None:
        return
    old = time.time() - keep.seconds
    found = connection.execute(
        "SELECT key, status, process, beat FROM runs WHERE started < ? "
        "AND started < (SELECT started FROM runs ORDER BY started DESC LIMIT 1 OFFSET ?) "
        "AND (status = 'success' OR EXISTS (SELECT 1 FROM runs AS later "
        "WHERE later.file IS runs.file AND later.pipeline = runs.pipeline "
        "AND later.started > runs.started)) ORDER BY started LIMIT ?",
        (old, max(keep.runs, 1) - 1, _AT_ONCE),
    ).fetchall()
    gone = [
        (key,)
        for key, status, process, beat in found
        if status != "running" or not is_alive(process, beat)
    ]
    remove(connection, gone)


def remove(connection: sqlite3.Connection, keys: Sequence[tuple[int]]) -> None:
    """Remove runs, and the texts that no other run has, within a transaction."""
    if keys:
        connection.executemany("DELETE FROM runs WHERE key = ?", keys)
        connection.execute("DELETE FROM sources WHERE key NOT IN (SELECT source FROM runs)")

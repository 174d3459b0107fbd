"""Which process runs a file for a scheduled time, so that no two do it at once."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from volnux.runs.database import said, transaction
from volnux.runs.model import KeptRun, RunStoreError
from volnux.runs.process import is_alive, this_process
from volnux.runs.store import FAULTS, Store
from volnux.runs.where import storable_path

__all__ = ["claimed"]

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS claims (
    file TEXT NOT NULL,
    instant REAL NOT NULL,
    run TEXT NOT NULL,
    process TEXT NOT NULL,
    made REAL NOT NULL,
    PRIMARY KEY (file, instant)
) WITHOUT ROWID
"""


@contextlib.contextmanager
def claimed(
    store: Store,
    file: Path,
    instant: dt.datetime,
    run_id: str,
    runs: Callable[[KeptRun | None], bool],
) -> Iterator[str | None]:
    """Claim a scheduled time of a file for a run, until the end of the block.

    Yields None, or why the run must not begin: another one has that time.

    Args:
        store: where the run will be kept.
        file: the file.
        instant: the time, aware.
        run_id: the id of the run.
        runs: whether the time runs, given its last kept run.

    Raises:
        RunStoreError: the store cannot be used.
    """
    key = storable_path(file), instant.timestamp()
    with _faults(store):
        taken = _claim(store, file, instant, (*key, run_id), runs)
    try:
        yield taken
    finally:
        if taken is None:
            with (
                contextlib.suppress(*FAULTS, RunStoreError),
                contextlib.closing(store.connect()) as connection,
            ):
                # Not in a `transaction`: it is one statement.
                connection.execute("DELETE FROM claims WHERE (file, instant) = (?, ?)", key)


def _claim(
    store: Store,
    file: Path,
    instant: dt.datetime,
    claim: tuple[str, float, str],
    runs: Callable[[KeptRun | None], bool],
) -> str | None:
    with contextlib.closing(store.connect()) as connection, transaction(connection):
        connection.execute(_TABLE)
        other = connection.execute(
            "SELECT process, made FROM claims WHERE (file, instant) = (?, ?)", claim[:2]
        ).fetchone()
        if other is not None and is_alive(*other):
            return "another process runs it"
        # Nobody else can write in the meantime.
        last = next((run for run in store.list(file=file) if run.scheduled_at == instant), None)
        if not runs(last):
            return f"the run {last.id[:12]} has this time" if last else "it has a run"
        connection.execute(
            "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)",
            (*claim, this_process(), time.time()),
        )
    return None


@contextlib.contextmanager
def _faults(store: Store) -> Iterator[None]:
    try:
        yield
    except FAULTS as error:
        raise RunStoreError(said(error, store.path)) from error

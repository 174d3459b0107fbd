"""The list of kept runs. It is in a module of its own because it must not load Typer."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

from volnux.cli import kept, output
from volnux.cli.store import open_store, store_path
from volnux.runs.model import KeptStatus, RunStoreError

__all__ = ["print_runs"]


def print_runs(
    file: Path | None,
    store: str | None = None,
    *,
    status: KeptStatus | None = None,
    since: dt.datetime | None = None,
    limit: int | None = None,
    json: bool = False,
) -> None:
    """Print kept runs, the latest first; without a store, there are none.

    Args:
        file: only runs of this file.
        store: the path of the store; None for that of the file or of the current folder.
        status: only runs with this status.
        since: only runs that began at this time or later.
        limit: at most this many.
        json: whether to print JSON.

    Raises:
        RunStoreError: the store cannot be read, or the file is unknown.
    """
    runs = []
    if store_path(file, store).exists():
        with open_store(file, store) as opened:
            runs = opened.list(file=file, status=status, since=since, limit=limit)
    if not runs and file is not None and not file.exists():
        raise RunStoreError(f"there is no file {file}, and no run of it is kept")
    if json:
        with output.json_only() as result:
            result.write([kept.run_as_json(run) for run in runs])
    else:
        output.say("\n".join(kept.table_of(runs, colour=output.coloured(sys.stdout))))

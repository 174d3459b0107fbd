"""The store of kept runs that a command reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from volnux.runs.model import RunStoreError
from volnux.runs.where import NAME, where_of

if TYPE_CHECKING:
    from volnux.runs.store import Store

__all__ = ["open_store", "store_path"]


def store_path(file: Path | None, chosen: str | None) -> Path:
    """The path of a store, which need not exist.

    Args:
        file: the file whose runs it keeps; None for the current folder.
        chosen: a path that takes precedence.

    Raises:
        RunStoreError: runs are not kept there.
    """
    where = where_of(file, chosen)
    if where is None:
        raise RunStoreError(f"runs are not kept here: see {NAME} and volnux.toml, or give --store")
    return where.path


def open_store(file: Path | None, chosen: str | None) -> Store:
    """Open an existing store; the arguments are those of `store_path`.

    Raises:
        RunStoreError: there is none, or it cannot be read.
    """
    from volnux.runs.store import Store

    path = store_path(file, chosen)
    if not path.exists():
        raise RunStoreError(
            f"no runs are kept in {path}: go to the folder of the pipeline, or give --store"
        )
    return Store.open(path, create=False)

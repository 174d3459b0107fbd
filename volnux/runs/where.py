"""Where the runs of a file are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from volnux.config import config_file, read_config
from volnux.runs.database import FOLDER
from volnux.runs.keeping import Keep
from volnux.runs.model import RunStoreError

__all__ = ["NAME", "NOWHERE", "Where", "storable_path", "where_of"]

NAME = "VOLNUX_STORE"
"""The environment variable with the path of a store, or `none`."""

NOWHERE = "none"

_FILE = "runs.db"


class Where(NamedTuple):
    """A store: its file, and how long it keeps runs."""

    path: Path
    keep: Keep


def where_of(file: Path | None = None, chosen: str | None = None) -> Where | None:
    """The store for the runs of a file; None if they are not kept.

    The path is `chosen`, or `VOLNUX_STORE`, or `store` of `[runs]` in the nearest `volnux.toml`
    upwards, which is relative to its folder. Otherwise, it is `.volnux/runs.db` in the folder of
    that `volnux.toml`, or beside the file if there is none. A path may be that of a folder.

    Args:
        file: the file; None for the current folder.
        chosen: a path that takes precedence.

    Raises:
        ConfigError: the `volnux.toml` is not valid.
        RunStoreError: one of its settings is not valid.
    """
    folder = (file.resolve() if file else Path.cwd() / "_").parent
    config = config_file(folder)
    settings = read_config(config).runs if config else {}
    keep = Keep.of(settings["keep"]) if "keep" in settings else Keep()
    named = chosen or os.environ.get(NAME, "").strip()
    if named == NOWHERE:
        return None
    if named:
        return Where(_of_name(Path(named)), keep)
    home = config.parent if config else folder
    written = settings.get("store", FOLDER)
    if not isinstance(written, str) or not written.strip():
        raise RunStoreError(f"{config}: store = {written!r} must be a path, or '{NOWHERE}'")
    if written == NOWHERE:
        return None
    return Where(_of_name(home / written), keep)


def storable_path(path: Path) -> str:
    """The real path of a file, with escapes for bytes that are not UTF-8."""
    return str(path.resolve()).encode(errors="backslashreplace").decode()


def _of_name(path: Path) -> Path:
    path = path.absolute()
    return path / _FILE if path.name == FOLDER or path.is_dir() else path

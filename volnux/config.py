"""The file `volnux.toml`: variables, and where runs are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volnux.errors import VolnuxError
from volnux.files import read_bytes

__all__ = ["CONFIG_FILE", "Config", "ConfigError", "config_file", "read_config"]

CONFIG_FILE = "volnux.toml"

_KEYS = {"runs": ("keep", "store")}
"""The keys of each table that has no names of the user."""


class ConfigError(VolnuxError):
    """A `volnux.toml` is not valid; the message says where."""


@dataclass(frozen=True)
class Config:
    """What a `volnux.toml` says.

    Attributes:
        variables: the values of variables, by name.
        runs: the settings of the store of runs: `store` and `keep`.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)


def config_file(folder: Path) -> Path | None:
    """The `volnux.toml` of a folder: its own, or that of the nearest folder above it."""
    folder = folder.absolute()
    return next((p for f in (folder, *folder.parents) if (p := f / CONFIG_FILE).is_file()), None)


def read_config(path: Path) -> Config:
    """Read a `volnux.toml`.

    Raises:
        ConfigError: the file cannot be read, or is not valid.
    """
    import tomllib

    try:
        text = read_bytes(path).decode()
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    for name, table in tables.items():
        if name not in ("variables", "runs"):
            raise _wrong(path, text, name, f"there is no key '{name}'; keys: runs, variables")
        if not isinstance(table, dict):
            raise _wrong(path, text, name, f"'{name}' must be a table: [{name}]")
        for key in table:
            if key not in _KEYS.get(name, table):
                known = ", ".join(_KEYS[name])
                raise _wrong(path, text, key, f"[{name}] has no key '{key}'; keys: {known}")
    return Config(**tables)


def _wrong(path: Path, text: str, key: str, what: str) -> ConfigError:
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(key)}\b", text, re.MULTILINE)
    line = text.count("\n", 0, found.start() if found else 0) + 1
    return ConfigError(f"{path}:{line}: {what}")

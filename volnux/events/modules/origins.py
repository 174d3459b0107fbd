"""The files of modules: of those that are loaded, and of those that a pipeline names."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from volnux.events.modules.registry import INSTALLED, display_text, home_of
from volnux.events.modules.shared import SharedModule
from volnux.events.modules.sources import find_source

__all__ = ["Loaded", "file_of_module", "files_of_module", "is_installed", "loaded"]


class Loaded(NamedTuple):
    """A loaded module.

    Attributes:
        name: its name, as its author wrote it.
        file: its file.
        home: the folder of a pipeline from which it was loaded, or None.
    """

    name: str
    file: Path
    home: str | None


def loaded() -> list[Loaded]:
    """The modules that this process has loaded from files, each file once."""
    found: dict[str, Loaded] = {}
    for name, module in sys.modules.copy().items():
        if not isinstance(module, ModuleType) or type(module) is SharedModule:
            continue
        # A module that is loaded at its first use must not be loaded by this.
        file = object.__getattribute__(module, "__dict__").get("__file__")
        if isinstance(file, str) and file not in found:
            found[file] = Loaded(display_text(name), Path(file), home_of(module))
    return list(found.values())


def files_of_module(name: str, folder: Path | None) -> list[Path]:
    """The files that importing a module reads: its own, and those of the packages around it.

    Nothing is imported. What is not found is left out.

    Args:
        name: the dotted name of the module.
        folder: a folder that comes before the import path, or None.
    """
    return [file for spec in _specs(name, folder) if (file := _file(spec)) is not None]


def file_of_module(name: str, folder: Path | None) -> Path | None:
    """The file of a module, which is not imported; None if it is not found.

    Args:
        name: the dotted name of the module.
        folder: a folder that comes before the import path, or None.
    """
    specs = _specs(name, folder)
    return _file(specs[-1]) if len(specs) == name.count(".") + 1 else None


def is_installed(file: Path) -> bool:
    """Whether a file belongs to an installed package, or to Python."""
    python = map(sysconfig.get_path, ("stdlib", "platstdlib"))
    return bool(INSTALLED & set(file.parts)) or any(map(file.is_relative_to, python))


def _specs(name: str, folder: Path | None) -> list[ModuleSpec]:
    """The specs of the packages around a module and of the module, as far as they are found."""
    found: list[ModuleSpec] = []
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        if count == 1:
            spec = _top(parts[0], folder)
        else:
            spec = find_source(".".join(parts[:count]), found[-1].submodule_search_locations or ())
        if spec is None:
            break
        found.append(spec)
    return found


def _file(spec: ModuleSpec) -> Path | None:
    return Path(spec.origin) if spec.has_location and spec.origin is not None else None


def _top(name: str, folder: Path | None) -> ModuleSpec | None:
    # Python remembers for a relative folder where it was at the first import.
    own = None if folder is None else find_source(name, [str(folder.absolute())])
    if own is not None and own.origin is not None:
        return own
    # A plain folder without __init__.py does not hide a module from elsewhere.
    with contextlib.suppress(ImportError, ValueError):
        return importlib.util.find_spec(name) or own
    return own

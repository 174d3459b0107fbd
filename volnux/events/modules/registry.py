"""The folders that this process uses; each is a package with a generated name."""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import re
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Final

from volnux.events.modules.sources import find_source, real_path

__all__ = [
    "FOLDERS",
    "INSTALLED",
    "LOCK",
    "NEVER_OWNED",
    "STATE",
    "display_text",
    "folders",
    "home_of",
    "is_shared",
    "owns",
    "package_name",
    "package_of_file",
    "register",
]

NEVER_OWNED: Final = frozenset({"volnux", "volnux_standalone", "volnux_airflow", "volnux_prefect"})
"""A second copy of these packages, found in a folder, would not share state with the first."""

INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
"""The names of the folders of installed packages."""

FOLDERS: Final[dict[str, str]] = {}
"""The registered folders, by the name of their package, in the order of first use."""

LOCK: Final = threading.RLock()
"""Held while the registered folders, or the shared names, are changed."""


class _State:
    """State that changes at most once in a process.

    Attributes:
        on_path: the folder that was added as the first entry of `sys.path`.
        shared: whether a plain name can mean several modules.
    """

    def __init__(self) -> None:
        self.on_path: str | None = None
        self.shared = False


STATE: Final = _State()

_PREFIX: Final = "_volnux_"
_MADE_UP: Final = re.compile(rf"\b{_PREFIX}[0-9a-f]{{12}}\.")

_packages: dict[str, str] = {}
"""The package names by folder: the inverse of `FOLDERS`."""

_of_known_file: dict[str, str | None] = {}
"""A cache for `package_of_file`, which is called for each file of the stack."""


def package_name(path: str) -> str:
    """The name of the package of a folder, whether or not it is registered."""
    return _PREFIX + hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def register(path: str) -> None:
    """Add a folder to the registry."""
    package = package_name(path)
    FOLDERS[package] = path
    _packages[path] = package
    _of_known_file.clear()


def folders() -> dict[str, str]:
    """The registered folders, for `adopt` in another process."""
    return dict(FOLDERS)


def is_shared() -> bool:
    """Whether a plain name can mean several modules in this process."""
    return STATE.shared


def home_of(module: ModuleType | None) -> str | None:
    """The registered folder from which a module was loaded, or None."""
    return home_of_file(getattr(module, "__file__", None))


def home_of_file(file: str | None) -> str | None:
    """The registered folder with the file of a module, or None."""
    package = package_of_file(str(file or ""))
    return None if package is None else FOLDERS[package]


def display_text(text: str) -> str:
    """A text for users: without the generated package names."""
    return _MADE_UP.sub("", text) if _PREFIX in text else text


def owns(package: str, top: str) -> bool:
    """Whether the folder has a module or package of that name, which then takes precedence."""
    if f"{package}.{top}" in sys.modules:
        return True
    if top in NEVER_OWNED:
        return False
    folder = FOLDERS[package]
    spec = find_source(top, [folder])
    if spec is None:
        return False
    if spec.origin is not None:
        return True
    # A plain folder without __init__.py (docs/, data/) does not hide a module from elsewhere.
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry) != folder]
    return (
        top not in sys.modules and importlib.machinery.PathFinder.find_spec(top, elsewhere) is None
    )


def package_of_file(filename: str) -> str | None:
    """The package of the innermost registered folder with the file; None for installed code."""
    if filename in _of_known_file:
        return _of_known_file[filename]
    # There may be thousands of folders, so the parents of the file are looked up among them.
    found = None
    file = Path(real_path(filename))
    for folder in file.parents:
        package = _packages.get(str(folder))
        if package is None:
            continue
        inside = file.relative_to(folder).parts
        if inside[0] not in NEVER_OWNED and not INSTALLED & set(inside):
            found = package
            break
    _of_known_file[filename] = found
    return found

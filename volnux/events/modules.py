"""Modules of a pipeline's own folder, imported so that folders never collide.

The folder of a `.pty` comes first on the import path *for that pipeline only*. Each folder is a
package of its own with a made-up name, and its modules live in that package: two folders may each
have an `events.py`. Inside such a module `import helpers` finds the folder's `helpers.py` before
any other, also late, inside a function. Classes of such modules pickle as usual; a worker process
has to `adopt` the folders first.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["adopt", "display_name", "display_text", "folders", "import_from", "package_of"]

_PREFIX = "_volnux_"
_MADE_UP = re.compile(rf"\b{_PREFIX}[0-9a-f]{{12}}\.")
_NEVER_OWNED = frozenset({"volnux", "volnux_standalone", "volnux_airflow", "volnux_prefect"})
"""A second copy of these, in a folder that happens to hold one, would know nothing of the first."""

_LOCK = threading.RLock()
_FOLDERS: dict[str, str] = {}


def package_of(folder: Path) -> str:
    """The name of the package that stands for a folder; made at first use."""
    path = os.path.realpath(folder)
    name = _PREFIX + hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    adopt({name: path})
    return name


def folders() -> dict[str, str]:
    """The folders in use, by package name: what a worker process has to `adopt`."""
    return dict(_FOLDERS)


def adopt(known: Mapping[str, str]) -> None:
    """Make the modules of these folders importable in this process, by their package names."""
    with _LOCK:
        for name, path in known.items():
            if name in sys.modules:
                continue
            package = ModuleType(name, f"The folder {path}.")
            package.__path__ = [path]
            sys.modules[name] = package
            _FOLDERS[name] = path
        if _FOLDERS and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())


def import_from(folder: Path | None, name: str) -> ModuleType:
    """Import a dotted module, from the folder if it has it, else as Python would.

    Raises:
        ModuleNotFoundError: there is none; `error.name` is `name` or a part of it.
        Exception: whatever the module itself raises.
    """
    if folder is None:
        return importlib.import_module(name)
    package = package_of(folder)
    if _owns(package, name):
        return importlib.import_module(f"{package}.{name}")
    return importlib.import_module(name)


def display_name(dotted: str) -> str:
    """A dotted name as the user knows it: without the made-up package."""
    first, _, rest = dotted.partition(".")
    return rest if first in _FOLDERS and rest else dotted


def display_text(text: str) -> str:
    """A text as the user should see it: without the made-up packages."""
    return _MADE_UP.sub("", text) if _PREFIX in text else text


def _owns(package: str, name: str) -> bool:
    """Whether the folder has a module or package of the name's first part."""
    first = name.partition(".")[0]
    if f"{package}.{first}" in sys.modules:
        return True
    if first in _NEVER_OWNED:
        return False
    spec = importlib.machinery.PathFinder.find_spec(f"{package}.{first}", [_FOLDERS[package]])
    if spec is None:
        return False
    loaded = getattr(sys.modules.get(first), "__spec__", None)
    if loaded is not None and spec.origin is not None and loaded.origin == spec.origin:
        # The program has imported this very file under its plain name: its classes are these.
        return False
    # A plain folder without __init__.py (docs/, data/) does not hide a module from elsewhere.
    return spec.origin is not None or (
        first not in sys.modules and importlib.machinery.PathFinder.find_spec(first) is None
    )


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules of the made-up packages and gives them their own `import`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = fullname.partition(".")[0]
        if package not in _FOLDERS or path is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module whose import statements look into its folder first."""

    def exec_module(self, module: ModuleType) -> None:
        package = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {
            **vars(builtins),
            "__import__": _importer(package),
        }
        super().exec_module(module)


def _importer(package: str) -> Any:
    def import_(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0 and _owns(package, name):
            full = f"{package}.{name}"
            if fromlist:
                return builtins.__import__(full, globals, locals, fromlist, 0)
            importlib.import_module(full)
            return sys.modules[f"{package}.{name.partition('.')[0]}"]
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    return import_

"""Finds and loads the modules of folders, by plain name and by name in the folder's package."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from volnux.events.modules.asking import package_that_asks
from volnux.events.modules.registry import FOLDERS, LOCK, STATE, home_of, owns, package_of_file
from volnux.events.modules.shared import SharedModule, name_and_outside, share
from volnux.events.modules.sources import find_source, same_file

__all__ = ["Finder"]


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of folders, by plain name and by name in the generated packages."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, plain = fullname.partition(".")
        if package in FOLDERS:
            return self._find_own(fullname, plain, path, target)
        asking = package_that_asks()
        if asking is None or (path is not None and f"{asking}.{package}" not in sys.modules):
            return None
        if not owns(asking, package):
            return None
        if not STATE.shared:
            # Entries before the folder on the import path take precedence, as usual.
            spec = find_source(fullname, path)
            if spec is None and path is None:
                spec = find_source(fullname, [FOLDERS[asking]])
            if spec is None or spec.origin is None or package_of_file(spec.origin) != asking:
                return None
        return importlib.machinery.ModuleSpec(fullname, _Alias(f"{asking}.{fullname}"))

    def _find_own(
        self, fullname: str, plain: str, path: Sequence[str] | None, reloaded: ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = find_source(fullname, path)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return spec
        loaded = sys.modules.get(plain)
        if (
            reloaded is None
            and type(loaded) is not SharedModule
            and same_file(loaded, spec.loader.path)
        ):
            # The program has imported this file already: use its classes.
            return importlib.machinery.ModuleSpec(fullname, _Alias(plain, loaded))
        spec.loader = _Loader(plain, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of a folder, with its plain name as `__name__`."""

    def exec_module(self, module: ModuleType) -> None:
        module.__name__ = self.name
        _publish(self.name, module)
        try:
            super().exec_module(module)
        except BaseException:
            _withdraw(self.name, module)
            raise

    # The caller passes the name of the spec or the name of the module.

    def get_filename(self, name: str | None = None) -> str:
        return self.path

    def get_resource_reader(self, name: str | None = None) -> Any:
        return super().get_resource_reader(self.name)


class _Alias(importlib.abc.Loader):
    """Loads nothing: returns the module of another name, and imports that if needed."""

    def __init__(self, name: str, module: ModuleType | None = None) -> None:
        self._name = name
        self._module = module
        self._spec: Any = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        # In a shared process, the import of a plain name would lead here again.
        module = self._module or importlib.import_module(self._name)
        if STATE.shared and spec.name.partition(".")[0] not in FOLDERS:
            _publish(spec.name, module)
            module = sys.modules.get(spec.name, module)
        if type(module) is not SharedModule:
            self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just set the module's spec to the one with this name.
        if type(module) is not SharedModule:
            module.__spec__ = self._spec


def _publish(name: str, module: ModuleType) -> None:
    """Register a module of a folder under its plain name, which other folders may also use."""
    with LOCK:
        known = sys.modules.get(name)
        if not STATE.shared:
            if known is None or known is module:
                sys.modules[name] = module
                return
            share()
            known = sys.modules.get(name)
        if type(known) is SharedModule:
            return
        if known is None or known is module or home_of(known) is not None:
            sys.modules[name] = SharedModule(name, None)
        elif name.partition(".")[0] not in sys.stdlib_module_names:
            sys.modules[name] = SharedModule(name, known)


def _withdraw(name: str, module: ModuleType) -> None:
    """Undo `_publish` for a module that could not be imported."""
    with LOCK:
        known = sys.modules.get(name)
        if type(known) is SharedModule:
            _, outside = name_and_outside(known)
            others = (sys.modules.get(f"{package}.{name}") for package in tuple(FOLDERS))
            if outside is not None:
                sys.modules[name] = outside
            elif all(each in (None, module) for each in others):
                del sys.modules[name]
        elif known is module:
            del sys.modules[name]

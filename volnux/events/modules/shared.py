"""Shared processes: a plain name means the module of the folder whose code asks for it."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, SupportsIndex

from volnux.events.modules.asking import package_that_asks
from volnux.events.modules.registry import FOLDERS, LOCK, STATE, owns
from volnux.events.modules.sources import entries, same_file

__all__ = ["SharedModule", "module_meant", "name_and_outside", "share", "take_in"]

_IMPORT_SYSTEM = "<frozen importlib._bootstrap>"

_python_import = builtins.__import__
_python_import_module = importlib.import_module
_python_start = threading.Thread.start


class SharedModule(ModuleType):
    """The entry in `sys.modules` for a shared name: it gives each folder its own module.

    Some libraries inspect all of `sys.modules`. That must not import anything, and may raise only
    `AttributeError`. So a module is loaded only when the import system asks for its spec.
    """

    def __init__(self, name: str, outside: ModuleType | None) -> None:
        object.__getattribute__(self, "__dict__").update(name=name, outside=outside)

    def __getattribute__(self, attribute: str) -> Any:
        if attribute == "__spec__" and sys._getframe(1).f_code.co_filename == _IMPORT_SYSTEM:
            return _imported(self).__spec__
        return getattr(module_meant(self), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        # The import system sets these attributes: the spec of a module, and a module in its
        # package.
        if attribute != "__spec__" and type(value) is not SharedModule:
            setattr(module_meant(self), attribute, value)

    def __delattr__(self, attribute: str) -> None:
        delattr(module_meant(self), attribute)

    def __repr__(self) -> str:
        return f"<module {name_and_outside(self)[0]!r} of the folder that asks>"

    def __dir__(self) -> list[str]:
        try:
            return dir(module_meant(self))
        except AttributeError:
            return []


def share() -> None:
    """From now on, let a plain name mean the module of the folder whose code asks for it."""
    if STATE.shared:
        return
    STATE.shared = True
    for package in tuple(FOLDERS):
        take_in(package)
    sys.path = _ImportPath(sys.path)
    builtins.__import__ = _import
    importlib.import_module = _import_module
    threading.Thread.start = _start  # type: ignore[assignment, method-assign]  # see _start


def take_in(package: str) -> None:
    """Share the names of the modules that were already loaded from a folder."""
    folder = FOLDERS[package]
    stems = {entry.name.partition(".")[0] for entry in entries(folder)}
    for name, module in sys.modules.copy().items():
        if name == "__main__" or name.partition(".")[0] not in stems:
            continue
        if type(module) is SharedModule:
            continue
        inner = str(Path(folder, *name.split(".")))
        if any(same_file(module, inner + end) for end in (".py", f"{os.sep}__init__.py")):
            sys.modules.setdefault(f"{package}.{name}", module)
            sys.modules[name] = SharedModule(name, None)


def name_and_outside(shared: SharedModule) -> tuple[str, ModuleType | None]:
    """The shared name, and its module for code outside of all folders, if there is one."""
    own = object.__getattribute__(shared, "__dict__")
    return own["name"], own["outside"]


def module_meant(shared: SharedModule) -> ModuleType:
    """The loaded module that a shared name means for the calling code.

    Raises:
        AttributeError: no module is loaded.
    """
    name, outside = name_and_outside(shared)
    asking = package_that_asks()
    module = None if asking is None else sys.modules.get(f"{asking}.{name}")
    if module is None and (asking is None or not owns(asking, name.partition(".")[0])):
        module = outside
    if module is None and asking is None:
        loaded = (sys.modules.get(f"{package}.{name}") for package in tuple(FOLDERS))
        module = next((each for each in loaded if each is not None), None)
    if module is None:
        raise AttributeError(f"the module {name!r} is not loaded for the folder that asks for it")
    return module


def _imported(shared: SharedModule) -> ModuleType:
    """The module that a shared name means for the calling code; it is imported if needed.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    name, _ = name_and_outside(shared)
    asking = package_that_asks()
    if asking is not None and owns(asking, name.partition(".")[0]):
        return importlib.import_module(f"{asking}.{name}")
    try:
        return module_meant(shared)
    except AttributeError:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name) from None


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """Replaces `builtins.__import__` in a shared process."""
    if level == 0:
        asking = package_that_asks()
        top = name.partition(".")[0]
        if asking is not None and top not in FOLDERS and owns(asking, top):
            if fromlist:
                return _python_import(f"{asking}.{name}", globals, locals, fromlist, 0)
            importlib.import_module(f"{asking}.{name}")
            return sys.modules[f"{asking}.{top}"]
        shared = sys.modules.get(top)
        if type(shared) is SharedModule:
            # In Python 3.11 and 3.12, the import system would not notice that it is missing.
            _imported(_with_outside(shared, top))
    return _python_import(name, globals, locals, fromlist or (), level)


def _import_module(name: str, package: str | None = None) -> ModuleType:
    """Replaces `importlib.import_module` in a shared process.

    If two folders import one name at the same time, the import system gives the second folder the
    module of the first, without asking for its spec.
    """
    asking = package_that_asks()
    top = name.partition(".")[0]
    if top and asking is not None and top not in FOLDERS and owns(asking, top):
        return _python_import_module(f"{asking}.{name}")
    return _python_import_module(name, package)


def _with_outside(shared: SharedModule, name: str) -> SharedModule:
    """The shared name, after importing the module that it means outside of all folders, if any."""
    with LOCK:
        if name_and_outside(shared)[1] is not None:
            return shared
        del sys.modules[name]
        outside = None
        try:
            with contextlib.suppress(ModuleNotFoundError):
                outside = _python_import(name)
        finally:
            shared = sys.modules[name] = SharedModule(name, outside)
        return shared


class _ImportPath(list[str]):
    """Replaces `sys.path` in a shared process: for code of a folder, that folder comes first."""

    def _seen(self) -> list[str]:
        asking = package_that_asks()
        entries = list(super().__iter__())
        if asking is None or FOLDERS[asking] == STATE.on_path:
            return entries
        if entries and entries[0] == STATE.on_path:
            del entries[0]
        return [FOLDERS[asking], *entries]

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._seen())

    def copy(self) -> list[str]:
        return self._seen()

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        return self._seen()[index] if isinstance(index, slice) else super().__getitem__(index)


def _start(thread: threading.Thread) -> None:
    """Replaces `Thread.start` in a shared process: a thread keeps the folder of its starter."""
    thread._volnux_folder = package_that_asks()  # type: ignore[attr-defined]  # for package_that_asks
    _python_start(thread)

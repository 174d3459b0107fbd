"""Registers folders and imports their modules."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from volnux import usercode
from volnux.events.modules.asking import asking_as
from volnux.events.modules.loader import Finder
from volnux.events.modules.registry import (
    FOLDERS,
    LOCK,
    NEVER_OWNED,
    STATE,
    home_of,
    owns,
    package_name,
    register,
)
from volnux.events.modules.shared import SharedModule, module_meant, share, take_in
from volnux.events.modules.sources import entries, find_source, same_file
from volnux.usercode import keep_stdin_open, runs_user_code

__all__ = ["MADE_IN", "adopt", "at_home", "forget", "import_from", "module_of"]

MADE_IN = "__volnux_file__"
"""An attribute of a class that a function of ours made: the file of the module that called it."""


@runs_user_code
def import_from(folder: Path | None, name: str) -> ModuleType:
    """Import a module by its dotted name, from the folder if it is there, else as Python does.

    A file that the program has already imported, under any name, is not imported again.

    Raises:
        ModuleNotFoundError: there is no such module; `error.name` is `name` or a part of it.
        Exception: an exception of the module itself.
    """
    keep_stdin_open()
    generation = usercode.generation
    try:
        module = _import_from(folder, name)
    except BaseException as error:
        if usercode.generation != generation:
            usercode.end_child(error)
        raise
    if usercode.generation != generation:
        # This is a child that the module forked: only the parent may continue.
        usercode.end_child()
    return module


def adopt(known: Mapping[str, str]) -> None:
    """Make the modules of these folders importable in this process.

    Args:
        known: the value that `folders` returned in a process that uses the folders.
    """
    for path in known.values():
        _use(path)


def at_home(folder: str | None) -> contextlib.AbstractContextManager[None]:
    """Inside the context, plain names mean this folder's modules, for this thread.

    It is for our code that pickles or unpickles values of the user. None has no effect.
    """
    if folder is None:
        return contextlib.nullcontext()
    return asking_as(_use(folder))


def at_home_of(target: Any) -> contextlib.AbstractContextManager[None]:
    """The same for the folder of a class or function, so that its annotations can be evaluated."""
    # In other processes, a plain name has one meaning.
    return at_home(home_of(module_of(target))) if STATE.shared else contextlib.nullcontext()


def module_of(target: Any) -> ModuleType | None:
    """The module of a class or function; None if it is not loaded.

    Unlike `sys.modules[target.__module__]`, this is also correct in a shared process.
    """
    module = sys.modules.get(target.__module__)
    if type(module) is not SharedModule:
        return module
    names = _names_around(target)
    file = getattr(target, "__dict__", {}).get(MADE_IN)
    for package in tuple(FOLDERS):
        each = found = sys.modules.get(f"{package}.{target.__module__}")
        if each is None:
            continue
        for part in target.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is target or vars(each) is names or (file and vars(each).get("__file__") == file):
            return each
    return module_meant(module)


def _names_around(target: Any) -> dict[str, Any] | None:
    """The global names of a function, or of the methods of a class; None if there are none.

    What is defined inside a function cannot be found in its module by name.
    """
    functions = vars(target).values() if isinstance(target, type) else (target,)
    for each in functions:
        function = inspect.unwrap(each) if callable(each) else getattr(each, "__func__", None)
        # Methods that a library generates have no file, and may have the names of any module.
        if inspect.isfunction(function) and function.__code__.co_filename != "<string>":
            return function.__globals__
    return None


def forget(folder: Path) -> None:
    """Forget the modules of a folder, so that they are imported again; current runs keep theirs."""
    package = _use(os.path.realpath(folder))
    with LOCK:
        for key in [key for key in sys.modules.copy() if key.startswith(f"{package}.")]:
            module = sys.modules.pop(key)
            plain = key[len(package) + 1 :]
            if sys.modules.get(plain) is module:
                del sys.modules[plain]
    importlib.invalidate_caches()


def _import_from(folder: Path | None, name: str) -> ModuleType:
    if folder is None:
        return importlib.import_module(name)
    package = _use(os.path.realpath(folder))
    with asking_as(package):
        if not owns(package, name.partition(".")[0]):
            return importlib.import_module(name)
        if f"{package}.{name}" not in sys.modules:
            loaded = _loaded_file(FOLDERS[package], name)
            if loaded is not None:
                return loaded
        return importlib.import_module(f"{package}.{name}")


def _use(path: str) -> str:
    """Register a folder unless it is registered already, and return the name of its package."""
    name = package_name(path)
    if name in FOLDERS:
        return name
    with LOCK:
        if name in FOLDERS:
            return name
        package = ModuleType(name, f"The folder {path}.")
        package.__path__ = [path]
        sys.modules[name] = package
        first = not FOLDERS
        register(path)
        if first:
            sys.meta_path.insert(0, Finder())
        if first and not _is_taken(path) and not _is_package(path):
            sys.path.insert(0, path)
            STATE.on_path = path
        else:
            from volnux.values.adapters import evaluate_within

            share()
            evaluate_within(at_home_of)
        if STATE.shared:
            take_in(name)
    return name


def _is_taken(path: str) -> bool:
    """Whether a loaded module already has the name of a module of the folder."""
    for stem in {entry.stem for entry in entries(path)}:
        loaded = sys.modules.get(stem)
        if loaded is None or stem in NEVER_OWNED or stem in ("conftest", "__main__"):
            continue
        spec = importlib.machinery.PathFinder.find_spec(stem, [path])
        if spec is not None and spec.origin and not same_file(loaded, spec.origin):
            return True
    return False


def _is_package(path: str) -> bool:
    """Whether a folder is an imported package: then it must not be on the import path."""
    return any(
        path in map(os.path.realpath, vars(module).get("__path__") or ())
        for name, module in sys.modules.copy().items()
        if Path(path).name in name and type(module) is ModuleType and name not in FOLDERS
    )


def _loaded_file(folder: str, name: str) -> ModuleType | None:
    """The module that the program has loaded from a file of the folder, under any name."""
    *above, stem = name.split(".")
    spec = find_source(stem, [str(Path(folder, *above))])
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    for known, module in sys.modules.copy().items():
        if known.rpartition(".")[2] != stem or type(module) is SharedModule:
            continue
        if same_file(module, spec.origin):
            return module
    return None

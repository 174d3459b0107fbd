"""Modules beside a `.pty`: imported as in any Python program, and two folders never collide.

The folder of a `.pty` comes first on the import path, as the folder of a script does, and its
modules have their own plain names: `events`, `helpers`, `shop.parts`. What they pickle, another
process can load; what they import by name, patch or log has the name that its author wrote.

A process that serves one folder gets nothing else. A process that serves several (a scheduler, a
DAG processor, a test session), or one in which an installed module already has a name that the
folder uses, is *shared*: there, the same plain name means the module of the folder whose code
asks. `docs/modules.md` describes both, and what a shared process cannot do.

Each folder is also a package of its own with a made-up name. Python's import system loads and locks
the modules under that package, and relative imports at the top of a folder use it. Nobody else
sees it: `__name__` is the plain name.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, SupportsIndex

from volnux import usercode
from volnux.usercode import keep_stdin_open, runs_user_code

__all__ = [
    "adopt",
    "at_home",
    "current_home",
    "display_text",
    "events_file",
    "events_module",
    "folders",
    "forget",
    "home_of",
    "import_from",
    "is_shared",
    "module_of",
]

EVENTS = "_events"
"""How the name of the module of events beside a `.pty` ends."""

_PREFIX = "_volnux_"
_MADE_UP = re.compile(rf"\b{_PREFIX}[0-9a-f]{{12}}\.")
_NEVER_OWNED = frozenset({"volnux", "volnux_standalone", "volnux_airflow", "volnux_prefect"})
"""A second copy of these, in a folder that happens to hold one, would not know the first."""
_INSTALLED = frozenset({"site-packages", "dist-packages"})

_LOCK = threading.RLock()
_FOLDERS: dict[str, str] = {}
"""The folders in use, by the name of their package, in the order of their first use."""
_PACKAGES: dict[str, str] = {}
"""The same the other way round."""
_on_path: str | None = None
"""The folder that was put first on `sys.path`."""


# What the rest of volnux uses.


@runs_user_code
def import_from(folder: Path | None, name: str) -> ModuleType:
    """Import a dotted module, from the folder if it has it, else as Python would.

    A file that the program has imported already, under whatever name, is not imported again.

    Raises:
        ModuleNotFoundError: there is none; `error.name` is `name` or a part of it.
        Exception: whatever the module itself raises.
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
        # In a child that the module forked: going on from here is for the parent.
        usercode.end_child()
    return module


def _import_from(folder: Path | None, name: str) -> ModuleType:
    if folder is None:
        return importlib.import_module(name)
    package = _use(os.path.realpath(folder))
    with _asking_as(package):
        if not _owns(package, name.partition(".")[0]):
            return importlib.import_module(name)
        if f"{package}.{name}" not in sys.modules:
            loaded = _loaded_file(_FOLDERS[package], name)
            if loaded is not None:
                return loaded
        return importlib.import_module(f"{package}.{name}")


def folders() -> dict[str, str]:
    """The folders in use, for `adopt` in another process."""
    return dict(_FOLDERS)


def adopt(known: Mapping[str, str]) -> None:
    """Make the modules of these folders importable in this process.

    Args:
        known: what `folders` returned where the folders are in use already.
    """
    for path in known.values():
        _use(path)


def at_home(folder: str | None) -> contextlib.AbstractContextManager[None]:
    """While the context is entered, plain names mean this folder's modules on this thread.

    For code of ours that pickles or unpickles values of the user. None changes nothing.
    """
    if folder is None:
        return contextlib.nullcontext()
    return _asking_as(_use(folder))


def current_home() -> str | None:
    """The folder of the innermost `at_home` on this thread."""
    package = getattr(_ACTIVE, "package", None)
    return None if package is None else _FOLDERS[package]


def is_shared() -> bool:
    """Whether a plain name may mean several modules in this process."""
    return _shared


def module_of(target: Any) -> ModuleType | None:
    """The module of a class or function; None if it is not loaded.

    Unlike `sys.modules[target.__module__]` it is the right one in a shared process, too.
    """
    module = sys.modules.get(target.__module__)
    if type(module) is not _Shared:
        return module
    for package in _FOLDERS:
        each = found = sys.modules.get(f"{package}.{target.__module__}")
        for part in target.__qualname__.split("."):
            found = getattr(found, part, None)
        if each is not None and found is target:
            return each
    return _mine(module)


def home_of(module: ModuleType | None) -> str | None:
    """The folder in use that a module was loaded from; None if it was loaded from none."""
    package = _of_file(str(getattr(module, "__file__", None) or ""))
    return None if package is None else _FOLDERS[package]


def forget(folder: Path) -> None:
    """Have the modules of a folder imported anew; runs under way keep the ones they have."""
    package = _use(os.path.realpath(folder))
    with _LOCK:
        for key in [key for key in sys.modules if key.startswith(f"{package}.")]:
            module = sys.modules.pop(key)
            plain = key[len(package) + 1 :]
            if sys.modules.get(plain) is module:
                del sys.modules[plain]
    importlib.invalidate_caches()


def events_module(stem: str) -> str:
    """The name of the module of events beside `<stem>.pty`: a module's name has no dot."""
    return stem.replace(".", "_") + EVENTS


def events_file(folder: Path, name: str) -> Path | None:
    """The file of a module of events in a folder; its own name may have dots (`a.b_events.py`)."""
    file = folder / f"{name}.py"
    if file.is_file():
        return file
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return None
    # A file that comes within a tick of the clock does not change the time again.
    settled = time.time_ns() - changed > _TICK
    read = _dotted_events if settled else _dotted_events.__wrapped__
    dotted = read(folder, changed).get(name)
    return dotted if dotted is not None and dotted.is_file() else None


_TICK = 50_000_000
"""Nanoseconds after which a change of a folder has another time than the one before.

The clock of Linux's file systems has ticks of at most 10 ms. Importing a folder's first module adds
`__pycache__` to it, so a longer wait would keep each pipeline from using what was read.
"""


@functools.lru_cache(maxsize=16)
def _dotted_events(folder: Path, changed: int) -> dict[str, Path]:
    """The modules of events in a folder whose own names have dots, by the name without.

    Every pipeline of a folder asks, so it is read once for each `changed`, its time in ns.
    """
    found = (each for each in sorted(folder.glob(f"*.*{EVENTS}.py")) if "." in each.stem)
    return {each.stem.replace(".", "_"): each for each in reversed(list(found))}


def display_text(text: str) -> str:
    """A text as the user should see it: without the made-up packages."""
    return _MADE_UP.sub("", text) if _PREFIX in text else text


# Folders.


def _use(path: str) -> str:
    """Put a folder into use, unless it is; the name of its package."""
    name = _PREFIX + hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    if name in _FOLDERS:
        return name
    global _on_path
    with _LOCK:
        if name in _FOLDERS:
            return name
        package = ModuleType(name, f"The folder {path}.")
        package.__path__ = [path]
        sys.modules[name] = package
        first = not _FOLDERS
        _FOLDERS[name] = path
        _PACKAGES[path] = name
        _of_known_file.clear()
        if first:
            sys.meta_path.insert(0, _Finder())
        if first and not _is_taken(path) and not _is_package(path):
            sys.path.insert(0, path)
            _on_path = path
        else:
            _share()
        if _shared:
            _take_in(name)
    return name


def _is_taken(path: str) -> bool:
    """Whether a module that is loaded already has the name of a module of the folder."""
    for stem in {entry.stem for entry in _entries(path)}:
        loaded = sys.modules.get(stem)
        if loaded is None or stem in _NEVER_OWNED or stem in ("conftest", "__main__"):
            continue
        spec = importlib.machinery.PathFinder.find_spec(stem, [path])
        if spec is not None and spec.origin and not _same_file(loaded, spec.origin):
            return True
    return False


def _entries(folder: str) -> list[Path]:
    """What is in a folder; nothing if it cannot be read."""
    with contextlib.suppress(OSError):
        return list(Path(folder).iterdir())
    return []


def _is_package(path: str) -> bool:
    """Whether a folder is that of an imported package: it must not be on the import path, then."""
    return any(
        path in map(os.path.realpath, vars(module).get("__path__") or ())
        for name, module in list(sys.modules.items())
        if Path(path).name in name and type(module) is ModuleType and name not in _FOLDERS
    )


def _owns(package: str, top: str) -> bool:
    """Whether the folder has a module or package of that name, which wins over all others."""
    if f"{package}.{top}" in sys.modules:
        return True
    if top in _NEVER_OWNED:
        return False
    folder = _FOLDERS[package]
    spec = _find(top, [folder])
    if spec is None:
        return False
    if spec.origin is not None:
        return True
    # A plain folder without __init__.py (docs/, data/) does not hide a module from elsewhere.
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry) != folder]
    return (
        top not in sys.modules and importlib.machinery.PathFinder.find_spec(top, elsewhere) is None
    )


def _find(fullname: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
    """As Python finds a module; in a folder, `a_b_events` may also be the file `a.b_events.py`."""
    spec = importlib.machinery.PathFinder.find_spec(fullname, path)
    name = fullname.rpartition(".")[2]
    if spec is None and name.endswith(EVENTS):
        files = (events_file(Path(folder), name) for folder in path or ())
        file = next((each for each in files if each is not None), None)
        if file is not None:
            return importlib.util.spec_from_file_location(fullname, file)
    return spec


def _same_file(module: ModuleType | None, path: str) -> bool:
    file = getattr(module, "__file__", None)
    real = _real_path(file) if isinstance(file, str) else ""
    return real != "" and real == _real_path(path)


def _loaded_file(folder: str, name: str) -> ModuleType | None:
    """The module that the program has made of a file of the folder, under whatever name."""
    *above, stem = name.split(".")
    spec = _find(stem, [str(Path(folder, *above))])
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    for known, module in list(sys.modules.items()):
        if known.rpartition(".")[2] != stem or type(module) is _Shared:
            continue
        if _same_file(module, spec.origin):
            return module
    return None


# Who asks.

_ACTIVE = threading.local()
_of_known_file: dict[str, str | None] = {}


@contextlib.contextmanager
def _asking_as(package: str) -> Iterator[None]:
    before = getattr(_ACTIVE, "package", None)
    _ACTIVE.package = package
    try:
        yield
    finally:
        _ACTIVE.package = before


def _asking() -> str | None:
    """The package of the folder whose code asks for a module; None where it is no folder's.

    In a shared process that is the folder that this thread links or pickles for, else that of the
    innermost code on the stack, else that of the code that started the thread.
    """
    if not _shared:
        return next(iter(_FOLDERS), None)
    active: str | None = getattr(_ACTIVE, "package", None)
    if active is not None:
        return active
    frame = sys._getframe(1)
    while frame is not None:
        package = _of_file(frame.f_code.co_filename)
        if package is not None:
            return package
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return getattr(threading.current_thread(), "_volnux_folder", None)


def _of_file(filename: str) -> str | None:
    """The package of the innermost folder in use that holds a file, if it is no installed one."""
    if filename in _of_known_file:
        return _of_known_file[filename]
    # A process may have thousands of folders, and asks for each file of the stack.
    found = None
    file = Path(_real_path(filename))
    for folder in file.parents:
        package = _PACKAGES.get(str(folder))
        if package is None:
            continue
        inside = file.relative_to(folder).parts
        if inside[0] not in _NEVER_OWNED and not _INSTALLED & set(inside):
            found = package
            break
    _of_known_file[filename] = found
    return found


@functools.cache
def _real_path(filename: str) -> str:
    """The file without links; empty for `<string>` and the like, wherever the process may be."""
    return os.path.realpath(filename) if Path(filename).is_absolute() else ""


# Loading.


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of folders, by their plain names and by those of the made-up packages."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, plain = fullname.partition(".")
        if package in _FOLDERS:
            return self._find_own(fullname, plain, path, target)
        asking = _asking()
        if asking is None or (path is not None and f"{asking}.{package}" not in sys.modules):
            return None
        if not _owns(asking, package):
            return None
        if not _shared:
            # Whatever stands before the folder on the import path wins, as ever.
            spec = _find(fullname, path)
            if spec is None and path is None:
                spec = _find(fullname, [_FOLDERS[asking]])
            if spec is None or spec.origin is None or _of_file(spec.origin) != asking:
                return None
        return importlib.machinery.ModuleSpec(fullname, _Alias(f"{asking}.{fullname}"))

    def _find_own(
        self, fullname: str, plain: str, path: Sequence[str] | None, reloaded: ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = _find(fullname, path)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return spec
        loaded = sys.modules.get(plain)
        if (
            reloaded is None
            and type(loaded) is not _Shared
            and _same_file(loaded, spec.loader.path)
        ):
            # The program has imported this very file: its classes are these.
            return importlib.machinery.ModuleSpec(fullname, _Alias(plain))
        spec.loader = _Loader(plain, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of a folder, which knows itself by its plain name."""

    def exec_module(self, module: ModuleType) -> None:
        module.__name__ = self.name
        _publish(self.name, module)
        try:
            super().exec_module(module)
        except BaseException:
            _withdraw(self.name, module)
            raise

    # Asked by the name of the spec, or by that of the module.

    def get_filename(self, name: str | None = None) -> str:
        return self.path

    def get_resource_reader(self, name: str | None = None) -> Any:
        return super().get_resource_reader(self.name)


class _Alias(importlib.abc.Loader):
    """Loads nothing: the module is that of another name, which is imported if need be."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: Any = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        if _shared and spec.name.partition(".")[0] not in _FOLDERS:
            _publish(spec.name, module)
            module = sys.modules.get(spec.name, module)
        if type(module) is not _Shared:
            self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the spec of this name into the module.
        if type(module) is not _Shared:
            module.__spec__ = self._spec


def _publish(name: str, module: ModuleType) -> None:
    """Make a module of a folder known by its plain name, which others may have as well."""
    with _LOCK:
        known = sys.modules.get(name)
        if not _shared:
            if known is None or known is module:
                sys.modules[name] = module
                return
            _share()
            known = sys.modules.get(name)
        if type(known) is _Shared:
            return
        if known is None or known is module or home_of(known) is not None:
            sys.modules[name] = _Shared(name, None)
        elif name.partition(".")[0] not in sys.stdlib_module_names:
            sys.modules[name] = _Shared(name, known)


def _withdraw(name: str, module: ModuleType) -> None:
    """Undo `_publish` for a module that could not be imported."""
    with _LOCK:
        known = sys.modules.get(name)
        if type(known) is _Shared:
            _, outside = _name_and_outside(known)
            others = (sys.modules.get(f"{package}.{name}") for package in _FOLDERS)
            if outside is not None:
                sys.modules[name] = outside
            elif all(each in (None, module) for each in others):
                del sys.modules[name]
        elif known is module:
            del sys.modules[name]


# Shared processes.

_shared = False
_python_import = builtins.__import__
_python_start = threading.Thread.start


def _share() -> None:
    """Have plain names mean the module of the folder whose code asks, from now on."""
    global _shared
    if _shared:
        return
    _shared = True
    for package in _FOLDERS:
        _take_in(package)
    sys.path = _ImportPath(sys.path)
    builtins.__import__ = _import
    threading.Thread.start = _start  # type: ignore[assignment, method-assign]  # see _start


def _take_in(package: str) -> None:
    """Share the names of the modules that are loaded from a folder already."""
    folder = _FOLDERS[package]
    stems = {entry.name.partition(".")[0] for entry in _entries(folder)}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in stems or type(module) is _Shared or name == "__main__":
            continue
        inner = str(Path(folder, *name.split(".")))
        if any(_same_file(module, inner + end) for end in (".py", f"{os.sep}__init__.py")):
            sys.modules.setdefault(f"{package}.{name}", module)
            sys.modules[name] = _Shared(name, None)


class _Shared(ModuleType):
    """What `sys.modules` holds for a name in a shared process: each folder sees its own module.

    Libraries look at all of `sys.modules`. That must neither import anything nor raise anything but
    an `AttributeError`, so only the import system has a module loaded, when it asks for the spec.
    """

    def __init__(self, name: str, outside: ModuleType | None) -> None:
        object.__getattribute__(self, "__dict__").update(name=name, outside=outside)

    def __getattribute__(self, attribute: str) -> Any:
        if attribute == "__spec__" and sys._getframe(1).f_code.co_filename == _IMPORT_SYSTEM:
            return _imported(self).__spec__
        return getattr(_mine(self), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        # The import system sets the spec of a module, and a module in its package.
        if attribute != "__spec__" and type(value) is not _Shared:
            setattr(_mine(self), attribute, value)

    def __delattr__(self, attribute: str) -> None:
        delattr(_mine(self), attribute)

    def __repr__(self) -> str:
        return f"<module {_name_and_outside(self)[0]!r} of the folder that asks>"

    def __dir__(self) -> list[str]:
        try:
            return dir(_mine(self))
        except AttributeError:
            return []


_IMPORT_SYSTEM = "<frozen importlib._bootstrap>"


def _name_and_outside(shared: _Shared) -> tuple[str, ModuleType | None]:
    own = object.__getattribute__(shared, "__dict__")
    return own["name"], own["outside"]


def _mine(shared: _Shared) -> ModuleType:
    """The loaded module that a shared name means for whoever asks.

    Raises:
        AttributeError: there is none.
    """
    name, outside = _name_and_outside(shared)
    asking = _asking()
    module = None if asking is None else sys.modules.get(f"{asking}.{name}")
    if module is None and (asking is None or not _owns(asking, name.partition(".")[0])):
        module = outside
    if module is None and asking is None:
        loaded = (sys.modules.get(f"{package}.{name}") for package in _FOLDERS)
        module = next((each for each in loaded if each is not None), None)
    if module is None:
        raise AttributeError(f"the module {name!r} is not loaded for the folder that asks for it")
    return module


def _imported(shared: _Shared) -> ModuleType:
    """The module that a shared name means for whoever asks, imported if need be.

    Raises:
        ModuleNotFoundError: there is none.
    """
    name, _ = _name_and_outside(shared)
    asking = _asking()
    if asking is not None and _owns(asking, name.partition(".")[0]):
        return importlib.import_module(f"{asking}.{name}")
    try:
        return _mine(shared)
    except AttributeError:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name) from None


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """`builtins.__import__` of a shared process."""
    if level == 0:
        asking = _asking()
        top = name.partition(".")[0]
        if asking is not None and top not in _FOLDERS and _owns(asking, top):
            if fromlist:
                return _python_import(f"{asking}.{name}", globals, locals, fromlist, 0)
            importlib.import_module(f"{asking}.{name}")
            return sys.modules[f"{asking}.{top}"]
        shared = sys.modules.get(top)
        if type(shared) is _Shared:
            # The import system of Python 3.11 and 3.12 would not hear that there is none.
            _imported(_with_outside(shared, top))
    return _python_import(name, globals, locals, fromlist or (), level)


def _with_outside(shared: _Shared, name: str) -> _Shared:
    """The shared name, once what it means outside of all folders is imported, if that exists."""
    with _LOCK:
        if _name_and_outside(shared)[1] is not None:
            return shared
        del sys.modules[name]
        outside = None
        try:
            with contextlib.suppress(ModuleNotFoundError):
                outside = _python_import(name)
        finally:
            shared = sys.modules[name] = _Shared(name, outside)
        return shared


class _ImportPath(list[str]):
    """`sys.path` of a shared process: for code of a folder, that folder comes first."""

    def _seen(self) -> list[str]:
        asking = _asking()
        entries = list(super().__iter__())
        if asking is None or _FOLDERS[asking] == _on_path:
            return entries
        if entries and entries[0] == _on_path:
            del entries[0]
        return [_FOLDERS[asking], *entries]

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._seen())

    def copy(self) -> list[str]:
        return self._seen()

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        return self._seen()[index] if isinstance(index, slice) else super().__getitem__(index)


def _start(thread: threading.Thread) -> None:
    """`Thread.start` of a shared process: a thread asks as whoever started it."""
    thread._volnux_folder = _asking()  # type: ignore[attr-defined]  # for _asking
    _python_start(thread)

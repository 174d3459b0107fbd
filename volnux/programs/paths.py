"""Finds and reads the file that a `@use` names: beside the file that says it, or in a package."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath

from volnux.errors import Diagnostic, Source, shortened
from volnux.pointy.uses import package_path
from volnux.reading import FileError, check_kind, read_text

__all__ = ["PathFault", "find", "identity", "read_used"]


class PathFault(Exception):
    """The file of a `@use` cannot be found or read."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def find(written: str, folder: Path) -> Path:
    """The file that a path in a `@use` names; it need not exist.

    Args:
        written: the path, in a valid form.
        folder: the folder of the file that says it.

    Raises:
        PathFault: there is no such package.
    """
    in_package = package_path(written)
    if in_package is None:
        return _short(folder / written)
    package, inside = in_package
    paths = [Path(location, inside) for location in _locations(package)]
    # Unlike `Path.exists`, this does not raise for a name that is too long.
    return next((path for path in paths if os.path.lexists(path)), paths[0])


def identity(path: str | Path) -> str:
    """The real path of a file; the path itself if no file can have it."""
    try:
        return os.path.realpath(path)
    except ValueError:  # the file system cannot encode a character
        return str(path)


def read_used(
    written: str, path: Path, folder: Path
) -> tuple[Source | None, tuple[Diagnostic, ...]]:
    """The text of a used file, or None and a diagnostic if it is not text.

    Raises:
        PathFault: it cannot be read, or is not named like a pipeline.
    """
    try:
        with contextlib.suppress(OSError):  # then reading fails as well, with a better message
            check_kind(path)
        text = read_text(path)
        if path.suffix.lower() != ".pty":
            raise FileError(path, "the name of a pipeline ends in .pty", "rename the file")
    except FileError as error:
        reason = error.diagnostic.message
        hint = _hint(written, folder, error)
        raise PathFault(
            f"'{shortened(str(path))}' cannot be used: {reason}", hint and shortened(hint)
        ) from error
    return text


def _hint(written: str, folder: Path, error: FileError) -> str | None:
    """The hint for a file that cannot be used; a path in it is as the directive has to say it."""
    package, inside = package_path(written) or (None, written)
    if package is None and isinstance(error.__cause__, FileNotFoundError):
        with contextlib.suppress(OSError, ValueError):
            if Path(written).is_file():  # it is relative to the working directory
                meant = PurePosixPath(os.path.relpath(written, folder))
                return f"a path is relative to the folder of this file: write '{meant}'"
    if error.meant is None:
        return error.diagnostic.hint
    if error.meant.suffix.lower() != ".pty":  # such as a folder
        return None
    meant = PurePosixPath(inside).with_name(error.meant.name)
    return f"did you mean '{meant if package is None else f'package:{package}/{meant}'}'?"


def _short(path: Path) -> Path:
    """The path without `..`, if that leads to the same file."""
    if ".." not in path.parts:
        return path
    short = Path(os.path.normpath(path))
    return short if identity(short) == identity(path) else path


# Packages: importing one, or the package around it, would execute code of the user.


def _locations(package: str) -> Sequence[str]:
    """The folders of an installed package.

    Raises:
        PathFault: there is no such package, or it is not a folder.
    """
    parts = package.split(".")
    locations: list[str] | None = None
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        around, locations = locations, _locations_below(name, parts[count - 1], locations)
        if locations is None:
            where = f"looked in {around[0]}" if around else "looked on the import path"
            raise PathFault(
                f"there is no package '{shortened(name)}'",
                f"{where}; a file of the project has a path without 'package:'",
            )
        if not locations:
            raise PathFault(f"'{name}' is a module, not a package", _FOLDER)
        if not any(_is_folder(location) for location in locations):
            raise PathFault(f"the package '{name}' is not a folder", _FOLDER)
    assert locations is not None
    return locations


_FOLDER = "a used file is in a package that is a folder on the disk"


def _locations_below(name: str, last: str, around: list[str] | None) -> list[str] | None:
    """The folders of a package within the folders of another; none for a module."""
    spec = _spec(name, around)
    if spec is not None:
        return list(spec.submodule_search_locations or ())
    # Python cannot find a namespace package inside a package that is not imported.
    inside = [str(Path(folder, last)) for folder in around or ()]
    return list(filter(_is_folder, inside)) or None


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # a name that is too long
        return False


def _spec(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except (KeyError, AttributeError):  # the package around it is not imported, or is another
            continue
        if spec is not None:
            return spec
    return None

"""Finds which folder's code asks for a module; in a shared process, this decides its meaning."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from volnux.events.modules.registry import FOLDERS, STATE, package_of_file

__all__ = ["asking_as", "current_home", "package_that_asks"]

_ACTIVE = threading.local()
"""`package`: the package of the folder for which this thread links or pickles."""


def package_that_asks() -> str | None:
    """The package of the folder whose code asks for a module, or None if it is not a folder's code.

    In a shared process, it is the first of these: the folder for which this thread links or
    pickles, the folder of the innermost code on the stack, the folder of the code that started the
    thread.
    """
    if not STATE.shared:
        return next(iter(FOLDERS), None)
    active: str | None = getattr(_ACTIVE, "package", None)
    if active is not None:
        return active
    frame = sys._getframe(1)
    while frame is not None:
        package = package_of_file(frame.f_code.co_filename)
        if package is not None:
            return package
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return getattr(threading.current_thread(), "_volnux_folder", None)


@contextlib.contextmanager
def asking_as(package: str) -> Iterator[None]:
    """Inside the context, requests of this thread count as those of this package."""
    before = getattr(_ACTIVE, "package", None)
    _ACTIVE.package = package
    try:
        yield
    finally:
        _ACTIVE.package = before


def current_home() -> str | None:
    """The folder of the innermost `at_home` context on this thread."""
    package = getattr(_ACTIVE, "package", None)
    return None if package is None else FOLDERS[package]

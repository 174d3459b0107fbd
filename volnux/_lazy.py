"""Imports names of a package at first use, so that importing the package itself is fast."""

from __future__ import annotations

# Type checkers treat this name as true; importing it from typing would be slower than all below.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["lazy"]


def lazy(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package.

    Args:
        package: the name of the package.
        homes: the public names of the package, by the module that defines them.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import importlib

        value = getattr(importlib.import_module(home_of[name]), name)
        setattr(importlib.import_module(package), name, value)
        return value

    def names() -> list[str]:
        import importlib

        return sorted(importlib.import_module(package).__all__)  # for completion in a shell

    return get, names

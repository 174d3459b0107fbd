"""Names of a package that are imported at first use, so that importing the package costs little."""

from __future__ import annotations

# Type checkers take this name for true; importing it from typing would cost more than all below.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["lazy"]


def lazy(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its name.
        homes: the modules that define its public names, each with those names.
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

        return sorted(importlib.import_module(package).__all__)  # what a shell completes

    return get, names

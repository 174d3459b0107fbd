"""Checks whether the program has imported a module, without importing it."""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["imported"]


def imported(name: str) -> ModuleType | None:
    """The module with that name if the program has imported it, else None."""
    return sys.modules.get(name)

"""Whether the program has imported a module: asked where importing it would cost too much."""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["imported"]


def imported(name: str) -> ModuleType | None:
    """The module of that name if the program has imported it, else None."""
    return sys.modules.get(name)

"""The port that backends implement, and the registry that finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux.backends.port import (
        Backend,
        BackendError,
        Capabilities,
        RefusedError,
        RunControl,
        RunObserver,
        RunOptions,
    )
    from volnux.backends.registry import backend_names, get_backend

__all__ = [
    "Backend",
    "BackendError",
    "Capabilities",
    "RefusedError",
    "RunControl",
    "RunObserver",
    "RunOptions",
    "backend_names",
    "get_backend",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.backends.port": (
            "Backend",
            "BackendError",
            "Capabilities",
            "RefusedError",
            "RunControl",
            "RunObserver",
            "RunOptions",
        ),
        "volnux.backends.registry": ("backend_names", "get_backend"),
    },
)

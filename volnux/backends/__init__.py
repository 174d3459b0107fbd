"""The port that backends implement, and the registry that finds them."""

from __future__ import annotations

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

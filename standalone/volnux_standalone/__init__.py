"""The embedded backend of volnux: threads, processes and coroutines, with no server."""

from __future__ import annotations

from volnux_standalone.backend import StandaloneBackend

__all__ = ["StandaloneBackend"]

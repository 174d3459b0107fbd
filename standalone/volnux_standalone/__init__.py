"""The embedded backend of Volnux: threads, processes and coroutines, without a server."""

from __future__ import annotations

from volnux_standalone.backend import StandaloneBackend

__all__ = ["StandaloneBackend"]

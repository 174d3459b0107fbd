"""Soft signals: your functions are called when something happens in a pipeline."""

from __future__ import annotations

from volnux.signal.soft import ListenerError, SoftSignal

__all__ = ["ListenerError", "SoftSignal"]

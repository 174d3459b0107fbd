"""Decorators that make events of functions."""

from __future__ import annotations

from volnux.events.base import event

__all__ = ["event"]

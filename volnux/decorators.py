"""Decorators: they turn functions into events, or connect them to signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from volnux.events.base import event
from volnux.signal.soft import SoftSignal

__all__ = ["event", "listener"]

_F = TypeVar("_F", bound=Callable[..., Any])


def listener(signal: SoftSignal | Iterable[SoftSignal], sender: Any = None) -> Callable[[_F], _F]:
    """Connect the decorated function to a signal, or to each of several.

    Args:
        signal: the signal or signals.
        sender: as in `SoftSignal.connect`.

    Raises:
        ListenerError: the function requires an argument that a signal does not provide.
    """
    signals = [signal] if isinstance(signal, SoftSignal) else list(signal)

    def connect(function: _F) -> _F:
        for each in signals:
            each.connect(function, sender)
        return function

    return connect

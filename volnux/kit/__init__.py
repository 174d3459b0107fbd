"""The parts of a backend that do not depend on its host and are the same for all backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux.hooks import About, Hooks, Listener, Observing, hooks_of
    from volnux.kit.attempt import attempt, attempt_async, event_async
    from volnux.kit.keeping import keeper_of
    from volnux.kit.notes import Notes
    from volnux.kit.processes import default_workers

__all__ = [
    "About",
    "Hooks",
    "Listener",
    "Notes",
    "Observing",
    "attempt",
    "attempt_async",
    "default_workers",
    "event_async",
    "hooks_of",
    "keeper_of",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.hooks": ("About", "Hooks", "Listener", "Observing", "hooks_of"),
        "volnux.kit.attempt": ("attempt", "attempt_async", "event_async"),
        "volnux.kit.keeping": ("keeper_of",),
        "volnux.kit.notes": ("Notes",),
        "volnux.kit.processes": ("default_workers",),
    },
)

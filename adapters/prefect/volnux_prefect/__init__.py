"""Run Pointy on Prefect: `load_flow("orders.pty")` returns an ordinary flow.

Prefect imports this package when it starts (entry point `prefect.collections`). To keep that fast,
the modules are only imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux_prefect.backend import PrefectBackend
    from volnux_prefect.flow import load_flow, to_flow
    from volnux_prefect.taskevents import task_event

__all__ = ["PrefectBackend", "load_flow", "task_event", "to_flow"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux_prefect.backend": ("PrefectBackend",),
        "volnux_prefect.flow": ("load_flow", "to_flow"),
        "volnux_prefect.taskevents": ("task_event",),
    },
)

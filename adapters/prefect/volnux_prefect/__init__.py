"""Prefect runs Pointy: `load_flow("orders.pty")` is a flow like any other.

Prefect imports this package when it starts (entry point `prefect.collections`), so what it holds
is fetched at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux_prefect.backend import PrefectBackend
    from volnux_prefect.flow import load_flow, to_flow

__all__ = ["PrefectBackend", "load_flow", "to_flow"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux_prefect.backend": ("PrefectBackend",),
        "volnux_prefect.flow": ("load_flow", "to_flow"),
    },
)

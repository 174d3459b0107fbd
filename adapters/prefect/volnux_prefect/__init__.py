"""Prefect runs Pointy: `load_flow("orders.pty")` is a flow like any other.

Prefect imports this package when it starts (entry point `prefect.collections`), so what it holds
is fetched at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volnux_prefect.backend import PrefectBackend
    from volnux_prefect.flow import load_flow, to_flow

__all__ = ["PrefectBackend", "load_flow", "to_flow"]

_HOMES = {
    "PrefectBackend": "volnux_prefect.backend",
    "load_flow": "volnux_prefect.flow",
    "to_flow": "volnux_prefect.flow",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

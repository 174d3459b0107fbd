"""Runs that are kept: a store in an SQLite file, and what it knows."""

from __future__ import annotations

from volnux._lazy import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from volnux.runs.model import (
        KeptAttempt,
        KeptLine,
        KeptPlace,
        KeptRun,
        KeptStatus,
        RunStoreError,
    )
    from volnux.runs.store import Store
    from volnux.runs.values import read_value

__all__ = [
    "KeptAttempt",
    "KeptLine",
    "KeptPlace",
    "KeptRun",
    "KeptStatus",
    "RunStoreError",
    "Store",
    "read_value",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.runs.model": (
            "KeptAttempt",
            "KeptLine",
            "KeptPlace",
            "KeptRun",
            "KeptStatus",
            "RunStoreError",
        ),
        "volnux.runs.store": ("Store",),
        "volnux.runs.values": ("read_value",),
    },
)

"""Runs that are kept: a store in an SQLite file, and the listener that fills it during a run."""

from __future__ import annotations

from volnux._lazy import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from volnux.runs.given import given_of
    from volnux.runs.keeper import Keeper, fingerprint_of
    from volnux.runs.model import KeptLine, KeptPlace, KeptRun, KeptStatus, RunStoreError
    from volnux.runs.store import Store
    from volnux.runs.values import read_value

__all__ = [
    "Keeper",
    "KeptLine",
    "KeptPlace",
    "KeptRun",
    "KeptStatus",
    "RunStoreError",
    "Store",
    "fingerprint_of",
    "given_of",
    "read_value",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.runs.given": ("given_of",),
        "volnux.runs.keeper": ("Keeper", "fingerprint_of"),
        "volnux.runs.model": (
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

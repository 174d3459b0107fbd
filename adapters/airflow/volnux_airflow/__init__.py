"""volnux on Airflow: a `.pty` is a DAG."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volnux_airflow.backend import AirflowBackend

__all__ = ["AirflowBackend"]

_HOMES = {"AirflowBackend": "volnux_airflow.backend"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)

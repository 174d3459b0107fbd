"""volnux on Airflow: a `.pty` is a DAG."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volnux_airflow.backend import AirflowBackend
    from volnux_airflow.dags import load_dags, to_dag
    from volnux_airflow.operators import VolnuxEventOperator, VolnuxGroupOperator
    from volnux_airflow.timetable import VolnuxTimetable
    from volnux_airflow.values import all_of, any_of, failure_of, first_done, result

__all__ = [
    "AirflowBackend",
    "VolnuxEventOperator",
    "VolnuxGroupOperator",
    "VolnuxTimetable",
    "all_of",
    "any_of",
    "failure_of",
    "first_done",
    "load_dags",
    "result",
    "to_dag",
]

_HOMES = {
    "AirflowBackend": "backend",
    "VolnuxEventOperator": "operators",
    "VolnuxGroupOperator": "operators",
    "VolnuxTimetable": "timetable",
    "all_of": "values",
    "any_of": "values",
    "failure_of": "values",
    "first_done": "values",
    "load_dags": "dags",
    "result": "values",
    "to_dag": "dags",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)

"""Volnux on Airflow: each `.pty` file becomes a DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

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

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux_airflow.backend": ("AirflowBackend",),
        "volnux_airflow.dags": ("load_dags", "to_dag"),
        "volnux_airflow.operators": ("VolnuxEventOperator", "VolnuxGroupOperator"),
        "volnux_airflow.timetable": ("VolnuxTimetable",),
        "volnux_airflow.values": ("all_of", "any_of", "failure_of", "first_done", "result"),
    },
)

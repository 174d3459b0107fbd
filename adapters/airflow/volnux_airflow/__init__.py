"""Volnux on Airflow: each `.pty` file becomes a DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux_airflow.backend import AirflowBackend
    from volnux_airflow.dags import load_dags, to_dag
    from volnux_airflow.declared import Name
    from volnux_airflow.eachoperators import VolnuxEachOperator, VolnuxGatherOperator
    from volnux_airflow.failoperator import VolnuxFailOperator
    from volnux_airflow.flowpart import VolnuxFlow, VolnuxText
    from volnux_airflow.groupoperator import VolnuxGroupOperator
    from volnux_airflow.hosted import operator
    from volnux_airflow.hostedtask import operator_class
    from volnux_airflow.instants import Calendar
    from volnux_airflow.operators import VolnuxEventOperator
    from volnux_airflow.partoperator import VolnuxPartOperator
    from volnux_airflow.timetable import VolnuxTimetable
    from volnux_airflow.uses import use
    from volnux_airflow.values import all_of, any_of, failure_of, first_done, result

__all__ = [
    "AirflowBackend",
    "Calendar",
    "Name",
    "VolnuxEachOperator",
    "VolnuxEventOperator",
    "VolnuxFailOperator",
    "VolnuxFlow",
    "VolnuxGatherOperator",
    "VolnuxGroupOperator",
    "VolnuxPartOperator",
    "VolnuxText",
    "VolnuxTimetable",
    "all_of",
    "any_of",
    "failure_of",
    "first_done",
    "load_dags",
    "operator",
    "operator_class",
    "result",
    "to_dag",
    "use",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux_airflow.backend": ("AirflowBackend",),
        "volnux_airflow.dags": ("load_dags", "to_dag"),
        "volnux_airflow.declared": ("Name",),
        "volnux_airflow.eachoperators": ("VolnuxEachOperator", "VolnuxGatherOperator"),
        "volnux_airflow.failoperator": ("VolnuxFailOperator",),
        "volnux_airflow.flowpart": ("VolnuxFlow", "VolnuxText"),
        "volnux_airflow.groupoperator": ("VolnuxGroupOperator",),
        "volnux_airflow.hosted": ("operator",),
        "volnux_airflow.hostedtask": ("operator_class",),
        "volnux_airflow.instants": ("Calendar",),
        "volnux_airflow.operators": ("VolnuxEventOperator",),
        "volnux_airflow.partoperator": ("VolnuxPartOperator",),
        "volnux_airflow.timetable": ("VolnuxTimetable",),
        "volnux_airflow.uses": ("use",),
        "volnux_airflow.values": ("all_of", "any_of", "failure_of", "first_done", "result"),
    },
)

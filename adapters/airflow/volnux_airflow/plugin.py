"""The Airflow plugin (entry point `airflow.plugins`): signals of runs, through a listener."""

from __future__ import annotations

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from volnux_airflow import listener
from volnux_airflow.timetable import VolnuxTimetable

__all__ = ["VolnuxPlugin"]


class VolnuxPlugin(AirflowPlugin):
    """Tells listeners to the signals `pipeline_execution_start` and `…_end` of DAG runs.

    `[volnux] run_signals = False` in `airflow.cfg` does without: where any plugin has a listener,
    Airflow refuses operators with `end_from_trigger=True`.
    """

    name = "volnux"
    timetables = [VolnuxTimetable]  # noqa: RUF012 - Airflow reads a list
    listeners = [listener] if conf.getboolean("volnux", "run_signals", fallback=True) else []

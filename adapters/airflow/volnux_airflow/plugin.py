"""The Airflow plugin (entry point `airflow.plugins`).

Installing volnux changes nothing for the DAGs that are there: the plugin adds one timetable, which
only a DAG that names it uses. Its listener is registered where somebody asks for it.
"""

from __future__ import annotations

from typing import Any

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from volnux_airflow.timetable import VolnuxTimetable

__all__ = ["VolnuxPlugin"]


def _listeners() -> list[Any]:
    """The listener, if `[volnux] run_signals` is True.

    It is off by default: where any plugin has a listener, Airflow refuses every DAG that has an
    operator with `end_from_trigger=True`.
    """
    if not conf.getboolean("volnux", "run_signals", fallback=False):
        return []
    from volnux_airflow import listener

    return [listener]


class VolnuxPlugin(AirflowPlugin):
    """Makes our timetable known, and with `[volnux] run_signals = True` the signals of DAG runs."""

    name = "volnux"
    timetables = [VolnuxTimetable]  # noqa: RUF012 - Airflow reads a list
    listeners = _listeners()

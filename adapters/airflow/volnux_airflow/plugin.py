"""The Airflow plugin (entry point `airflow.plugins`).

Installing volnux does not affect existing DAGs: the plugin adds one timetable, which is used only
by DAGs that name it. Its listener is registered only on request.
"""

from __future__ import annotations

from typing import Any

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from volnux_airflow.timetable import VolnuxTimetable

__all__ = ["VolnuxPlugin"]


def _listeners() -> list[Any]:
    """The listener, if `[volnux] run_signals` is True.

    It is off by default: if any plugin has a listener, Airflow refuses every DAG that has an
    operator with `end_from_trigger=True`.
    """
    if not conf.getboolean("volnux", "run_signals", fallback=False):
        return []
    from volnux_airflow import listener

    return [listener]


class VolnuxPlugin(AirflowPlugin):
    """Registers our timetable and, with `[volnux] run_signals = True`, the signals of DAG runs."""

    name = "volnux"
    timetables = [VolnuxTimetable]  # noqa: RUF012 - Airflow requires a list
    listeners = _listeners()

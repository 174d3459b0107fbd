"""A real Airflow fires a schedule, at an instant of the core."""

import datetime as dt

import pytest

from tests.integration.airflow.test_server import wait_for
from volnux.schedules import Schedule

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

EVENTS = """
from volnux import event

@event
def Tick():
    return True, None
"""


ZONES = {"each_minute": "UTC", "each_minute_in_paris": "Europe/Paris"}


def test_schedules_of_one_minute_fire(server):
    for name, zone in ZONES.items():
        (server.dags / f"{name}_events.py").write_text(EVENTS)
        (server.dags / f"{name}.pty").write_text(
            f'@schedule: "* * * * *"\n@timezone: {zone}\n@max-active-runs: 1\nTick'
        )

    wait_for(server, *ZONES)

    def fired(name):
        runs = server.get(f"/dags/{name}/dagRuns?limit=100")["dag_runs"]
        return [run for run in runs if run["state"] == "success"]

    try:
        runs = {
            name: server.until(f"{name} fires", lambda name=name: fired(name), seconds=240)
            for name in ZONES
        }
    finally:
        for name in ZONES:
            (server.dags / f"{name}.pty").unlink()
    for name, zone in ZONES.items():
        schedule = Schedule(("* * * * *",), zone)
        for run in runs[name]:
            assert run["run_type"] == "scheduled"
            instant = dt.datetime.fromisoformat(run["logical_date"])
            assert schedule.after(instant - dt.timedelta(seconds=1)) == instant

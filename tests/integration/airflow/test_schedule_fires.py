"""A real Airflow fires a schedule, at an instant of the core."""

import datetime as dt

import pytest

from volnux.schedules import Schedule

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

EVENTS = """
from volnux import event

@event
def Tick():
    return True, None
"""


@pytest.mark.parametrize(
    ("name", "zone"), [("each_minute", "UTC"), ("each_minute_in_paris", "Europe/Paris")]
)
def test_a_schedule_of_one_minute_fires(server, name, zone):
    (server.dags / f"{name}_events.py").write_text(EVENTS)
    (server.dags / f"{name}.pty").write_text(
        f'@schedule: "* * * * *"\n@timezone: {zone}\n@max-active-runs: 1\nTick'
    )

    def fired():
        runs = server.get(f"/dags/{name}/dagRuns?limit=100")["dag_runs"]
        return [run for run in runs if run["state"] == "success"]

    try:
        runs = server.until(f"{name} fires", fired, seconds=240)
    finally:
        (server.dags / f"{name}.pty").unlink()
    schedule = Schedule(("* * * * *",), zone)
    for run in runs:
        assert run["run_type"] == "scheduled"
        instant = dt.datetime.fromisoformat(run["logical_date"])
        assert schedule.after(instant - dt.timedelta(seconds=1)) == instant

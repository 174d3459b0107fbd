"""What `check --live` says about an Airflow without a triggerer."""

import datetime as dt

import pytest
from airflow.jobs.job import Job
from airflow.utils.session import create_session
from volnux_airflow import compat
from volnux_airflow.live import Installation

from volnux.loading import load_plan

EVENTS = """
from volnux import EventBase, approval, event, not_yet
from volnux_airflow import operator

Defer = operator(
    "airflow.providers.standard.sensors.filesystem:FileSensor", filepath="/x", deferrable=True
)
Poke = operator("airflow.providers.standard.sensors.filesystem:FileSensor", filepath="/x")
Ask = approval("Ship?")

class Polls(EventBase):
    within = 60
    def process(self):
        return True, None

@event
def Says():
    not_yet("no file")

@event
def Works():
    return True, None
"""


@pytest.fixture
def ask(tmp_path):
    """Asks the installation of these tests, which has no triggerer, about a flow."""
    (tmp_path / "flow_events.py").write_text(EVENTS)

    def of(flow):
        (tmp_path / "flow.pty").write_text(flow)
        return [each.render() for each in Installation().findings(load_plan(tmp_path / "flow.pty"))]

    return of


@pytest.mark.parametrize(
    ("flow", "waits"),
    [
        ("Works -> Poke", None),
        ("Poke -> Defer -> Defer", "Defer"),
        ("Works -> Polls", None if compat.HAS_STATE_STORE else "Polls"),
        ("Says -> Polls", None if compat.HAS_STATE_STORE else "Says"),
        ("Works[every=9]", None if compat.HAS_STATE_STORE else "Works"),
        ("Ask", None if compat.HAS_STATE_STORE else "Ask"),
    ],
)
def test_a_task_waits_where_nothing_runs(ask, flow, waits):
    found = ask(flow)
    if waits is None:
        assert found == []
        return
    (found,) = found
    column = flow.index(waits) + 1
    assert f"flow.pty:1:{column}: warning: {waits} waits in the triggerer, but no" in found
    assert "start one: airflow triggerer" in found


@pytest.mark.parametrize(("age", "runs"), [(1, True), (3600, False)])
def test_a_triggerer_that_has_a_heartbeat_runs(ask, age, runs):
    with create_session() as session:
        job = Job()
        job.job_type, job.state = "TriggererJob", "running"
        job.latest_heartbeat = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)
        session.add(job)
        session.flush()
        made = job.id
    try:
        assert (ask("Defer") == []) is runs
    finally:
        with create_session() as session:
            session.delete(session.get(Job, made))

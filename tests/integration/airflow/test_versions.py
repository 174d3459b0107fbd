"""What this version of Airflow can do, as the table in docs/airflow.md says."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from volnux_airflow import compat, retries
from volnux_airflow.backend import AirflowBackend
from volnux_airflow.hosted import native_of

from volnux.events.approval import ApprovalEvent
from volnux.loading import load_plan

NO_SLOT = "no slot" if compat.HAS_STATE_STORE else "no slot, in the triggerer"
"""How a task waits for its next call, or for an answer."""

PAGE = Path(__file__).parents[3] / "docs" / "airflow.md"

EVENTS = """
from volnux import approval, event
from volnux_airflow import operator

SENSOR = "airflow.providers.standard.sensors.filesystem:FileSensor"
Look = operator(SENSOR, filepath="/x", mode="reschedule")
Defer = operator(SENSOR, filepath="/x", deferrable=True)
Ask = approval("Ship?")

@event(retry_policy={"max_attempts": 3, "backoff_factor": 9, "max_backoff": 9})
def Equal():
    return True, None

@event(retry_policy={"max_attempts": 3, "backoff_factor": 9})
def Grows():
    return True, None
"""


def column():
    """The cells of the table for this version, by row."""
    section = PAGE.read_text().partition("## Versions\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    mine = re.match(r"\d+\.\d+", version("apache-airflow-core"))[0]
    number = rows[0].index(mine) if mine in rows[0] else len(rows[0]) - 1
    return [row[number] for row in rows[2:]]


def cell(folder, flow):
    """What becomes of a flow here."""
    file = folder / "flow.pty"
    file.write_text(flow)
    (folder / "flow_events.py").write_text(EVENTS)
    plan = load_plan(file)
    refusals = AirflowBackend().check(plan)
    if refusals:
        (refusal,) = refusals
        assert refusal.render().startswith(f"{file}:1:1: error: ")
        assert "3.3" in refusal.render()
        return "refused"
    (spec,) = plan.specs
    native = native_of(spec.event_class)
    if native is not None:
        if native.arguments.get("deferrable"):
            return "no slot, in the triggerer"
        return NO_SLOT if issubclass(spec.event_class, ApprovalEvent) else "no slot"
    policy = spec.retry
    same = policy.wait(1) == policy.wait(policy.max_attempts - 1)
    exact = "retry_policy" in retries.settings_of(spec)
    return "no slot" if same or exact else "the rest in the next attempt"


@pytest.mark.parametrize("native", [True, False], ids=["this version", "without a policy"])
def test_waits_without_a_policy_of_airflow_start_with_the_shortest(tmp_path, monkeypatch, native):
    if not native:
        monkeypatch.setattr(retries, "EXACT", None)
    file = tmp_path / "flow.pty"
    file.write_text("Grows")
    (tmp_path / "flow_events.py").write_text(EVENTS)
    (spec,) = load_plan(file).specs
    settings = retries.settings_of(spec)
    assert settings["retry_delay"].total_seconds() == 9
    assert ("retry_policy" in settings) == (retries.EXACT is not None)


def test_the_table_tells_what_this_version_can_do(tmp_path):
    flows = ("Equal", "Grows", "Ask", "Defer", "Look")
    found = [cell(tmp_path, flow) for flow in flows]
    # tests/integration/airflow/test_server_waits.py sees the states of the tasks.
    found.insert(2, NO_SLOT)
    assert column() == found

"""Tasks of Prefect as events, where Prefect is not installed or not used."""

import sys

import pytest
from volnux_prefect import task_event

from volnux.backends import RefusedError, get_backend
from volnux.events import EventDefinitionError
from volnux.loading import load_plan

EVENTS = """
from volnux_prefect import task_event

def here(table):
    return True, f"{table} here"

Load = task_event("nowhere.tasks:load", local=here)
Only = task_event("nowhere.tasks:only")
"""


def plan_of(folder, text):
    (folder / "flow_events.py").write_text(EVENTS)
    (folder / "flow.pty").write_text(text)
    return load_plan(folder / "flow.pty")


def test_another_backend_runs_what_is_local(tmp_path):
    plan = plan_of(tmp_path, 'Load(table="orders")')
    assert get_backend("standalone").run(plan, {}).places["Load"].result == "orders here"


@pytest.mark.skipif("prefect" in sys.modules, reason="it is imported by other tests")
def test_another_backend_refuses_what_it_cannot_run(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    plan = plan_of(tmp_path, 'Load(table="orders") -> Only(table="items")')
    with pytest.raises(RefusedError) as caught:
        get_backend("standalone").run(plan, {})
    assert "flow.pty:1:25: error: Only is the task nowhere.tasks:only of Prefect" in str(
        caught.value
    )
    assert "give it local=" in str(caught.value)


@pytest.mark.parametrize("target", ["load", "shop:", 3, "shop.tasks:load()"])
def test_a_target_is_a_module_and_a_name(target):
    with pytest.raises(EventDefinitionError, match="expected 'module:name' of the task"):
        task_event(target)

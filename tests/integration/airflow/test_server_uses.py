"""Pipelines in pipelines on a real Airflow: an `each` on a use, a part inside of one, a secret."""

import pytest

from tests.integration.airflow.test_server import put
from tests.integration.airflow.test_server_each import report
from tests.integration.airflow.test_words import shown
from volnux.backends.port import RunOptions
from volnux.backends.registry import get_backend
from volnux.graph import RunStatus
from volnux.loading import load_plan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PIN = "hush-0815-hush"

FLOW = """\
@use: clean = ".steps/clean.pty"
@variable: area: str
@secret: pin
@input: n: int = 7
List |-> clean(table=x, limit=n)[each=x] |-> clean(table="all", where=area, key=pin) (0 -> !)
"""

CLEAN = """\
@input: table: str
@input: limit: int(1..100) = 10
@input: where: str = "here"
@input: key: str = "no key"
{Load -> Load}[task=load] |-> Tell(key=key, where=where)
"""

EVENTS = """
@event
def List(): return True, ["orders", "items"]
"""

STEPS = """
import logging
from volnux import *
class Load(EventBase):
    def process(self, table, limit): return True, [self.task_id, table, limit]
class Tell(EventBase):
    def process(self, previous_result, where, key):
        logging.getLogger("steps").warning("the key is %s", key)
        return True, [previous_result, where, key, sorted(self.inputs)]
"""


def test_uses(server, monkeypatch):
    server.post("/variables", {"key": "area", "value": "eu"})
    server.post("/variables", {"key": "pin", "value": PIN})
    steps = server.dags / ".steps"
    steps.mkdir()
    (steps / "clean.pty").write_text(CLEAN)
    (steps / "events.py").write_text(STEPS)
    put(server, FLOW, "using", events=EVENTS)
    run = server.trigger("using")
    assert server.ended("using", run) == "success"
    assert server.states("using", run) == {
        "List": "success",
        "each-1": "success",
        "body-1[0]": "success",
        "body-1[1]": "success",
        "gather-1": "success",
        "clean__2.load": "success",
        "clean__2.Tell": "success",
        "catch-1": "success",
        "fail-1": "skipped",
    }
    found = report(server, "using", run)
    assert found.status == RunStatus.SUCCESS
    monkeypatch.setenv("VOLNUX_VAR_AREA", "eu")
    monkeypatch.setenv("VOLNUX_SECRET_PIN", PIN)
    plan = load_plan(server.dags / "using.pty")
    expected = get_backend("standalone").run(plan, plan.bind({}), RunOptions(portable=True))
    assert shown(found)["places"] == shown(expected)["places"]
    assert found.places["clean__2.Tell"].result[1:3] == ["eu", "***"]
    tasks = server.tasks("using", run)
    assert tasks["clean__2.Tell"]["rendered_fields"]["arguments"] == "key=key, where=where"
    assert "the key is ***" in server.task_log("using", run, "clean__2.Tell")
    for path in server.home.rglob("*"):
        if path.is_file() and not path.name.startswith("airflow.db"):
            assert PIN.encode() not in path.read_bytes(), path
    # The file that is used is no DAG.
    assert "clean" not in server.dag_ids()

"""Operators as events, and an approval, on a real Airflow."""

import pytest
from volnux_airflow import compat

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EVENTS = """
from volnux import approval, event
from volnux_airflow import operator

Copy = operator(
    "airflow.providers.standard.operators.bash:BashOperator",
    bash_command="echo {{ table }} {{ badge }}",
    takes=("table", "badge"),
)
Broken = operator("airflow.providers.standard.operators.bash:BashOperator", bash_command="exit 1")
Ask = approval("Ship {table} for {badge}?", options={"Ship": 1, "Later": 3})

@event
def Told(previous_result):
    return True, previous_result
"""

FLOW = """
@secret: badge
Copy(table="orders") -> {
  Ask(table="orders") (1 -> Told, 3 |-> Told) || Broken (0 -> Copy(table="x"))
}
"""


def test_an_operator_and_an_answer(server):
    server.post("/variables", {"key": "badge", "value": "for-nobody"})
    (server.dags / "shipping_events.py").write_text(EVENTS)
    (server.dags / "shipping.pty").write_text(FLOW)
    server.until_parsed("shipping is there", lambda: "shipping" in server.dag_ids())
    run = server.trigger("shipping")

    def asked():
        # The scheduler fails a task that goes on before it knows that its first part has ended.
        seen = "TaskInstance Finished: dag_id=shipping, task_id=Ask"
        noticed = seen in (server.home / "scheduler.log").read_text(errors="replace")
        return noticed and server.states("shipping", run)["Ask"] in ("awaiting_input", "deferred")

    server.until("the question is asked", asked)
    path = f"/dags/shipping/dagRuns/{run}/taskInstances/Ask/-1/hitlDetails"
    assert server.get(path)["subject"] == "Ship orders for ***?"
    server.patch(path, {"chosen_options": ["Later"], "params_input": {}})
    assert server.ended("shipping", run) == "success"
    tasks = server.tasks("shipping", run)
    assert {
        task: item["state"] for task, item in tasks.items() if item["operator"] != "EmptyOperator"
    } == {
        "Copy": "success",
        "Ask": "success",
        "Told": "skipped",
        "Told__2": "success",
        "Broken": "success",
        "Copy__2": "success",
    }
    assert tasks["Copy"]["operator"] == "BashOperator"
    assert server.fields("shipping", run, "Copy")["bash_command"] == "echo orders ***"
    assert server.xcom("shipping", run, "Copy") == "orders ***"
    assert server.xcom("shipping", run, "Told__2") == "Later"
    ends = {task: server.xcom("shipping", run, task, "volnux") for task in ("Ask", "Broken")}
    assert [ends["Ask"]["descriptor"], ends["Broken"]["descriptor"]] == [3, 0]
    error = compat.AirflowException
    assert ends["Broken"]["failure"]["type"] == f"{error.__module__}.{error.__name__}"

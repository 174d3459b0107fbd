"""A DAG run in this process: Airflow's `dag.test()`, and the report of what it left behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from volnux.backends.port import RunOptions
from volnux.events.link import Plan
from volnux.graph.outcome import Failure
from volnux.graph.report import RunReport, jsonable
from volnux_airflow.outcomes import OUTCOME_KEY, TaskOutcome
from volnux_airflow.report import report_of
from volnux_airflow.translate import build_dag

__all__ = ["run_locally"]


def run_locally(plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> RunReport:
    """Run a plan with `dag.test()` in the Airflow home of this process."""
    dag = build_dag(plan, schedule=None)
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder="/dev/null", collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    run = dag.test(run_conf={name: jsonable(value) for name, value in inputs.items()})
    xcoms = _xcoms(dag.dag_id, run.run_id)
    outcomes = {
        task: TaskOutcome.from_json(values[OUTCOME_KEY])
        for task, values in xcoms.items()
        if OUTCOME_KEY in values
    }

    def result_of(task: str) -> Any:
        outcome = outcomes.get(task)
        if outcome is not None and outcome.failure:
            return Failure.from_json(outcome.failure)
        return xcoms.get(task, {}).get("return_value")

    with create_session() as session:
        instances = {ti.task_id: ti for ti in run.get_task_instances(session=session)}
    return report_of(
        plan,
        run_id=options.run_id or run.run_id,
        states={task: ti.state for task, ti in instances.items()},
        succeeded=run.state == "success",
        tries={task: ti.try_number for task, ti in instances.items()},
        outcome_of=outcomes.get,
        result_of=result_of,
        inputs=inputs,
        started_at=run.start_date,
        ended_at=run.end_date,
    )


def _xcoms(dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
    """All XComs of a run, by task and key."""
    found: dict[str, dict[str, Any]] = {}
    with create_session() as session:
        query = select(XComModel).where(XComModel.dag_id == dag_id, XComModel.run_id == run_id)
        for row in session.scalars(query):
            found.setdefault(row.task_id, {})[row.key] = XComModel.deserialize_value(row)
    return found

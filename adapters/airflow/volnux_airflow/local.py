"""A DAG run in this process: Airflow's `dag.test()`, and the report of what it left behind."""

from __future__ import annotations

import _thread
import logging
import signal
import sys
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import func, select, true

from volnux.backends.port import RunControl, RunObserver, RunOptions
from volnux.events.link import Plan
from volnux.events.run import Outcome
from volnux.graph.outcome import Failure
from volnux.graph.report import RunReport, jsonable
from volnux.telemetry.watch import watch
from volnux_airflow.operators import Watcher, _FlowOperator
from volnux_airflow.outcomes import OUTCOME_KEY, TaskOutcome
from volnux_airflow.report import report_of
from volnux_airflow.translate import build_dag

__all__ = ["run_dag", "run_locally"]


def run_locally(plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> RunReport:
    """Run a plan with `dag.test()` in the Airflow home of this process."""
    dag = build_dag(plan, schedule=None)
    observer = options.observer or RunObserver()
    watching = _Observing(plan, observer, options.control)
    options.control.on_cancel(lambda: _tell_stop(options))
    traced = watch(plan, options.run_id or uuid.uuid4().hex, "airflow") or nullcontext()
    with traced as run, warnings.catch_warnings(), _interrupts(watching), _watched(watching):
        # What Airflow itself warns of is nothing that the user of a flow can mend.
        warnings.simplefilter("ignore")
        observer.run_started(plan, options.run_id or dag.dag_id)
        options.control.on_cancel(watching.cancelling)
        try:
            report = run_dag(dag, plan, inputs, run_id=options.run_id, control=options.control)
        finally:
            watching.keep_terminate()
        if run is not None:
            run.ended(report)
    observer.run_ended(report)
    return report


def _tell_stop(options: RunOptions) -> None:
    if "volnux.signal.soft" in sys.modules:
        from volnux.signal.announce import announce_stop

        announce_stop(options.context)


def run_dag(
    dag: Any,
    plan: Plan,
    inputs: Mapping[str, Any],
    *,
    run_id: str | None = None,
    control: RunControl | None = None,
) -> RunReport:
    """Run a DAG that says what a plan says with `dag.test()`, and report."""
    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]  # untyped there
    bag = DagBag(dag_folder="/dev/null", collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    run = dag.test(run_conf={name: jsonable(value) for name, value in inputs.items()})
    _end_connections()
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
        run_id=run_id or run.run_id,
        states={task: ti.state for task, ti in instances.items()},
        succeeded=run.state == "success",
        cancelled=control is not None and control.cancelled,
        tries={task: ti.try_number for task, ti in instances.items()},
        first_tries=_first_tries(dag.dag_id, run.run_id),
        outcome_of=outcomes.get,
        result_of=result_of,
        inputs=inputs,
        started_at=run.start_date,
        ended_at=run.end_date,
    )


class _Observing(Watcher):
    """Passes on what the operators say, in the words of the port."""

    def __init__(self, plan: Plan, observer: RunObserver, control: RunControl) -> None:
        self._nodes = {node.id: node for node in plan.graph.nodes}
        self._observer = observer
        self._control = control
        self._running = 0
        self._terminate = signal.getsignal(signal.SIGTERM)

    def keep_terminate(self) -> None:
        """Undo what Airflow does when a task begins: to have SIGTERM end nothing any more."""
        here = threading.current_thread() is threading.main_thread()
        if here and self._terminate is not None:
            signal.signal(signal.SIGTERM, self._terminate)

    def cancel(self) -> None:
        """Start nothing more."""
        self._control.cancel()

    def cancelling(self) -> None:
        """The run was cancelled, by Ctrl-C or from elsewhere."""
        self._observer.cancelling(self._running)

    def interrupted(self) -> None:
        """Ctrl-C reached the run."""
        self._control.interrupted = True

    def stopped(self) -> bool:
        return self._control.cancelled

    def started(self, task_id: str, attempt: int) -> None:
        self._running = 1
        self.keep_terminate()
        self._observer.place_started(self._nodes[task_id], attempt)

    def retries(self, task_id: str, outcome: Outcome) -> None:
        self._running = 0
        self._observer.place_retries(self._nodes[task_id], outcome)

    def ended(self, task_id: str, outcome: Outcome) -> None:
        self._running = 0
        self._observer.place_ended(self._nodes[task_id], outcome)


@contextmanager
def _watched(watcher: Watcher) -> Iterator[None]:
    before = _FlowOperator.watcher
    _FlowOperator.watcher = watcher
    try:
        yield
    finally:
        _FlowOperator.watcher = before


@contextmanager
def _interrupts(watching: _Observing) -> Iterator[None]:
    """Ctrl-C lets what runs finish and starts nothing more; pressed again, it ends the process."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return

    def interrupted(number: int, frame: Any) -> None:
        watching.interrupted()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _thread.start_new_thread(watching.cancel, ())

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_connections() -> None:
    """Let nothing speak when the process ends: Airflow leaves database connections to that."""
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL + 1)


def _first_tries(dag_id: str, run_id: str) -> dict[str, Any]:
    """When the first try began of each task that was tried again."""
    try:
        from airflow.models.taskinstancehistory import TaskInstanceHistory as Tries

        earlier = true()
    except ImportError:
        # From Airflow 3.4 on each try is a task instance, of which queries see the latest only.
        from airflow.models.taskinstance import TaskInstance as Tries  # type: ignore[assignment]  # the same columns

        earlier = Tries.working_set.is_(None)
    query = select(Tries.task_id, func.min(Tries.start_date)).group_by(Tries.task_id)
    query = query.where(Tries.dag_id == dag_id, Tries.run_id == run_id, earlier)
    with create_session() as session:
        rows = session.execute(query, execution_options={"include_all_attempts": True})
        return dict(rows.all())


def _xcoms(dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
    """All XComs of a run, by task and key."""
    found: dict[str, dict[str, Any]] = {}
    with create_session() as session:
        query = select(XComModel).where(XComModel.dag_id == dag_id, XComModel.run_id == run_id)
        for row in session.scalars(query):
            found.setdefault(row.task_id, {})[row.key] = XComModel.deserialize_value(row)
    return found

"""A DAG run in this process: runs Airflow's `dag.test()`, and makes the report from its results."""

from __future__ import annotations

import _thread
import contextlib
import datetime as dt
import logging
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.xcom import XComModel
from airflow.sdk.execution_time.xcom import XCom
from airflow.utils.session import create_session
from sqlalchemy import func, select, true, update
from sqlalchemy.exc import OperationalError

from volnux.backends.port import RunControl, RunObserver, RunOptions
from volnux.events.link import Plan
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.graph.places import place_name
from volnux.graph.report import RunReport, jsonable
from volnux.hooks import About, Hooks, Listener, Observing, hooks_of
from volnux.kit.config import host_of
from volnux.kit.instants import instant_of
from volnux.kit.keeping import keeper_of
from volnux_airflow import compat, retries
from volnux_airflow.codec import codec_of
from volnux_airflow.flowoperator import FlowOperator, Watcher
from volnux_airflow.hostvalues import AirflowHost
from volnux_airflow.instances import Instances
from volnux_airflow.report import report_of
from volnux_airflow.translate import build_dag

__all__ = ["run_dag", "run_locally"]


def run_locally(plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> RunReport:
    """Run a plan with `dag.test()` in the Airflow home of this process."""
    # A run for an instant before the start date would have no tasks.
    dag = build_dag(plan, schedule=None, start_date=None)
    run_id = options.run_id or uuid.uuid4().hex
    instant = instant_of(plan.graph, options.scheduled_at)
    about = About(plan.graph.name, "airflow", run_id, plan, options.context)
    hooks = hooks_of(about)
    # This reads the secrets, which must not be kept.
    host = host_of(plan, options, AirflowHost())
    local = _LocalRun(about, options, keeper_of(about, options, inputs, instant))
    local.host = host or local.host

    def execute() -> RunReport:
        options.control.on_cancel(lambda: hooks.stops(local.running))
        options.control.on_cancel(lambda: local.stops(local.running))
        over = threading.Event()
        end_waits = threading.Thread(target=_end_waits, args=(dag.dag_id, local, over), daemon=True)
        options.control.on_cancel(end_waits.start)
        try:
            return run_dag(
                dag,
                plan,
                inputs,
                run_id=options.run_id,
                control=options.control,
                instant=instant,
                began_at=lambda: local.began_at,
            )
        finally:
            over.set()
            local.keep_terminate()

    with _interrupts(local), _watched(local):
        return hooks.around(lambda: local.observing.around(execute))


def run_dag(
    dag: Any,
    plan: Plan,
    inputs: Mapping[str, Any],
    *,
    run_id: str | None = None,
    control: RunControl | None = None,
    instant: dt.datetime | None = None,
    began_at: Callable[[], dt.datetime] | None = None,
) -> RunReport:
    """Run the DAG of a plan with `dag.test()`, and return the report.

    Args:
        dag: the DAG.
        plan: the plan.
        inputs: the values of its inputs.
        run_id: the id of the run in the report; by default, that of the DAG run.
        control: the control of the run, which records whether it was cancelled.
        instant: the scheduled time of the run; by default, now.
        began_at: called after the run, returns the time at which it began; by default, the start of
            the DAG run.
    """
    instant = instant_of(plan.graph, instant)
    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]  # untyped there
    retries.prepare_dag_test(dag)
    compat.prepare_dag_test()
    compat.store_dag(dag)
    conf = {name: jsonable(value) for name, value in inputs.items()}
    run = dag.test(run_conf=conf, logical_date=instant)
    _end_connections()
    return report_of(
        plan,
        _instances(run, plan),
        run_id=run_id or run.run_id,
        succeeded=run.state == "success",
        cancelled=control is not None and control.cancelled,
        inputs=inputs,
        started_at=began_at() if began_at else run.start_date,
        ended_at=run.end_date,
        scheduled_at=instant,
    )


class _LocalRun(Watcher):
    """A run in this process: notifies its observer, and knows whether it was cancelled.

    Args:
        about: the run.
        options: its options.
        keeper: what keeps the run; None if nothing does.
    """

    def __init__(self, about: About, options: RunOptions, keeper: Listener | None) -> None:
        self._control = options.control
        self.observer = _OfPart(options.observer) if options.observer is not None else None
        self.observing = Hooks([Observing(options.observer or RunObserver(), about)])
        if keeper is not None:
            self.observing.append(keeper)
        self._terminate = signal.getsignal(signal.SIGTERM)
        self.running = 0
        self.run_id = ""
        self.began_at = dt.datetime.now(dt.UTC)
        self._has_begun = False

    def keep_terminate(self) -> None:
        """Restore the SIGTERM handler: the one that Airflow sets does not end the process."""
        here = threading.current_thread() is threading.main_thread()
        if here and self._terminate is not None:
            signal.signal(signal.SIGTERM, self._terminate)

    def cancel(self) -> None:
        """Start no more tasks."""
        self._control.cancel()

    def interrupted(self) -> None:
        """Record that Ctrl-C reached the run."""
        self._control.interrupted = True

    def start_of(self, run: Any) -> dt.datetime:
        """See `Watcher`. The start of the first task: `dag.test()` takes seconds to begin it."""
        if not self._has_begun:
            self._has_begun = True
            self.began_at = dt.datetime.now(dt.UTC)
        return self.began_at

    def stopped(self) -> bool:
        """See `Watcher`."""
        return self._control.cancelled

    def cancels(self, control: RunControl) -> None:
        """See `Watcher`."""
        self._control.on_cancel(control.cancel)

    def call(self, spec: EventSpec, call: Call) -> Call:
        """See `Listener`."""
        return self.observing.call(spec, call)

    def began(self, spec: EventSpec, call: Call) -> None:
        """See `Listener`."""
        self.running = 1
        self.run_id = call.run_id
        self.keep_terminate()
        self.observing.began(spec, call)

    def retries(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self.running = 0
        self.observing.retries(spec, call, outcome)

    def waits(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self.running = 0
        self.observing.waits(spec, call, outcome)

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self.running = 0
        self.observing.ended(spec, call, outcome)

    def stops(self, running: int | None) -> None:
        """See `Listener`."""
        self.observing.stops(running)


class _OfPart(RunObserver):
    """Tells the observer of a run about the events of a part of it, which is a run of its own."""

    def __init__(self, observer: RunObserver) -> None:
        self.place_started = observer.place_started  # type: ignore[method-assign]  # the same methods
        self.place_retries = observer.place_retries  # type: ignore[method-assign]  # the same methods
        self.place_waits = observer.place_waits  # type: ignore[method-assign]  # the same methods
        self.place_ended = observer.place_ended  # type: ignore[method-assign]  # the same methods


@contextmanager
def _watched(watcher: Watcher) -> Iterator[None]:
    before = FlowOperator.watcher
    FlowOperator.watcher = watcher
    try:
        yield
    finally:
        FlowOperator.watcher = before


@contextmanager
def _interrupts(local: _LocalRun) -> Iterator[None]:
    """On Ctrl-C, let the running task finish and start no more. A second one ends the process."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return

    def interrupted(number: int, frame: Any) -> None:
        local.interrupted()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _thread.start_new_thread(local.cancel, ())

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_waits(dag_id: str, local: _LocalRun, over: threading.Event) -> None:
    """Until a run is over, end the waits before the next calls of its events.

    Airflow then starts their tasks, which see that the run was cancelled.
    """
    while not over.wait(0.2):
        in_run = TaskInstance.dag_id == dag_id, TaskInstance.run_id == local.run_id
        again = select(TaskInstance.id).where(*in_run, TaskInstance.state == "up_for_reschedule")
        polls = update(TaskReschedule).where(TaskReschedule.ti_id.in_(again))
        tries = update(TaskInstance).where(*in_run, TaskInstance.state == "up_for_retry")
        # The database may be locked.
        with contextlib.suppress(OperationalError), create_session() as session:
            session.execute(polls.values(reschedule_date=dt.datetime.now(dt.UTC)))
            if retries.EXACT is not None:
                session.execute(tries.values(retry_delay_override=0))


def _end_connections() -> None:
    """Silence the messages at exit about database connections, which Airflow leaves open."""
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL + 1)


def _instances(run: Any, plan: Plan) -> Instances:
    """The task instances of a run with what they stored."""
    xcoms = _xcoms(run.dag_id, run.run_id)
    with create_session() as session:
        found = {
            _name(ti.task_id, ti.map_index): (ti.state, ti.try_number)
            for ti in run.get_task_instances(session=session)
        }
    return Instances.of(
        codec_of(run.run_id, plan.visible),
        lambda name, key: xcoms.get(name, {}).get(key),
        states={name: state for name, (state, _) in found.items()},
        tries={name: tries for name, (_, tries) in found.items()},
        first_tries=_first_tries(run.dag_id, run.run_id),
    )


def _name(task_id: str, map_index: int) -> str:
    return place_name(task_id, () if map_index < 0 else (map_index,))


def _first_tries(dag_id: str, run_id: str) -> dict[str, Any]:
    """The start of the first try of each task instance that was tried again."""
    try:
        from airflow.models.taskinstancehistory import TaskInstanceHistory as Tries

        earlier = true()
    except ImportError:
        # Since Airflow 3.4, each try is a task instance, and queries only return the latest one.
        from airflow.models.taskinstance import TaskInstance as Tries  # type: ignore[assignment]  # the same columns

        earlier = Tries.working_set.is_(None)
    query = select(Tries.task_id, Tries.map_index, func.min(Tries.start_date))
    query = query.group_by(Tries.task_id, Tries.map_index)
    query = query.where(Tries.dag_id == dag_id, Tries.run_id == run_id, earlier)
    with create_session() as session:
        rows = session.execute(query, execution_options={"include_all_attempts": True})
        return {_name(task, number): start for task, number, start in rows}


def _xcoms(dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
    """All XCom values of a run, by task instance and key."""
    found: dict[str, dict[str, Any]] = {}
    with create_session() as session:
        query = select(XComModel).where(XComModel.dag_id == dag_id, XComModel.run_id == run_id)
        for row in session.scalars(query):
            name = _name(row.task_id, row.map_index)
            found.setdefault(name, {})[row.key] = XCom.deserialize_value(row)
    return found

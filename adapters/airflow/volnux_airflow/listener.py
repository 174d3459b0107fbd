"""Signals of a run, emitted in the scheduler, where Airflow decides about the state of the run.

`pipeline_execution_start`, `pipeline_execution_end` and `pipeline_shutdown` are emitted here for
the DAGs of `.pty` files and pipeline classes; signals of events are emitted by the worker that runs
the event.
"""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl

from volnux.hooks import signals_loaded

__all__ = ["on_dag_run_failed", "on_dag_run_running", "on_dag_run_success"]


@hookimpl
def on_dag_run_running(dag_run: Any, msg: str) -> None:
    """Called when a run begins."""
    if _is_heard(dag_run):
        from volnux.signal import signals

        context = _context(dag_run)
        signals.pipeline_execution_start.emit(dag_run.dag_id, pipeline=context.pipeline)


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """Called when a run has succeeded."""
    _ended(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """Called when a run has failed."""
    _ended(dag_run)


def _ended(dag_run: Any) -> None:
    if _is_heard(dag_run):
        from volnux.signal import signals

        signals.pipeline_execution_end.emit(dag_run.dag_id, execution_context=_context(dag_run))
        signals.pipeline_shutdown.emit(dag_run.dag_id)


def _is_heard(dag_run: Any) -> bool:
    """Whether the DAG is one of ours and there may be listeners."""
    if not signals_loaded():
        return False
    tasks = getattr(getattr(dag_run, "dag", None), "tasks", ())
    return any(_type(task) in _OURS for task in tasks)


_OURS = ("VolnuxEventOperator", "VolnuxPartOperator")


def _type(task: Any) -> str:
    return str(getattr(task, "task_type", None) or type(task).__name__)


def _context(dag_run: Any) -> Any:
    """The run as listeners see it: its id, its inputs, and its report once it has ended."""
    from volnux.graph.outcome import RunStatus
    from volnux.graph.report import RunReport
    from volnux.pipeline.context import ExecutionContext

    inputs = dict(dag_run.conf or {})
    context = ExecutionContext(dag_run.dag_id, dag_run.run_id, inputs)
    state = str(getattr(dag_run.state, "value", dag_run.state))
    if state in ("success", "failed"):
        report = RunReport(
            pipeline=dag_run.dag_id,
            backend="airflow",
            run_id=dag_run.run_id,
            status=RunStatus(state),
            places={},
            inputs=inputs,
            started_at=dag_run.start_date,
            ended_at=dag_run.end_date,
            scheduled_at=dag_run.logical_date or dag_run.run_after,
        )
        context.finish(report)
    return context

"""Information about an Airflow task for the listeners of its event: its run and its trace."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from volnux.events.outcome import Call
from volnux.hooks import About, signals_loaded
from volnux.imported import imported
from volnux_airflow import compat

__all__ = ["about_task", "context_of", "part_of_trace"]


def about_task(call: Call, ti: Any) -> About:
    """Describe a task to its listeners while it runs an event.

    Args:
        call: the arguments of the attempt.
        ti: the task instance.
    """
    return About(
        ti.dag_id,
        "airflow",
        call.run_id,
        context=context_of(call.run_id, call.inputs),
        carrier=_carrier(ti, call.run_id),
        sampled=not compat.traces_itself(),
    )


def context_of(run_id: str, inputs: Mapping[str, Any]) -> Any:
    """The `execution_context` for listeners to signals; None if there can be no listeners."""
    if not signals_loaded():
        return None
    from volnux.pipeline.context import ExecutionContext

    return ExecutionContext(None, run_id, inputs)


@contextmanager
def part_of_trace(ti: Any, run_id: str) -> Iterator[None]:
    """A context manager in which a part of a flow runs, in the trace of the whole run.

    Args:
        ti: the task instance.
        run_id: the id of the run.
    """
    from volnux.telemetry.watch import tracing_wanted, within

    carrier: dict[str, str] = {}
    if tracing_wanted() and not _has_span():
        carrier = dict(_carrier(ti, run_id))
        # The context of a task that Airflow does not trace is marked as not sampled.
        carrier["traceparent"] = f"{carrier['traceparent'][:-2]}01"
    try:
        with within(carrier):
            yield
    finally:
        # The process ends soon.
        monitor: Any = imported("volnux.telemetry.monitor")
        if monitor is not None:
            monitor.flush(_PATIENCE)


_PATIENCE = 2.0
"""The seconds that a task waits at its end until its telemetry is published."""


def _has_span() -> bool:
    """Whether there is a current span: Airflow's own, or that of a run in this process."""
    from opentelemetry import trace

    return trace.get_current_span().get_span_context().is_valid


def _carrier(ti: Any, run_id: str) -> Mapping[str, str]:
    return getattr(ti, "context_carrier", None) or _made_up(run_id, ti.dag_id)


def _made_up(run_id: str, dag_id: str) -> dict[str, str]:
    """A made-up trace context that all tasks of a run share: `dag.test()` gives its tasks none."""
    digest = hashlib.sha256(f"{dag_id}/{run_id}".encode()).hexdigest()
    return {"traceparent": f"00-{digest[:32]}-{digest[32:48]}-01"}

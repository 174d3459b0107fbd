"""Information about an Airflow task for the listeners of its event: its run and its trace."""

from __future__ import annotations

import hashlib
from typing import Any

from volnux.events.outcome import Call
from volnux.hooks import About, signals_loaded
from volnux_airflow import compat

__all__ = ["about_task"]


def about_task(call: Call, ti: Any) -> About:
    """Describe a task to its listeners while it runs an event.

    Args:
        call: the arguments of the attempt.
        ti: the task instance.
    """
    context: Any = None
    if signals_loaded():
        from volnux.pipeline.context import ExecutionContext

        context = ExecutionContext(None, call.run_id, call.inputs)
    return About(
        ti.dag_id,
        "airflow",
        call.run_id,
        context=context,
        carrier=getattr(ti, "context_carrier", None) or _made_up(call.run_id, ti.dag_id),
        sampled=not compat.traces_itself(),
    )


def _made_up(run_id: str, dag_id: str) -> dict[str, str]:
    """A made-up trace context that all tasks of a run share: `dag.test()` gives its tasks none."""
    digest = hashlib.sha256(f"{dag_id}/{run_id}".encode()).hexdigest()
    return {"traceparent": f"00-{digest[:32]}-{digest[32:48]}-01"}

"""What listens to an event in an Airflow task is told of the task: its run, its trace."""

from __future__ import annotations

import hashlib
from typing import Any

from volnux.events.outcome import Call
from volnux.hooks import About, signals_loaded
from volnux_airflow import compat

__all__ = ["about_task"]


def about_task(call: Call, ti: Any) -> About:
    """What is listened to while a task runs an event.

    Args:
        call: what the attempt is given.
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
    """A trace context that all tasks of a run share: `dag.test()` gives its tasks none."""
    digest = hashlib.sha256(f"{dag_id}/{run_id}".encode()).hexdigest()
    return {"traceparent": f"00-{digest[:32]}-{digest[32:48]}-01"}

"""Telemetry of an event in an Airflow task: its span below Airflow's own, its run's names."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any

from volnux.events.run import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.telemetry.watch import tracing_wanted
from volnux_airflow import compat

__all__ = ["watched"]

_PATIENCE = 2.0
"""Seconds that a task may take to publish its metrics: its process ends without saying goodbye."""


def watched(
    spec: EventSpec, call: Call, ti: Any, run: Callable[[EventSpec, Call], Outcome]
) -> Outcome:
    """Run an attempt; where somebody looks, with the names of its run, and as a span.

    The span lies below the one that Airflow has for the task. Where Airflow does not trace itself,
    it hands its context on all the same, so that the tasks of a run share a trace.
    """
    traces = tracing_wanted()
    if not traces and "volnux.telemetry.monitor" not in sys.modules:
        if "volnux.telemetry.logs" in sys.modules:
            from volnux.telemetry.scope import Scope

            call = call._replace(scope=Scope(spec.name))
        return run(spec, call)
    from volnux.telemetry.records import RUNS, record_of

    RUNS[call.run_id] = (ti.dag_id, "airflow")
    try:
        if not traces:
            return run(spec, call)
        from volnux.telemetry.tracing.spans import task_trace

        carrier = getattr(ti, "context_carrier", None) or _made_up(call.run_id, ti.dag_id)
        trace = task_trace(ti.dag_id, "airflow", carrier, sampled=not compat.traces_itself())
        if trace is None:
            return run(spec, call)
        outcome = run(spec, trace.call(spec.name, call))
        trace.ended(record_of(spec, call, outcome, None))
        return outcome
    finally:
        RUNS.pop(call.run_id, None)
        monitor = sys.modules.get("volnux.telemetry.monitor")
        if monitor is not None:
            monitor.flush(_PATIENCE)


def _made_up(run_id: str, dag_id: str) -> dict[str, str]:
    """A trace context that all tasks of a run share: `dag.test()` gives its tasks none."""
    digest = hashlib.sha256(f"{dag_id}/{run_id}".encode()).hexdigest()
    return {"traceparent": f"00-{digest[:32]}-{digest[32:48]}-01"}

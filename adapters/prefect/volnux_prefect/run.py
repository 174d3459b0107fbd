"""The run of a plan as a flow run, for `volnux run --backend prefect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.client.schemas.objects import State

from volnux.backends.port import BackendError, RunOptions
from volnux.events.link import Plan
from volnux.graph.model import Graph
from volnux.graph.report import RunReport
from volnux.redaction import redacted
from volnux_prefect.drive import Drive
from volnux_prefect.flow import flow_of_body, state_of
from volnux_prefect.instants import PARAMETER, speaks_of_time
from volnux_prefect.serializer import store_tagged
from volnux_prefect.translate import blueprint_of, runner_of
from volnux_prefect.waiting import patience

__all__ = ["run_plan"]


def run_plan(plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> RunReport:
    """Run a plan as a flow run, with inputs that are already checked; see `Backend.run`."""
    reports: list[RunReport] = []
    graph = plan.graph
    blueprint = blueprint_of(plan)

    def body(**_: Any) -> State[Any]:
        there()
        store_tagged()
        # Prefect passes converted values, so the caller's values are used instead.
        drive = Drive(blueprint, inputs, options)
        report = drive.execute()
        reports.append(report)
        return state_of(drive, report)

    flow = flow_of_body(
        blueprint,
        body,
        {"task_runner": runner_of(blueprint.main, options.workers), "validate_parameters": False},
    )
    try:
        with patience() as there:
            state = flow(return_state=True, **inputs, **_instant(graph, options))
    except Exception as error:
        # No user code has run: Prefect could not reach a server or create a flow run.
        if reports:
            raise
        said = redacted(str(error))
        raise BackendError(f"prefect cannot run {graph.name}: {said}{_help(error)}") from error
    if not reports:
        raise BackendError(f"prefect did not run {graph.name}: {state.message or state.name}")
    return reports[0]


def _instant(graph: Graph, options: RunOptions) -> dict[str, Any]:
    """The parameter with the scheduled time; empty if the flow does not have it."""
    return {PARAMETER: options.scheduled_at} if speaks_of_time(graph) else {}


def _help(error: Exception) -> str:
    """A hint for a missing server."""
    said = str(error)
    if "ephemeral" in said:
        return (
            "\n  hint: start one with `prefect server start` and set PREFECT_API_URL to its address"
        )
    if "Failed to reach API" in said:
        return "\n  hint: start that server, or set another one in PREFECT_API_URL or your profile"
    return ""

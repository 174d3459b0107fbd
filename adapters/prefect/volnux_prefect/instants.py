"""The scheduled time of a flow run."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from prefect.context import FlowRunContext

from volnux.backends.port import RunOptions
from volnux.graph.model import Graph
from volnux.kit.instants import instant_of
from volnux.schedules.moments import instant_in

__all__ = [
    "PARAMETER",
    "for_all_below",
    "instant_and_inputs",
    "instant_here",
    "options_here",
    "speaks_of_time",
]

PARAMETER = "scheduled_at"
"""The name of the flow parameter that sets the scheduled time; see `speaks_of_time`."""

_GIVEN: contextvars.ContextVar[dt.datetime | None] = contextvars.ContextVar(
    "volnux_instant", default=None
)


def speaks_of_time(graph: Graph) -> bool:
    """Whether the flow of a graph has the parameter `scheduled_at`.

    It does if a default is computed from the scheduled time, in the file or in one that it uses,
    and no input is named `scheduled_at`.
    """
    if any(each.name == PARAMETER for each in graph.inputs):
        return False
    return any(each.moment for _, declared in graph.declared() for each in declared.inputs)


def instant_here(graph: Graph, given: dt.datetime | None = None) -> dt.datetime:
    """Return the scheduled time of the current flow run, in the pipeline's time zone.

    Args:
        graph: the graph of the flow.
        given: the requested scheduled time, by default in the pipeline's time zone. None for the
            time for which Prefect scheduled the run.
    """
    given = given or _GIVEN.get()
    if given is not None and given.tzinfo is None:
        given = instant_in(given.isoformat(), graph.timezone or "UTC")
    return instant_of(graph, given or _scheduled())


def options_here(graph: Graph, options: RunOptions, flow_run_id: uuid.UUID | None) -> RunOptions:
    """The options of a run with the id and the scheduled time of its flow run, if not given."""
    return dataclasses.replace(
        options,
        run_id=options.run_id or (str(flow_run_id) if flow_run_id else None),
        scheduled_at=instant_here(graph, options.scheduled_at),
    )


def instant_and_inputs(
    graph: Graph, parameters: Mapping[str, Any]
) -> tuple[dt.datetime, dict[str, Any]]:
    """Return the scheduled time of the current flow run, and its inputs.

    Args:
        graph: the graph of the flow.
        parameters: the parameters of the flow run.
    """
    inputs = dict(parameters)
    given = inputs.pop(PARAMETER) if speaks_of_time(graph) else None
    return instant_here(graph, given), inputs


@contextlib.contextmanager
def for_all_below(instant: dt.datetime) -> Iterator[None]:
    """Set the scheduled time of all flow runs that begin within the block."""
    token = _GIVEN.set(instant)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def _scheduled() -> dt.datetime | None:
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None or flow_run.expected_start_time is None:
        return None
    # Prefect uses its own class for times.
    return dt.datetime.fromisoformat(flow_run.expected_start_time.isoformat())

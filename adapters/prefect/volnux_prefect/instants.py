"""The instant that a flow run stands for."""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from prefect.context import FlowRunContext

from volnux.graph.model import Graph
from volnux.kit.instants import instant_of
from volnux.schedules.moments import instant_in

__all__ = ["PARAMETER", "for_all_below", "instant_and_inputs", "instant_here", "speaks_of_time"]

PARAMETER = "scheduled_at"
"""The parameter of flows that speak of time: the instant that a run is to stand for."""

_GIVEN: contextvars.ContextVar[dt.datetime | None] = contextvars.ContextVar(
    "volnux_instant", default=None
)


def speaks_of_time(graph: Graph) -> bool:
    """Whether the flow of a graph has the parameter: an input has a time of the run as default.

    An input of the same name has the parameter for itself.
    """
    inputs = graph.inputs
    return any(each.moment for each in inputs) and all(each.name != PARAMETER for each in inputs)


def instant_here(graph: Graph, given: dt.datetime | None = None) -> dt.datetime:
    """The instant of the flow run in progress here, aware, in the pipeline's time zone.

    Args:
        graph: what runs.
        given: the instant that whoever started the run wants; one without a time zone is on the
            clocks of the pipeline's. If None, the instant that Prefect scheduled the run for.
    """
    given = given or _GIVEN.get()
    if given is not None and given.tzinfo is None:
        given = instant_in(given.isoformat(), graph.timezone or "UTC")
    return instant_of(graph, given or _scheduled())


def instant_and_inputs(
    graph: Graph, parameters: Mapping[str, Any]
) -> tuple[dt.datetime, dict[str, Any]]:
    """The instant of the flow run in progress here, and its inputs.

    Args:
        graph: what runs.
        parameters: the parameters of the flow run.
    """
    inputs = dict(parameters)
    given = inputs.pop(PARAMETER) if speaks_of_time(graph) else None
    return instant_here(graph, given), inputs


@contextlib.contextmanager
def for_all_below(instant: dt.datetime) -> Iterator[None]:
    """Have the flow runs that begin within the block stand for the same instant."""
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
    # Prefect has a class of its own for times.
    return dt.datetime.fromisoformat(flow_run.expected_start_time.isoformat())

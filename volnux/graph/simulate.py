"""The path that a flow would take for given outcomes, without any Python of the user."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from volnux.graph.execution import Execution
from volnux.graph.model import Graph, Kind
from volnux.graph.outcome import SUCCESS
from volnux.graph.report import RunReport, failure_of_run, places_of

__all__ = ["simulate"]


def simulate(
    graph: Graph,
    *,
    outcomes: Mapping[str, int] | None = None,
    places: Mapping[str, int] | None = None,
) -> RunReport:
    """Run only the state machine, with the given outcomes.

    Args:
        graph: the graph; where it leaves something to Python, *all* and *stop* are assumed.
        outcomes: descriptors by event name, for every place of the event.
        places: descriptors by place; they override `outcomes`. Events in neither succeed.
    """
    outcomes, places = outcomes or {}, places or {}
    execution = Execution(graph)
    ran: set[int] = set()
    ready = deque(execution.start())
    while ready:
        index = ready.popleft()
        node = graph.nodes[index]
        assert node.kind is Kind.EVENT
        assert node.event is not None
        ran.add(index)
        descriptor = places.get(node.id, outcomes.get(node.event, SUCCESS))
        ready.extend(execution.finish(index, descriptor))

    def details(index: int) -> dict[str, Any]:
        return {"attempts": int(index in ran)}

    return RunReport(
        pipeline=graph.name,
        backend="simulate",
        run_id="simulate",
        status=execution.status,
        places=places_of(execution, details),
        failure=failure_of_run(execution),
    )

"""The path that a flow takes for given outcomes, without running user code."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from volnux.graph.execution import Execution
from volnux.graph.model import Graph
from volnux.graph.outcome import SUCCESS
from volnux.graph.report import Details, RunReport, failure_of_run, places_of

__all__ = ["play", "simulate"]


def play(graph: Graph, end_of: Callable[[int], tuple[int, Any] | None]) -> Execution:
    """The state machine of a run in which events ended as given.

    Args:
        graph: the graph.
        end_of: the descriptor and the result of an event that was reached, by its index in the
            graph; None if it did not end.
    """
    execution = Execution(graph)
    ready = deque(execution.start())
    while ready:
        index = ready.popleft()
        end = end_of(index)
        if end is not None:
            ready.extend(execution.finish(index, *end))
    return execution


def simulate(
    graph: Graph,
    *,
    outcomes: Mapping[str, int] | None = None,
    places: Mapping[str, int] | None = None,
) -> RunReport:
    """Run only the state machine, with the given outcomes.

    Args:
        graph: the graph; *all* and *stop* are assumed for what is unknown before linking.
        outcomes: descriptors by event name, for every place of the event.
        places: descriptors by place; they override `outcomes`. Events in neither succeed.
    """
    outcomes, places = outcomes or {}, places or {}
    ran: set[int] = set()

    def end_of(index: int) -> tuple[int, None]:
        node = graph.nodes[index]
        assert node.event is not None
        ran.add(index)
        return places.get(node.id, outcomes.get(node.event, SUCCESS)), None

    execution = play(graph, end_of)

    def details(index: int) -> Details:
        return Details(attempts=int(index in ran))

    return RunReport(
        pipeline=graph.name,
        backend="simulate",
        run_id="simulate",
        status=execution.status,
        places=places_of(execution, details),
        failure=failure_of_run(execution),
    )

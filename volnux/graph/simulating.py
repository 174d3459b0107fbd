"""The path that a flow takes for given outcomes, without running user code."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from volnux.graph.execution import Execution
from volnux.graph.model import Each, Graph
from volnux.graph.outcome import SUCCESS
from volnux.graph.places import names_of
from volnux.graph.report import Details, RunReport, failure_of_run, places_of

__all__ = ["ASSUMED_ITEMS", "eaches_named", "items_of", "play", "simulate"]

ASSUMED_ITEMS: Final = 2
"""The number of items of an `each` if none is given."""


def play(
    graph: Graph,
    end_of: Callable[[int], tuple[int, Any] | None],
    items: Callable[[Execution, int], object] | None = None,
) -> Execution:
    """The state machine of a run in which events ended as given.

    Args:
        graph: the graph.
        end_of: the descriptor and the result of an event that was reached, by its index in the
            state machine; None if it did not end.
        items: the list of an `each`, as of `Execution`.
    """
    return _played(Execution(graph, items=items), end_of)


def _played(execution: Execution, end_of: Callable[[int], tuple[int, Any] | None]) -> Execution:
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
    items: Mapping[str, int] | None = None,
) -> RunReport:
    """Run only the state machine, with the given outcomes.

    Args:
        graph: the graph; *all* and *stop* are assumed for what is unknown before linking.
        outcomes: descriptors by event name, for every place of the event.
        places: descriptors by place; they override `outcomes`. Events in neither succeed. `Fetch`
            stands for all its copies, `Fetch[1]` for its second copy and the copies in it.
        items: numbers of items, by the name of an `each` or by a place in it; `ASSUMED_ITEMS` for
            the others.
    """
    outcomes, places = outcomes or {}, places or {}
    numbers = items_of(graph, items or {})
    ran: set[int] = set()

    def items_at(execution: Execution, index: int) -> list[None]:
        return [None] * numbers[execution.nodes[index].id]

    execution = Execution(graph, items=items_at)

    def end_of(index: int) -> tuple[int, None]:
        node = execution.nodes[index]
        assert node.event is not None
        ran.add(index)
        names = names_of(execution.copies.place(index))
        given = next((places[name] for name in names if name in places), None)
        return outcomes.get(node.event, SUCCESS) if given is None else given, None

    _played(execution, end_of)

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


def eaches_named(graph: Graph, name: str) -> tuple[Each, ...]:
    """The `each`es that a name in `items` refers to; empty if there are none.

    Args:
        graph: the graph.
        name: the name of an `each`, or a place, which stands for the innermost `each` around it.
    """
    found = [each for each in graph.eaches if each.name == name]
    node = graph.topology.index.get(name)
    if node is not None and graph.topology.around[node]:
        innermost = graph.topology.around[node][-1]
        # In a group that runs again, each round has an `each` of its own.
        same = [e for e in graph.eaches if innermost.span is not None and e.span == innermost.span]
        found += same or [innermost]
    return tuple(found)


def items_of(graph: Graph, items: Mapping[str, int]) -> dict[str, int]:
    """The number of items of each `each`, by the id of the node that begins it.

    Args:
        graph: the graph.
        items: as of `simulate`.
    """
    numbers = {each.each: ASSUMED_ITEMS for each in graph.eaches}
    for name, number in items.items():
        numbers |= {each.each: number for each in eaches_named(graph, name)}
    return numbers

"""The names of places: `Fetch` in the flow, `Fetch[3]` for its fourth copy; and their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from volnux.graph.outcome import FAILURE

if TYPE_CHECKING:
    from volnux.graph.execution import Execution

__all__ = ["in_order", "index_of", "names_of", "place_name", "template_of", "without_list"]


def place_name(template: str, index: tuple[int, ...]) -> str:
    """The place of a copy.

    Args:
        template: the id of its node in the graph, such as `Fetch`.
        index: the indices of the items, starting with the outermost `each`.
    """
    return template + "".join([f"[{number}]" for number in index])


def template_of(place: str) -> str:
    """The id of the node in the graph that a place is a copy of, or the place itself."""
    return place.partition("[")[0]


def names_of(place: str) -> Iterator[str]:
    """The names that match a place, starting with the most specific one.

    For `Page[1][4]`, these are `Page[1][4]`, `Page[1]` and `Page`.
    """
    yield place
    while place.endswith("]"):
        place = place.rpartition("[")[0]
        yield place


def index_of(place: str) -> tuple[int, ...]:
    """The indices of the items of a place; empty if it is not in a copy."""
    _, opened, rest = place.partition("[")
    return tuple(int(number) for number in rest[:-1].split("][")) if opened else ()


def in_order(execution: Execution) -> list[tuple[int, str]]:
    """The places in the order of a report: their instances and names."""
    copies, nodes = execution.copies, execution.graph.nodes
    if not execution.graph.eaches and not copies.index(0):
        return [(index, node.id) for index, node in enumerate(nodes) if node.event is not None]
    return [
        (instance, copies.place(instance))
        for index, node in enumerate(nodes)
        if node.event is not None
        for instance in copies.instances(index)
    ]


def without_list(execution: Execution) -> dict[int, int]:
    """The first place in each `each` that had no list, and the instance that began it."""
    found: dict[int, int] = {}
    nodes = execution.graph.nodes
    for begin, known in execution.copies.of_each.items():
        for each in execution.copies.instances(begin):
            if execution.descriptors[each] == FAILURE:
                body = range(begin + 1, execution.graph.topology.index[known.gather])
                first = next((at for at in body if nodes[at].event is not None), None)
                if first is not None:
                    found.setdefault(each + first - begin, each)
    return found

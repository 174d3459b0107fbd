"""The task groups of a DAG: one for each use of a file, and one for each flow with branches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from volnux.graph.model import Graph, Kind, Node, Use
from volnux_airflow import storable
from volnux_airflow.usedfiles import shown_names

__all__ = ["Box", "around_tasks", "box_ids", "boxes_of"]


@dataclass(frozen=True, slots=True)
class Box:
    """A task group.

    Attributes:
        id: its id.
        first, last: the first and the last task in it.
        label: its display name.
        tooltip: for a use, what the text says and which file is used; otherwise empty.
    """

    id: str
    first: str
    last: str
    label: str
    tooltip: str = ""


def boxes_of(graph: Graph, braces: Callable[[Node], str]) -> dict[str, Box]:
    """The task groups of a graph by their ids. If two begin with the same task, the outer is first.

    Args:
        graph: the graph, in which each part that is one task is one node.
        braces: returns the label of the group of a catch.
    """
    index = graph.topology.index
    found = list(_of_uses(graph))
    found += (
        Box(f"group-{node.id.rpartition('-')[2]}", node.first, node.id, braces(node))
        for node in graph.nodes
        if node.kind is Kind.CATCH and node.first is not None
    )
    found.sort(key=lambda box: (index[box.first], -index[box.last]))
    return {box.id: box for box in found}


def box_ids(uses: Iterable[Use]) -> Iterator[str]:
    """The id of the task group of each use: its place, and the number of a later round of `again`.

    Airflow allows no dots. No other id of a task or group has two hyphens in a row.
    """
    rounds: dict[str, int] = {}
    for use in uses:
        number = rounds[use.place] = rounds.get(use.place, 0) + 1
        yield use.place.replace(".", "--") + (f"--{number}" if number > 1 else "")


def around_tasks(boxes: Mapping[str, Box], tasks: Iterable[str]) -> dict[str, tuple[Box, ...]]:
    """For each task in a group, the groups around it, outermost first.

    Args:
        boxes: the groups, in the order of `boxes_of`.
        tasks: all tasks, in reading order.
    """
    beginning: dict[str, list[Box]] = {}
    for box in boxes.values():
        beginning.setdefault(box.first, []).append(box)
    found: dict[str, tuple[Box, ...]] = {}
    open_: tuple[Box, ...] = ()
    for task in tasks:
        open_ += tuple(beginning.get(task, ()))
        if open_:
            found[task] = open_
        while open_ and open_[-1].last == task:
            open_ = open_[:-1]
    return found


def _of_uses(graph: Graph) -> Iterator[Box]:
    if not graph.uses:
        return
    files = shown_names(graph)
    for use, id_ in zip(graph.uses, box_ids(graph.uses), strict=True):
        arguments = ", ".join(f"{each.name}={each}" for each in use.arguments)
        written = f"{use.name}({arguments})" if arguments else use.name
        tooltip = storable.cleaned(f"{written} from {files[use.of]}")
        yield Box(id_, use.first, use.last, id_.replace("--", "."), tooltip)

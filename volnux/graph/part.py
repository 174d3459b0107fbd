"""A part of a graph as a graph of its own, for a host that runs the part as one task.

A part is the body of an `each`, or a group with `task`. Only its last node has edges that leave it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from volnux.graph.model import Each, Edge, Graph, Kind, Node, TaskGroup, Use, Value, ValueKind

__all__ = ["GraphPart", "part_of"]

_END = "part-end"


@dataclass(frozen=True)
class GraphPart:
    """A part of a graph.

    Attributes:
        graph: the part as a graph. Its last node is a join; the part is done if the join is done.
        first, last: the indices of its first and its last node in the whole graph.
        given: the index of each value that the part takes from outside, by its index in the whole
            graph. A run of the part needs these values.
        uses: the indices in the whole graph of the uses in the part, and of those around it.
    """

    graph: Graph
    first: int
    last: int
    given: Mapping[int, int]
    uses: tuple[int, ...] = ()


def part_of(graph: Graph, part: Each | TaskGroup) -> GraphPart:
    """The body of an `each`, or a group with `task`, as a graph.

    Args:
        graph: the whole graph.
        part: one of its `eaches` or `tasks`.
    """
    index = graph.topology.index
    if isinstance(part, Each):
        first, last = index[part.each] + 1, index[part.gather] - 1
    else:
        first, last = index[part.first], index[part.last]
    nodes = graph.nodes[first : last + 1]
    ids = {node.id for node in nodes}
    leaving = {when for edge in graph.topology.behind[last] for when in edge.when} or {1}
    edges = [edge for edge in graph.edges if edge.source in ids and edge.target in ids]
    edges.append(Edge(nodes[-1].id, _END, tuple(sorted(leaving))))
    eaches = [each for each in graph.eaches if each.each in ids]
    tasks = [
        task for task in graph.tasks if task.first in ids and task.last in ids and task != part
    ]
    kept = _uses_of(graph, first, last)
    rows = _Rows(graph, ids)
    for number in (
        *(node.receives for node in nodes),
        *(node.failure for node in nodes),
        *(each.value for each in eaches),
        *(task.value for task in tasks),
        part.value,
    ):
        if number is not None:
            rows.need(number)
    new = rows.numbers()
    return GraphPart(
        graph=replace(
            graph,
            nodes=(*(_renumbered(node, new) for node in nodes), Node(id=_END, kind=Kind.JOIN)),
            edges=tuple(edges),
            values=rows.table(new),
            result=new[part.value],
            groups=tuple(group for group in graph.groups if {group.first, group.last} <= ids),
            eaches=tuple(replace(each, value=new[each.value]) for each in eaches),
            tasks=tuple(replace(task, value=new[task.value]) for task in tasks),
            uses=_uses(graph, kept, nodes[0].id, nodes[-1].id),
            run_timeout=None,
        ),
        first=first,
        last=last,
        given={number: new[number] for number in rows.outside},
        uses=kept,
    )


def _uses_of(graph: Graph, first: int, last: int) -> tuple[int, ...]:
    """The uses that have a node between two nodes, the outer ones first."""
    if not graph.uses:
        return ()
    use_of = graph.topology.use_of
    found = {each for use in use_of[first : last + 1] for each in graph.topology.uses_around(use)}
    return tuple(sorted(found))


def _uses(graph: Graph, kept: tuple[int, ...], first: str, last: str) -> tuple[Use, ...]:
    """The uses of a part; of a use around the part, only the nodes of the part are left."""
    new = {old: number for number, old in enumerate(kept)}
    index = graph.topology.index
    found = []
    for old in kept:
        use = graph.uses[old]
        found.append(
            replace(
                use,
                first=max(use.first, first, key=index.__getitem__),
                last=min(use.last, last, key=index.__getitem__),
                within=None if use.within is None else new[use.within],
            )
        )
    return tuple(found)


class _Rows:
    """The values that a part needs.

    Attributes:
        outside: those that refer to nodes outside of the part.
    """

    def __init__(self, graph: Graph, ids: set[str]) -> None:
        self.outside: set[int] = set()
        self._rows = graph.values
        self._inside = [False] * len(graph.values)
        self._needed: set[int] = set()
        for number, row in enumerate(graph.values):
            self._inside[number] = row.node in ids or any(self._inside[of] for of in row.of)

    def need(self, number: int) -> None:
        stack = [number]
        while stack:
            current = stack.pop()
            if current in self._needed:
                continue
            self._needed.add(current)
            if self._inside[current]:
                stack += self._rows[current].of
            else:
                self.outside.add(current)

    def numbers(self) -> dict[int, int]:
        """The new index of each value."""
        return {old: number for number, old in enumerate(sorted(self._needed))}

    def table(self, new: Mapping[int, int]) -> tuple[Value, ...]:
        return tuple(
            Value(ValueKind.GIVEN)
            if number in self.outside
            else replace(self._rows[number], of=tuple(new[of] for of in self._rows[number].of))
            for number in new
        )


def _renumbered(node: Node, new: Mapping[int, int]) -> Node:
    return replace(
        node,
        receives=None if node.receives is None else new[node.receives],
        failure=None if node.failure is None else new[node.failure],
    )

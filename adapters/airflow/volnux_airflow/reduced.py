"""The graph as Airflow runs it: each part that is one task is one node.

A group with `task` is one node. An `each` becomes three nodes: the one that begins it, the
event or the group that runs once for every item, and the one that gathers the results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import (
    Each,
    Edge,
    Graph,
    Group,
    Kind,
    Node,
    TaskGroup,
    Use,
    Value,
    ValueKind,
)

__all__ = ["Reduced", "inside", "reduced"]


@dataclass(frozen=True)
class Reduced:
    """A plan in which each part that is one task is one node.

    Attributes:
        graph: the reduced graph. Its values have the same indices as those of the whole graph.
        specs: the spec of each node; None for nodes that are not events.
        parts: the part of the whole graph that a node stands for, by the id of the node.
        eaches: the `each` of a node, by the ids of the three nodes that it consists of.
    """

    graph: Graph
    specs: tuple[EventSpec | None, ...]
    parts: dict[str, Each | TaskGroup] = field(default_factory=dict)
    eaches: dict[str, Each] = field(default_factory=dict)


def inside(graph: Graph, part: Each | TaskGroup) -> range:
    """The indices of the nodes of a part; of an `each`, those of the template of one copy."""
    index = graph.topology.index
    if isinstance(part, Each):
        return range(index[part.each] + 1, index[part.gather])
    return range(index[part.first], index[part.last] + 1)


def reduced(plan: Plan) -> Reduced:
    """Reduce the graph of a plan."""
    if not (plan.graph.eaches or plan.graph.tasks):
        return Reduced(plan.graph, plan.specs)
    return _Reduction(plan).result()


@dataclass(frozen=True, slots=True)
class _Unit:
    """The nodes from index `first` to `last` become one node."""

    id: str
    first: int
    last: int
    part: Each | TaskGroup


class _Reduction:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._graph = plan.graph
        self._index = plan.graph.topology.index
        self._eaches: list[Each] = []
        self._copied: dict[str, str] = {}
        self._units = {unit.first: unit for unit in self._find()}
        self._stands = {
            node.id: unit.id
            for unit in self._units.values()
            for node in self._graph.nodes[unit.first : unit.last + 1]
        }

    def result(self) -> Reduced:
        nodes, specs = [], []
        i = 0
        while i < len(self._graph.nodes):
            unit = self._units.get(i)
            if unit is None:
                nodes.append(self._node(self._graph.nodes[i]))
                specs.append(self._plan.specs[i])
                i += 1
            else:
                nodes.append(Node(id=unit.id, span=unit.part.span, file=unit.part.file))
                specs.append(None)
                i = unit.last + 1
        graph = replace(
            self._graph,
            nodes=tuple(nodes),
            edges=tuple(self._edges()),
            values=self._values(),
            groups=tuple(self._groups()),
            eaches=tuple(self._eaches),
            tasks=(),
            uses=self._uses(),
        )
        eaches = {
            id_: each
            for each in self._eaches
            for id_ in (each.each, self._copied[each.each], each.gather)
        }
        parts = {unit.id: unit.part for unit in self._units.values()}
        return Reduced(graph, tuple(specs), parts, eaches)

    def _find(self) -> Iterator[_Unit]:
        """The outermost parts, in reading order."""
        index, graph = self._index, self._graph
        found: list[tuple[int, int, Each | TaskGroup]] = [
            (index[each.each], index[each.gather], each) for each in graph.eaches
        ]
        found += [(index[task.first], index[task.last], task) for task in graph.tasks]
        end = -1
        for first, last, part in sorted(found, key=lambda each: (each[0], -each[1])):
            if first <= end:
                continue
            end = last
            if isinstance(part, TaskGroup):
                yield _Unit(part.name, first, last, part)
                continue
            self._eaches.append(part)
            body = self._graph.nodes[first + 1 : last]
            is_event = len(body) == 1 and body[0].kind is Kind.EVENT
            self._copied[part.each] = body[0].id if is_event else self._name(part, body)
            if not is_event or part.batch is not None:
                yield _Unit(self._copied[part.each], first + 1, last - 1, part)

    def _name(self, each: Each, body: tuple[Node, ...]) -> str:
        """The name of the task for one item of a group: that of its `task`, if it has one."""
        ends = body[0].id, body[-1].id
        named = (task.name for task in self._graph.tasks if (task.first, task.last) == ends)
        return next(named, f"body-{each.each.rpartition('-')[2]}")

    def _of(self, id_: str) -> str:
        return self._stands.get(id_, id_)

    def _node(self, node: Node) -> Node:
        if node.first is not None:
            return replace(node, first=self._of(node.first))
        # A mapped task is given its item by Airflow.
        return replace(node, receives=None) if node.id in self._copied.values() else node

    def _edges(self) -> dict[Edge, None]:
        edges = (
            Edge(self._of(edge.source), self._of(edge.target), edge.when)
            for edge in self._graph.edges
        )
        return {edge: None for edge in edges if edge.source != edge.target}

    def _groups(self) -> Iterator[Group]:
        for group in self._graph.groups:
            first, last = self._of(group.first), self._of(group.last)
            if first != last:
                arms = tuple(map(self._of, group.arms))
                yield replace(group, first=first, last=last, arms=arms)

    def _uses(self) -> tuple[Use, ...]:
        """The uses of which a task is left: not those inside of a part."""
        found: list[Use] = []
        new: dict[int, int] = {}
        parts = {unit.id for unit in self._units.values()}
        for number, use in enumerate(self._graph.uses):
            first, last = self._of(use.first), self._of(use.last)
            unit = self._units.get(self._index[use.first])
            if first == last and first in parts and not _holds(use, unit):
                continue
            new[number] = len(found)
            within = None if use.within is None else new[use.within]
            found.append(replace(use, first=first, last=last, within=within))
        return tuple(found)

    def _values(self) -> tuple[Value, ...]:
        """The values, where what a part pipes on is the result of its node."""
        values = list(self._graph.values)
        gathers = {each.each: each.gather for each in self._eaches}
        for number, row in enumerate(values):
            if row.kind in (ValueKind.ALL_EACH, ValueKind.ANY_EACH) and row.node in gathers:
                values[number] = Value(ValueKind.RESULT, gathers[row.node])
        for unit in self._units.values():
            if isinstance(unit.part, TaskGroup):
                values[unit.part.value] = Value(ValueKind.RESULT, unit.id)
        return tuple(values)


def _holds(use: Use, unit: _Unit | None) -> bool:
    """Whether a part that has all events of a use is a group with `task` in the used file."""
    return (
        unit is not None
        and isinstance(unit.part, TaskGroup)
        and unit.part.name.startswith(f"{use.place}.")
    )

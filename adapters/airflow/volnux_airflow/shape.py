"""The tasks and edges that a plan becomes on Airflow, as plain data (`docs/airflow.md`).

Airflow's trigger rules express the meaning of our graph, with two exceptions that need an extra
task: a group with branches (its catch), and an arm of an *any* group that contains a parallel
group, since Airflow has no `all_success` rule that waits for all tasks. Both are made here, so that
the DAG and its Python source cannot differ.

An `each` becomes a task that checks the list, a mapped task, and a task that gathers the results. A
group that runs as one task is one task here: see `volnux_airflow.reduced`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import Each, Edge, Entry, Graph, Group, Kind, Node, TaskGroup
from volnux_airflow import compat
from volnux_airflow.boxes import Box, around_tasks, boxes_of
from volnux_airflow.reduced import inside, reduced

__all__ = ["Shape", "Task", "TaskKind", "Wire", "shape_of"]


class TaskKind(StrEnum):
    """The kind of a task: an event, a part of the flow, or one of those that Volnux adds.

    These are a join, the catch of a group, the end of an arm, a `!`, and the two ends of an `each`.
    """

    EVENT = "event"
    PART = "part"
    JOIN = "join"
    CATCH = "catch"
    END = "end"
    FAIL = "fail"
    SCATTER = "scatter"
    GATHER = "gather"


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        id: the task id; for an event, its place.
        rule: Airflow's trigger rule.
        node: the node of the graph; None if the task is the end of an arm.
        spec: for an event, the spec of the linked event.
        part: for a part of the flow, the part.
        each: the `each` that the task begins, ends, or runs the items of.
        branches: for each descriptor, the direct downstream tasks that continue; None if all
            continue after descriptor 1.
        first: for a catch or end, the first event of its group.
        ends: for a catch or end, the tasks that end its group.
        label: the display name of a task that Volnux adds, taken from the text of the flow.
    """

    id: str
    kind: TaskKind
    rule: compat.TriggerRule
    node: Node | None = None
    spec: EventSpec | None = None
    branches: dict[int, tuple[str, ...]] | None = None
    first: str | None = None
    ends: tuple[str, ...] = ()
    label: str | None = None
    part: Each | TaskGroup | None = None
    each: Each | None = None

    @property
    def is_mapped(self) -> bool:
        """Whether the task runs once for every item."""
        return self.each is not None and self.kind in (TaskKind.EVENT, TaskKind.PART)


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge: `source` runs before `target`. The label of a branch is its descriptor."""

    source: str
    target: str
    label: str | None = None


@dataclass(frozen=True)
class Shape:
    """All tasks of a DAG, each after the tasks that it depends on, and its edges.

    Attributes:
        plan: the plan.
        graph: its graph, in which each part that is one task is one node.
        tasks: the tasks, in reading order.
        wires: the edges, except those to a task that only watches; its operator adds them.
        groups: for each task in a task group, the groups around it, outermost first.
    """

    plan: Plan
    graph: Graph
    tasks: tuple[Task, ...]
    wires: tuple[Wire, ...]
    groups: dict[str, tuple[Box, ...]]

    @functools.cached_property
    def copies(self) -> dict[str, str]:
        """The mapped task of each `each`, by the task that begins it."""
        return {t.each.each: t.id for t in self.tasks if t.each is not None and t.is_mapped}

    def maps(self, wire: Wire) -> bool:
        """Whether an edge is the one between a list and the task that is mapped over it."""
        return self.copies.get(wire.source) == wire.target


def shape_of(plan: Plan) -> Shape:
    """The tasks and edges of a plan."""
    return _Shaping(plan).shape()


@dataclass(frozen=True, slots=True)
class _End:
    """The task at the end of an arm, with the first event and the last tasks of the arm."""

    id: str
    first: str
    ends: tuple[str, ...]


class _Shaping:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reduced = reduced(plan)
        self._graph = self._reduced.graph
        self._index = self._graph.topology.index
        self._edges = self._graph.topology.behind
        self._incoming = self._graph.topology.before
        # The ends of arms. `_late_joins` has the joins that are such an end, by their id. The
        # others have no node in the graph: `_ends` has them by the event or `!` before them, and
        # `_before` by the index of the node after them.
        self._late_joins: dict[str, _End] = {}
        self._ends: dict[str, _End] = {}
        self._before: dict[int, list[_End]] = {}
        for group, join in zip(self._graph.groups, self._graph.topology.joins, strict=True):
            if join is not None:
                self._close_arms(group, join)

    def shape(self) -> Shape:
        tasks: list[Task] = []
        for i, (node, spec) in enumerate(zip(self._graph.nodes, self._reduced.specs, strict=True)):
            tasks += [self._end(end) for end in self._before.get(i, ())]
            tasks.append(self._task(i, node, spec))
        boxes = boxes_of(self._graph, self._braces)
        groups = around_tasks(boxes, (task.id for task in tasks))
        return Shape(self._plan, self._graph, tuple(tasks), tuple(self._wires()), groups)

    def _task(self, i: int, node: Node, spec: EventSpec | None) -> Task:
        each = self._reduced.eaches.get(node.id)
        match node.kind:
            case Kind.GATHER:
                assert each is not None
                label = f"all of {self._text(each)}"
                rule = compat.TriggerRule.ALL_DONE
                return Task(node.id, TaskKind.GATHER, rule, node, label=label, each=each)
            case Kind.EACH:
                assert each is not None
                label = f"each {each.name}" + (f" in {each.source}" if each.source else "")
                branches = self._branches(i)
                kind, rule = TaskKind.SCATTER, self._rule(i)
                return Task(node.id, kind, rule, node, None, branches, label=label, each=each)
            case Kind.EVENT | Kind.FAIL:
                branches, rule = self._branches(i), self._rule(i)
                part = self._reduced.parts.get(node.id)
                if part is not None:
                    # The name of a `task` needs no label.
                    name = self._text(part) if node.id.startswith("body-") else None
                    kind = TaskKind.PART
                    return Task(
                        node.id, kind, rule, node, None, branches, label=name, part=part, each=each
                    )
                if node.kind is Kind.EVENT:
                    return Task(node.id, TaskKind.EVENT, rule, node, spec, branches, each=each)
                label = self._failing(node)
                return Task(node.id, TaskKind.FAIL, rule, node, branches=branches, label=label)
            case Kind.CATCH:
                assert node.first is not None
                return Task(
                    node.id,
                    TaskKind.CATCH,
                    compat.TriggerRule.ALL_DONE,
                    node,
                    branches=self._branches(i) or {},
                    first=node.first,
                    ends=tuple(self._source(edge) for edge in self._incoming[i]),
                    label=f"outcome of {self._braces(node)}",
                )
            case Kind.JOIN:
                late = self._late_joins.get(node.id)
                if late is not None:
                    return self._end(late)
                rule = compat.TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
                if node.entry is Entry.ANY:
                    rule = compat.TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
                names = [edge.source for edge in self._incoming[i]]
                word = "any of" if node.entry is Entry.ANY else "after"
                label = f"{word} {_few(names)}"
                return Task(node.id, TaskKind.JOIN, rule, node, label=label)

    def _rule(self, i: int) -> compat.TriggerRule:
        """The trigger rule of a task that runs if nothing before it has failed."""
        # With a single upstream task, both rules mean the same, and `all_success` is easier to
        # read.
        if len(self._incoming[i]) <= 1:
            return compat.TriggerRule.ALL_SUCCESS
        return compat.TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS

    def _end(self, end: _End) -> Task:
        rule = compat.TriggerRule.ALL_DONE
        label = f"end of {_few([end.first, *end.ends])}"
        return Task(end.id, TaskKind.END, rule, first=end.first, ends=end.ends, label=label)

    def _failing(self, node: Node) -> str:
        """A label for a `!`: its line, and its file if that is a used one."""
        if node.span is None:
            return "!"
        of = f" of {self._graph.file_name(node.file)}" if node.file else ""
        return f"! in line {node.span.line}{of}"

    def _braces(self, catch: Node) -> str:
        """A label for the group of a catch: its text if it is short, otherwise its events."""
        assert catch.first is not None
        first, last = self._index[catch.first], self._index[catch.id]
        events = [n.id for n in self._graph.nodes[first:last] if n.kind is Kind.EVENT]
        return self._quoted(catch) or f"{{{_few(events)}}}"

    def _text(self, part: Each | TaskGroup) -> str:
        """A label for a part: its text if it is short, otherwise its events."""
        graph = self._plan.graph
        nodes = [graph.nodes[i] for i in inside(graph, part)]
        return self._quoted(part) or _few(n.id for n in nodes if n.event is not None)

    def _quoted(self, part: Node | Each | TaskGroup) -> str | None:
        """The text of a part, if it is short."""
        source, span = self._graph.text(part.file), part.span
        if source is None or span is None or span.line != span.end_line:
            return None
        text = source.source().line(span.line)[span.column - 1 : span.end_column - 1]
        return text if len(text) <= _LONGEST_LABEL else None

    def _branches(self, i: int) -> dict[int, tuple[str, ...]] | None:
        """The tasks after each descriptor; None if there are only tasks after 1."""
        edges = self._edges[i]
        if self._graph.nodes[i].kind is not Kind.CATCH and all(e.when == (1,) for e in edges):
            return None
        found: dict[int, list[str]] = {}
        for edge in edges:
            for descriptor in edge.when:
                found.setdefault(descriptor, []).append(self._target(edge))
        return {descriptor: tuple(found[descriptor]) for descriptor in sorted(found)}

    # Ends of the arms of *any* groups.

    def _close_arms(self, group: Group, join: int) -> None:
        begins = [self._index[arm] for arm in group.arms]
        behind = [*begins[1:], join]
        for edge, begin, end in zip(self._incoming[join], begins, behind, strict=True):
            if not self._holds_parallel(begin, end):
                continue
            last = self._index[edge.source]
            node = self._graph.nodes[last]
            first = self._graph.nodes[begin].id
            if node.kind is Kind.JOIN and node.entry is Entry.ALL:
                sources = tuple(e.source for e in self._incoming[last])
                self._late_joins[node.id] = _End(node.id, first, sources)
            elif node.kind in (Kind.EVENT, Kind.FAIL, Kind.GATHER):
                made = _End(f"end-{node.id}", first, (node.id,))
                self._ends[node.id] = made
                self._before.setdefault(end, []).insert(0, made)

    def _holds_parallel(self, begin: int, end: int) -> bool:
        return any(
            begin <= self._index[group.first] and self._index[group.last] < end
            for group in self._graph.groups
        )

    # Edges.

    def _target(self, edge: Edge) -> str:
        """The target of an edge, or the end of its arm if that comes first."""
        end = self._ends.get(edge.source)
        if end is not None and self._graph.nodes[self._index[edge.target]].entry is Entry.ANY:
            return end.id
        return edge.target

    def _source(self, edge: Edge) -> str:
        end = self._ends.get(edge.source)
        return end.id if end is not None and self._target(edge) == end.id else edge.source

    def _wires(self) -> list[Wire]:
        wires = []
        for edge in self._graph.edges:
            target = self._target(edge)
            wires.append(Wire(edge.source, target, self._label(edge)))
            if target != edge.target:
                wires.append(Wire(target, edge.target))
        return wires

    def _label(self, edge: Edge) -> str | None:
        """The label of an edge: the descriptors of a branch, or nothing for a plain arrow."""
        if edge.when == (1,) and all(e.when == (1,) for e in self._edges[self._index[edge.source]]):
            return None
        return ", ".join(map(str, edge.when))


_LONGEST_LABEL = 32


def _few(names: Iterable[str]) -> str:
    """Names in one line: both if there are two, otherwise the first and the last."""
    known = list(dict.fromkeys(names))
    return ", ".join(known) if len(known) <= 2 else f"{known[0]} … {known[-1]}"

"""Plan to DAG: tasks first, then their edges (`docs/airflow.md` has the mapping)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import Edge, Entry, Graph, Group, InputSpec, Kind, Node, Value, ValueKind
from volnux.pointy.cron import PRESETS
from volnux.pointy.options import split_tags
from volnux_airflow import compat
from volnux_airflow.operators import VolnuxEventOperator, VolnuxGroupOperator
from volnux_airflow.outcomes import Piped

__all__ = ["FIRST_DATE", "build_dag", "param_of"]

FIRST_DATE = dt.date(2020, 1, 1)
"""The start date of a scheduled DAG whose file says none: fixed, never "now"."""

_SCHEMAS: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "list": {"type": "array"},
    "dict": {"type": "object"},
}


def build_dag(plan: Plan, *, dag_id: str | None = None, **settings: Any) -> compat.DAG:
    """The DAG of a plan.

    Args:
        plan: the linked graph; the backend's `check` found nothing to refuse in it.
        dag_id: the DAG's id; the pipeline's name if None.
        **settings: further arguments of `DAG` (default_args, access_control, callbacks, …); they
            win over what the file says.
    """
    graph = plan.graph
    arguments: dict[str, Any] = {
        "dag_id": dag_id or graph.name,
        "description": graph.description,
        "tags": sorted(graph.tags),
        "schedule": _timetable(graph),
        "start_date": _start_date(graph),
        "catchup": graph.catchup,
        "params": {item.name: param_of(item) for item in graph.inputs},
        "doc_md": _doc(graph),
        **settings,
    }
    if graph.max_active_runs is not None:
        arguments.setdefault("max_active_runs", graph.max_active_runs)
    with compat.DAG(**arguments) as dag:
        _Translation(plan, dag).run()
    return dag


class _Translation:
    """Makes the tasks of one plan, then wires them."""

    def __init__(self, plan: Plan, dag: compat.DAG) -> None:
        self._plan = plan
        self._dag = dag
        self._graph = plan.graph
        self._index = {node.id: i for i, node in enumerate(plan.graph.nodes)}
        self._edges: dict[str, list[Edge]] = {node.id: [] for node in plan.graph.nodes}
        for edge in plan.graph.edges:
            self._edges[edge.source].append(edge)
        self._incoming: dict[str, list[Edge]] = {node.id: [] for node in plan.graph.nodes}
        for edge in plan.graph.edges:
            self._incoming[edge.target].append(edge)
        self._stoppers = tuple(
            node.id
            for node, spec in zip(plan.graph.nodes, plan.specs, strict=True)
            if spec is not None and spec.stop_on_exception
        )
        # Tasks that end an arm of an *any* group late, by the arm's last node; see `_closers`.
        self._closers = self._find_closers()
        # Of each event, the tasks that watch it besides its edges (catches and closers).
        self._watchers: dict[str, list[str]] = {}
        for watcher, group in self._watched():
            for node in group.nodes[:-1]:
                self._watchers.setdefault(node.id, []).append(watcher)

    def run(self) -> None:
        tasks: dict[str, Any] = {}
        for node, spec in zip(self._graph.nodes, self._plan.specs, strict=True):
            match node.kind:
                case Kind.EVENT:
                    assert spec is not None
                    tasks[node.id] = self._event(node, spec)
                case Kind.CATCH:
                    tasks[node.id] = self._group(node.id, self._catch_group(node), node)
                case Kind.JOIN:
                    tasks[node.id] = self._join(node)
        for closer in self._closers.values():
            if closer.id not in tasks:
                tasks[closer.id] = self._group(closer.id, closer.group, None)
        self._wire(tasks)

    # Tasks.

    def _event(self, node: Node, spec: EventSpec) -> VolnuxEventOperator:
        options: dict[str, Any] = {}
        for option, argument in (
            ("pool", "pool"),
            ("queue", "queue"),
            ("priority", "priority_weight"),
            ("concurrency", "max_active_tis_per_dag"),
        ):
            if option in node.options:
                options[argument] = node.options[option]
        if "tags" in node.options:
            options["doc_md"] = "tags: " + ", ".join(split_tags(str(node.options["tags"])))
        return VolnuxEventOperator(
            task_id=node.id,
            spec=spec,
            receives=None if node.receives is None else Piped(self._graph.values, node.receives),
            inputs=self._graph.inputs,
            readers=self._plan.readers,
            trigger_rule=self._rule(node),
            goes_on=self._goes_on(node),
            always=self._watchers.get(node.id, ()),
            stoppers=self._stoppers,
            **options,
        )

    def _join(self, node: Node) -> Any:
        closer = next((c for c in self._closers.values() if c.id == node.id), None)
        if closer is not None:
            return self._group(node.id, closer.group, None)
        rule = compat.TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        if node.entry is Entry.ANY:
            rule = compat.TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
        return compat.EmptyOperator(task_id=node.id, trigger_rule=rule)

    def _group(self, task_id: str, group: Graph, catch: Node | None) -> VolnuxGroupOperator:
        goes_on: dict[int, Sequence[str]] = {1: ()}
        if catch is not None:
            goes_on = self._goes_on(catch)
        return VolnuxGroupOperator(
            task_id=task_id,
            group=group,
            first=group.nodes[0].id,
            goes_on=goes_on if catch is not None else None,
            always=self._watchers.get(task_id, ()),
            stoppers=self._stoppers,
        )

    def _rule(self, node: Node) -> compat.TriggerRule:
        # Where only one task comes before, both rules say the same, and this one is read easier.
        if len(self._incoming[node.id]) <= 1:
            return compat.TriggerRule.ALL_SUCCESS
        return compat.TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS

    def _goes_on(self, node: Node) -> dict[int, Sequence[str]]:
        found: dict[int, list[str]] = {}
        for edge in self._edges[node.id]:
            for descriptor in edge.when:
                found.setdefault(descriptor, []).append(self._target(edge))
        return {descriptor: tuple(found[descriptor]) for descriptor in sorted(found)}

    # Groups: the part of the graph that a catch or a closer decides about.

    def _catch_group(self, catch: Node) -> Graph:
        assert catch.first is not None
        first, last = self._index[catch.first], self._index[catch.id]
        return self._part(range(first, last), catch)

    def _part(self, range_: range, last: Node) -> Graph:
        """The nodes of a range and a last one, with the edges among them, as a graph."""
        nodes = self._graph.nodes
        inside = {nodes[i].id for i in range_}
        edges = [
            edge
            for i in range_
            for edge in self._edges[nodes[i].id]
            if edge.target in inside or edge.target == last.id
        ]
        kept = tuple(replace(nodes[i], receives=None) for i in range_)
        return Graph(
            name=last.id,
            nodes=(*kept, replace(last, receives=None)),
            edges=tuple(edges),
            values=(Value(ValueKind.RESULT, last.id),),
            result=0,
        )

    def _find_closers(self) -> dict[str, _Closer]:
        """By its last node, each arm of an *any* group that no native rule can end late."""
        found: dict[str, _Closer] = {}
        for group in self._graph.groups:
            if group.evaluation is None or not group.evaluation.any:
                continue
            begins = [self._index[arm] for arm in group.arms]
            join = self._join_behind(group)
            ends = [*begins[1:], self._index[join.id]]
            for edge, begin, behind in zip(self._incoming[join.id], begins, ends, strict=True):
                if not self._holds_parallel(begin, behind):
                    continue
                end = self._graph.nodes[self._index[edge.source]]
                if end.kind is Kind.JOIN and end.entry is Entry.ALL:
                    part = self._part(range(begin, behind - 1), end)
                    found[end.id] = _Closer(end.id, part)
                elif end.kind is Kind.EVENT:
                    closer = Node(id=f"end-{end.id}", kind=Kind.JOIN)
                    part = self._part(range(begin, behind), closer)
                    edges = (*part.edges, Edge(end.id, closer.id, edge.when))
                    found[end.id] = _Closer(closer.id, replace(part, edges=edges))
        return found

    def _join_behind(self, group: Group) -> Node:
        """The join that ends an *any* group."""
        last_arm = self._index[group.arms[-1]]
        for node in self._graph.nodes[last_arm:]:
            if node.kind is Kind.JOIN and node.entry is Entry.ANY:
                sources = [self._index[edge.source] for edge in self._incoming[node.id]]
                if len(sources) == len(group.arms) and self._index[group.arms[0]] <= min(sources):
                    return node
        raise AssertionError(f"the group of {group.first} has no join")  # pragma: no cover

    def _holds_parallel(self, begin: int, behind: int) -> bool:
        return any(
            begin <= self._index[group.first] and self._index[group.last] < behind
            for group in self._graph.groups
        )

    def _watched(self) -> list[tuple[str, Graph]]:
        watched = [(closer.id, closer.group) for closer in self._closers.values()]
        watched += [
            (node.id, self._catch_group(node))
            for node in self._graph.nodes
            if node.kind is Kind.CATCH
        ]
        return watched

    # Edges.

    def _target(self, edge: Edge) -> str:
        """Where an edge leads: to the closer of its arm, where that stands between."""
        closer = self._closers.get(edge.source)
        target = self._graph.nodes[self._index[edge.target]]
        if closer is not None and closer.id != edge.source and target.entry is Entry.ANY:
            return closer.id
        return edge.target

    def _wire(self, tasks: Mapping[str, Any]) -> None:
        for edge in self._graph.edges:
            target = self._target(edge)
            label = self._label(edge)
            if label is None:
                tasks[edge.source].set_downstream(tasks[target])
            else:
                tasks[edge.source].set_downstream(tasks[target], edge_modifier=compat.Label(label))
            if target != edge.target:
                tasks[target].set_downstream(tasks[edge.target])
        for source, watchers in self._watchers.items():
            for watcher in watchers:
                if watcher not in tasks[source].downstream_task_ids:
                    tasks[source].set_downstream(tasks[watcher])

    def _label(self, edge: Edge) -> str | None:
        """What stands on an edge: the descriptors of a branch, nothing on a plain arrow."""
        if edge.when == (1,) and all(e.when == (1,) for e in self._edges[edge.source]):
            return None
        return ", ".join(map(str, edge.when))


class _Closer:
    """A task that ends an arm once all of it has ended."""

    def __init__(self, task_id: str, group: Graph) -> None:
        self.id = task_id
        self.group = group


def _timetable(graph: Graph) -> Any:
    zone = graph.timezone or "UTC"
    crons = [PRESETS.get(s.expression, s.expression) for s in graph.schedules]
    if not crons:
        return None
    if len(crons) == 1:
        return compat.CronTriggerTimetable(crons[0], timezone=zone)
    return compat.MultipleCronTriggerTimetable(*crons, timezone=zone)


def _start_date(graph: Graph) -> dt.datetime | None:
    import zoneinfo

    if not graph.schedules and graph.start_date is None:
        return None
    day = dt.date.fromisoformat(graph.start_date) if graph.start_date else FIRST_DATE
    zone = zoneinfo.ZoneInfo(graph.timezone or "UTC")
    return dt.datetime(day.year, day.month, day.day, tzinfo=zone)


def param_of(item: InputSpec) -> compat.Param:
    """The Param of an input, with the JSON schema that the trigger form checks."""
    schema = dict(_SCHEMAS.get(item.type, {}))
    if item.required:
        return compat.Param(**schema)
    if item.default is None and "type" in schema:
        schema["type"] = ["null", schema["type"]]
    return compat.Param(item.default, **schema)


def _doc(graph: Graph) -> str:
    from volnux.graph.draw import draw

    parts = []
    if graph.description:
        parts.append(graph.description)
    if len(graph.nodes) <= 200:
        parts.append(f"```\n{draw(graph, 'ascii').rstrip()}\n```")
    if graph.source is not None:
        parts.append(f"```\n{graph.source.text.strip()}\n```")
    return "\n\n".join(parts)

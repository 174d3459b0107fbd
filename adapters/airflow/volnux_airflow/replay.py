"""Turn the tasks before a catch, or before the end of an arm, into a Volnux graph.

The graph is built from the tasks themselves: all tasks from the first of the group to the one that
decides, in the order in which the DAG file creates them. That is the reading order of the flow. The
tasks of an `each` are one node of it: that of the task that gathers the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from volnux.events.failures import failure_of
from volnux.graph.execution import Execution
from volnux.graph.model import Edge, Entry, Graph, Kind, Node, Value, ValueKind
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.graph.simulating import play
from volnux_airflow import compat
from volnux_airflow.eachoperators import VolnuxGatherOperator
from volnux_airflow.outcomes import Outcomes, TaskOutcome

__all__ = ["events_of", "group_of", "replay"]


def group_of(decider: Any) -> Graph:
    """The group that a `VolnuxGroupOperator` decides about. Its last node is the operator."""
    tasks = list(decider.dag.task_dict.values())
    ids = [task.task_id for task in tasks]
    begin, end = ids.index(decider.first), ids.index(decider.task_id)
    inside = set(ids[begin : end + 1])
    gathers = [task for task in tasks[begin:end] if isinstance(task, VolnuxGatherOperator)]
    stands = {part: task.task_id for task in gathers for part in (task.each, task.copies)}
    nodes = [_node(task, stands) for task in tasks[begin:end] if task.task_id not in stands]
    nodes.append(Node(id=decider.task_id, kind=Kind.JOIN))
    if decider.branches is not None:
        nodes[-1] = replace(nodes[-1], kind=Kind.CATCH, first=nodes[0].id)
    found = (
        (stands.get(task.task_id, task.task_id), stands.get(target, target), tuple(when))
        for task in tasks[begin:end]
        for target, when in _edges(task).items()
        if target in inside
    )
    edges = [Edge(source, target, when) for source, target, when in found if source != target]
    return Graph(
        name=decider.task_id,
        nodes=tuple(nodes),
        edges=tuple(edges),
        values=(Value(ValueKind.RESULT, decider.task_id),),
        result=0,
    )


def events_of(graph: Graph) -> list[str]:
    """The tasks of a group that are neither joins nor catches."""
    return [node.id for node in graph.nodes if node.kind is Kind.EVENT]


def replay(
    graph: Graph, ends: Mapping[str, TaskOutcome | None], states: Mapping[str, str], of: Outcomes
) -> Execution:
    """Run the state machine of a group with the known outcomes of its events.

    Args:
        graph: the group.
        ends: the outcome of each event; None if its task stored none.
        states: Airflow's states of the events.
        of: reads the results of events that failed.
    """

    def end_of(index: int) -> tuple[int, Any]:
        task = graph.nodes[index].id
        end = ends[task]
        if end is not None and end.descriptor is not None:
            return end.descriptor, _failure(of, task) if end.descriptor == FAILURE else None
        if states.get(task) == "success":
            # This is another kind of task, which somebody added to the DAG.
            return SUCCESS, None
        # There is no outcome: its worker was killed before it could store one.
        return FAILURE, Failure("volnux.WorkerLost", f"the worker that ran {task} died")

    return play(graph, end_of)


def _failure(of: Outcomes, task: str) -> Any:
    """The result of a task that failed."""
    try:
        return of.result(task)
    except Exception as error:  # noqa: BLE001 - a stored result may be unreadable
        return failure_of(error, attempts=0)


def _node(task: Any, stands: Mapping[str, str]) -> Node:
    any_ = task.trigger_rule == compat.TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
    entry = Entry.ANY if any_ else Entry.ALL
    first = getattr(task, "first", None)
    if first is not None:
        if task.branches is not None:
            return Node(id=task.task_id, kind=Kind.CATCH, first=stands.get(first, first))
        return Node(id=task.task_id, kind=Kind.JOIN)
    if isinstance(task, compat.EmptyOperator):
        return Node(id=task.task_id, kind=Kind.JOIN, entry=entry)
    return Node(id=task.task_id, event=task.task_id, entry=entry)


def _edges(task: Any) -> dict[str, list[int]]:
    """The downstream tasks, without those that only watch, each with its descriptors."""
    found: dict[str, list[int]] = {}
    branches = getattr(task, "branches", None)
    if branches is None:
        watching: frozenset[str] = getattr(task, "watching", frozenset())
        return {
            target: [SUCCESS]
            for target in sorted(task.downstream_task_ids)
            if target not in watching
        }
    for descriptor, targets in branches.items():
        for target in targets:
            found.setdefault(target, []).append(descriptor)
    return found

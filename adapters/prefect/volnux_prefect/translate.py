"""Translates a plan to Prefect: tasks, task runners and tag concurrency limits."""

from __future__ import annotations

import copy
import inspect
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from volnux.backends.parts import Part
from volnux.events.executors import EMPTY, ExecutorKind, ExecutorSpec
from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.copies import Copies
from volnux.graph.model import Graph, Kind, Node
from volnux.graph.places import place_name
from volnux.pointy.options import split_tags
from volnux_prefect.arguments import with_arguments
from volnux_prefect.compat import OwnKey
from volnux_prefect.parts import outermost, task_of_part
from volnux_prefect.taskoptions import options_of
from volnux_prefect.tasktargets import own_task
from volnux_prefect.work import repeat_told, run_work

__all__ = [
    "MOST_DELAYS",
    "USUAL",
    "Blueprint",
    "RunnerKey",
    "at_place",
    "blueprint_of",
    "concurrency_tag",
    "events_before",
    "limits_of",
    "retry_delays",
    "runner_key",
    "runner_of",
    "tags_of",
    "task_of",
]

MOST_DELAYS = 50
"""The maximum length of `retry_delay_seconds`. All later retries use the last delay."""

RunnerKey = tuple[ExecutorSpec, type | None]
"""The key of a task runner. Events with the same key share one."""

_ROUND = re.compile(r"(\.[0-9]+)+$")
"""What `again` adds to the id of a node in a later round."""

USUAL: RunnerKey = (ExecutorSpec(), None)
"""The key of the flow's own task runner."""


@dataclass(frozen=True)
class TaskPart:
    """A group that runs as one task.

    Attributes:
        name: its name.
        part: the group as a plan of its own.
        task: its task.
    """

    name: str
    part: Part
    task: Task[Any, Any]


@dataclass(frozen=True)
class Blueprint:
    """A plan in the form that Prefect runs.

    Attributes:
        plan: the plan.
        tasks: the task of each node; None for nodes that are not events.
        runners: the task runner key of each node.
        taken: for each node, the descriptors that have a branch.
        before: for each node, the events directly before it, ignoring all other nodes.
        behind: for each node, all nodes that its edges lead to.
        main: the key of the flow's own task runner. Each other key needs another one.
        limits: tag concurrency limits that the flow needs, by tag.
        grouped: for each node, the first node of the outermost group with `task` around it; None if
            there is none.
        parts: these groups, by their first node.
    """

    plan: Plan
    tasks: tuple[Task[Any, Any] | None, ...]
    runners: tuple[RunnerKey, ...]
    taken: tuple[frozenset[int], ...]
    before: tuple[tuple[int, ...], ...]
    behind: tuple[tuple[int, ...], ...]
    main: RunnerKey
    limits: dict[str, int]
    grouped: tuple[int | None, ...]
    parts: dict[int, TaskPart]

    def task_at(self, copies: Copies, unit: int) -> Task[Any, Any]:
        """The task of a place, or of a group with `task`. Its runs are named after the place.

        Args:
            copies: the copies of the run.
            unit: the instance of the place, or of the first node of the group.
        """
        node, index = copies.node(unit), copies.index(unit)
        if self.grouped[node] is not None:
            part = self.parts[node]
            return at_place(part.task, place_name(part.name, index)) if index else part.task
        task = self.tasks[node]
        assert task is not None
        return at_place(task, copies.place(unit)) if index else task


def blueprint_of(plan: Plan) -> Blueprint:
    """Build the parts of a flow that do not depend on a run."""
    graph = plan.graph
    tasks: list[Task[Any, Any] | None] = []
    runners: list[RunnerKey] = []
    bases: dict[tuple[int, frozenset[str]], Task[Any, Any]] = {}
    for node, spec in zip(graph.nodes, plan.specs, strict=True):
        runners.append(USUAL if spec is None else runner_key(spec))
        if spec is None:
            tasks.append(None)
            continue
        tags, _ = tags_of(graph, node)
        key = (id(spec), tags)
        if key not in bases:
            bases[key] = _task(spec, tags)
        tasks.append(at_place(bases[key], node.id))
    used = [key for key, task in zip(runners, tasks, strict=True) if task is not None]
    grouped = outermost(graph)
    return Blueprint(
        plan=plan,
        tasks=tuple(tasks),
        runners=tuple(runners),
        taken=tuple(graph.topology.taken),
        before=tuple(events_before(graph)),
        behind=tuple(
            tuple(graph.topology.index[edge.target] for edge in edges)
            for edges in graph.topology.behind
        ),
        main=USUAL if USUAL in used or not used else used[0],
        limits=limits_of(graph),
        grouped=grouped,
        parts={
            first: TaskPart(group.name, Part.of(plan, group), task_of_part(graph, group.name))
            for group in reversed(graph.tasks)
            if grouped[first := graph.topology.index[group.first]] == first
        },
    )


def runner_of(key: RunnerKey, workers: int | None = None) -> TaskRunner[Any]:
    """Create a task runner.

    Args:
        key: the key of its events.
        workers: the number of workers of the default task runner; None for Prefect's own setting.
    """
    executor, _ = key
    given = executor.config.max_workers
    most = None if given is EMPTY else int(given)
    match executor.kind:
        case ExecutorKind.DEFAULT:
            return ThreadPoolTaskRunner(max_workers=workers)
        case ExecutorKind.POOL:
            assert executor.pool is not None
            if issubclass(executor.pool, ProcessPoolExecutor):
                return ProcessPoolTaskRunner(max_workers=most)
            return ThreadPoolTaskRunner(max_workers=most)
        case ExecutorKind.URL:
            from prefect_dask.task_runners import DaskTaskRunner

            host = (executor.url or "").partition("://")[2]
            if host:
                return DaskTaskRunner(address=f"tcp://{host}")
            settings: dict[str, Any] = {"dashboard_address": None}
            if most is not None:
                settings["n_workers"] = most
            return DaskTaskRunner(cluster_kwargs=settings)


def limits_of(graph: Graph) -> dict[str, int]:
    """The tag concurrency limits that a flow needs, by tag."""
    return {
        concurrency_tag(graph, node): int(node.options["concurrency"])
        for node in graph.nodes
        if "concurrency" in node.options
    }


def retry_delays(spec: EventSpec) -> list[float]:
    """The seconds before each retry, in the form that Prefect expects."""
    retries = spec.retry.max_attempts - 1
    return [spec.retry.wait(n) for n in range(1, min(retries, MOST_DELAYS) + 1)]


def concurrency_tag(graph: Graph, node: Node) -> str:
    """The tag whose concurrency limit is that of `[concurrency=…]`.

    The rounds of a group with `again` share it: they are one place of the file.
    """
    return f"{graph.name}.{_ROUND.sub('', node.id)}"


# Tasks.


def _task(spec: EventSpec, tags: frozenset[str]) -> Task[Any, Any]:
    delays: Any = retry_delays(spec)
    native = own_task(spec)
    if native is not None:
        native.fn = run_work
        native.tags = native.tags | tags
        native.retries = spec.retry.max_attempts - 1
        vars(native)["retry_delay_seconds"] = delays or None
        native.retry_condition_fn = repeat_told if delays else None
        return with_arguments(native, spec)
    own = {"log_prints": None, **options_of(spec)}
    own["tags"] = {*tags, *own.get("tags", ())}
    # `run_work` enforces the time limit of an attempt, because Prefect cannot end a thread.
    task: Task[Any, Any] = Task(
        run_work,
        name=spec.name,
        cache_policy=NO_CACHE,
        retries=spec.retry.max_attempts - 1,
        retry_delay_seconds=delays or None,
        retry_condition_fn=repeat_told if delays else None,
        **own,
    )
    # If passed to the constructor, any policy except NO_CACHE makes Prefect store results.
    vars(task)["cache_policy"] = OwnKey()
    # All tasks have the same function, so the properties that Prefect read from it are replaced.
    event = spec.event_class
    if "description" not in own:
        task.description = inspect.getdoc(event) if event.__doc__ else None
    task.task_key = f"{event.__module__}.{event.__qualname__}"
    return with_arguments(task, spec)


def at_place(task: Task[Any, Any], place: str) -> Task[Any, Any]:
    """The task of one place: the task of its event, with runs named after the place."""
    own = copy.copy(task)
    own.task_run_name = place
    return own


def tags_of(graph: Graph, node: Node) -> tuple[frozenset[str], dict[str, int]]:
    """The tags of a place, and the tag concurrency limits among them."""
    options = node.options
    tags = set(split_tags(str(options.get("tags", ""))))
    if "pool" in options:
        tags.add(str(options["pool"]))
    limits = {}
    if "concurrency" in options:
        limits[concurrency_tag(graph, node)] = int(options["concurrency"])
    return frozenset({*tags, *limits}), limits


def task_of(spec: EventSpec, tags: frozenset[str], place: str) -> Task[Any, Any]:
    """The task of an event at a place."""
    return at_place(_task(spec, tags), place)


def runner_key(spec: EventSpec) -> RunnerKey:
    """The key of the task runner that an event needs."""
    executor = spec.executor
    if executor.kind is ExecutorKind.DEFAULT:
        return USUAL
    # A pool with its own size is used by one event only. Other pools are shared.
    own = executor.config.max_workers is not EMPTY
    return executor, spec.event_class if own else None


# The shape of the graph.


def events_before(graph: Graph) -> list[tuple[int, ...]]:
    """For each node, the events directly before it. All nodes behind a join share one tuple."""
    index, before, behind = graph.topology.index, graph.topology.before, graph.topology.behind
    waiting = [len(edges) for edges in before]
    found: list[tuple[int, ...]] = [()] * len(graph.nodes)
    ready = [node for node, count in enumerate(waiting) if count == 0]
    while ready:
        node = ready.pop()
        sources = [index[edge.source] for edge in before[node]]
        if graph.nodes[node].kind is Kind.GATHER:
            # Its copies say more than the node that made them.
            sources = [s for s in sources if graph.nodes[s].kind is not Kind.EACH]
        parts = [
            (source,) if graph.nodes[source].kind is Kind.EVENT else found[source]
            for source in sources
        ]
        if len(parts) == 1:
            found[node] = parts[0]
        elif parts:
            found[node] = tuple(sorted({event for part in parts for event in part}))
        for target in (index[edge.target] for edge in behind[node]):
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return found

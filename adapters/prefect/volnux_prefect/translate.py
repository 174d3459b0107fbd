"""Plan to Prefect: a task for each place, its task runner, and what cannot be said on Prefect."""

from __future__ import annotations

import copy
import datetime as dt
import importlib.util
import inspect
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.templating import find_placeholders

from volnux.errors import Span
from volnux.events.executors import EMPTY, ExecutorKind, ExecutorSpec
from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import Graph, Kind, Node
from volnux.pointy.options import split_tags
from volnux.pointy.parser import parse
from volnux_prefect.compat import OwnKey
from volnux_prefect.parameters import why_no_parameter, why_not_stored
from volnux_prefect.taskoptions import option_faults, options_of
from volnux_prefect.work import repeat_told, run_work

__all__ = [
    "USUAL",
    "Blueprint",
    "Fault",
    "RunnerKey",
    "blueprint_of",
    "concurrency_tag",
    "directive_span",
    "events_before",
    "faults_of",
    "has_dask",
    "limits_of",
    "retry_delays",
    "runner_key",
    "runner_of",
    "tags_of",
    "task_of",
]

_MOST_DELAYS = 50
"""How many delays `retry_delay_seconds` may list; the last one holds for all that follow."""

_MOST_AT_ONCE = 2**31 - 1
"""The largest limit that the server's database has room for."""

RunnerKey = tuple[ExecutorSpec, type | None]
"""What decides whether two events share a task runner."""

USUAL: RunnerKey = (ExecutorSpec(), None)
"""The flow's own task runner."""


@dataclass(frozen=True)
class Blueprint:
    """A plan as Prefect runs it.

    Attributes:
        plan: the plan.
        tasks: of each node, its task; None for joins and catches.
        runners: of each node, what decides its task runner.
        taken: of each node, the descriptors that have a branch.
        before: of each node, the events that come right before it, joins and catches looked
            through.
        behind: of each node, all nodes that its edges lead to.
        main: the task runner of the flow itself; other events have theirs beside it.
        limits: tag concurrency limits that the flow needs, by tag.
    """

    plan: Plan
    tasks: tuple[Task[Any, Any] | None, ...]
    runners: tuple[RunnerKey, ...]
    taken: tuple[frozenset[int], ...]
    before: tuple[tuple[int, ...], ...]
    behind: tuple[tuple[int, ...], ...]
    main: RunnerKey
    limits: dict[str, int]


@dataclass(frozen=True)
class Fault:
    """Something that Prefect cannot do, and where it stands."""

    message: str
    span: Span | None = None
    hint: str | None = None
    note: bool = False


def blueprint_of(plan: Plan) -> Blueprint:
    """Everything of a flow that does not depend on a run."""
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
        tasks.append(_at_place(bases[key], node.id))
    used = [key for key, task in zip(runners, tasks, strict=True) if task is not None]
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
    )


def runner_of(key: RunnerKey, workers: int | None = None) -> TaskRunner[Any]:
    """A new task runner.

    Args:
        key: for which events.
        workers: how many workers the default one has; None for what Prefect is set to.
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


def has_dask() -> bool:
    """Whether the package with Prefect's Dask task runner is installed."""
    return importlib.util.find_spec("prefect_dask") is not None


def faults_of(plan: Plan) -> Iterator[Fault]:
    """What Prefect cannot do, besides what its capabilities tell already."""
    graph = plan.graph
    banned = [c for c in "/%&><" if c in graph.name]
    if banned:
        yield Fault(
            f"prefect has no flow names with '{banned[0]}': {graph.name}",
            hint="give the pipeline a name: @name: orders",
        )
    for item in graph.inputs:
        why = why_no_parameter(item.name)
        if why is not None:
            yield Fault(
                f"the input '{item.name}' {why} and cannot be a parameter of a flow",
                item.span,
                "give it another name",
            )
        why = None if item.required else why_not_stored(item.default)
        if why is not None:
            yield Fault(
                f"prefect's server cannot take the default of '{item.name}': {why}",
                item.span,
                "use another default, or a str that the event reads",
            )
    yield from _text_faults(graph)
    if graph.max_active_runs is not None and graph.max_active_runs > _MOST_AT_ONCE:
        yield Fault(
            f"prefect has no limits above {_MOST_AT_ONCE}, found @max-active-runs: "
            f"{graph.max_active_runs}",
            directive_span(graph, "max-active-runs"),
            "leave it out to have no limit",
        )
    if graph.start_date is not None and dt.date.fromisoformat(graph.start_date) > _today():
        yield Fault(
            f"prefect's cron schedules have no start date, and {graph.start_date} lies ahead",
            directive_span(graph, "start-date"),
            "deploy on that day, or leave @start-date out",
        )
    for node, spec in zip(graph.nodes, plan.specs, strict=True):
        if spec is not None:
            yield from _event_faults(node, spec)
            names = [item.name for item in graph.inputs]
            for fault in option_faults(spec, names, partial(_task, spec, frozenset())):
                yield Fault(fault.message, node.span, fault.hint)


def directive_span(graph: Graph, name: str) -> Span | None:
    """Where a directive stands in the text of a graph; None where it does not."""
    if graph.source is None:
        return None
    directives = parse(graph.source.text, graph.source.filename).directives
    return next((d.span for d in directives if d.name == name), None)


def retry_delays(spec: EventSpec) -> list[float]:
    """The seconds before each retry, as Prefect takes them."""
    retries = spec.retry.max_attempts - 1
    return [spec.retry.wait(n) for n in range(1, min(retries, _MOST_DELAYS) + 1)]


def concurrency_tag(graph: Graph, node: Node) -> str:
    """The tag that carries the limit of `[concurrency=…]`."""
    return f"{graph.name}.{node.id}"


# Tasks.


def _task(spec: EventSpec, tags: frozenset[str]) -> Task[Any, Any]:
    delays: Any = retry_delays(spec)
    own = {"log_prints": None, **options_of(spec)}
    own["tags"] = {*tags, *own.get("tags", ())}
    # The limit on the time of an attempt is kept by its event: Prefect cannot end a thread.
    task: Task[Any, Any] = Task(
        run_work,
        name=spec.name,
        cache_policy=NO_CACHE,
        retries=spec.retry.max_attempts - 1,
        retry_delay_seconds=delays or None,
        retry_condition_fn=repeat_told if delays else None,
        **own,
    )
    # Given to the constructor, any policy but NO_CACHE turns on the storing of results.
    vars(task)["cache_policy"] = OwnKey()
    # All tasks have one function: what Prefect reads from it is the event's instead.
    event = spec.event_class
    if "description" not in own:
        task.description = inspect.getdoc(event) if event.__doc__ else None
    task.task_key = f"{event.__module__}.{event.__qualname__}"
    return task


def _at_place(task: Task[Any, Any], place: str) -> Task[Any, Any]:
    """The task of one place: the event's, with the place as the name of its runs."""
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
    return _at_place(_task(spec, tags), place)


def runner_key(spec: EventSpec) -> RunnerKey:
    """What decides where an event runs."""
    executor = spec.executor
    if executor.kind is ExecutorKind.DEFAULT:
        return USUAL
    # A pool of a size of its own belongs to its event; others are shared.
    own = executor.config.max_workers is not EMPTY
    return executor, spec.event_class if own else None


def _text_faults(graph: Graph) -> Iterator[Fault]:
    """Names and tags that Prefect would not keep as they are."""
    texts = [("name", graph.name), *(("tags", tag) for tag in graph.tags)]
    if graph.description is not None:
        texts.append(("description", graph.description))
    for directive, text in texts:
        why = why_not_stored(text)
        if why is not None:
            yield Fault(
                f"prefect's server cannot take @{directive}: {why}",
                directive_span(graph, directive),
            )
        elif directive != "description" and find_placeholders(text):
            yield Fault(
                f"prefect fills in '{{{{ … }}}}' in a deployment, found in @{directive}: {text}",
                directive_span(graph, directive),
                "write it without double braces",
            )


def _event_faults(node: Node, spec: EventSpec) -> Iterator[Fault]:
    limit = node.options.get("concurrency")
    if limit is not None and int(limit) > _MOST_AT_ONCE:
        yield Fault(
            f"prefect has no limits above {_MOST_AT_ONCE}, found concurrency={limit}",
            node.span,
            "leave it out to have no limit",
        )
    executor = spec.executor
    pool = executor.pool
    if executor.kind is ExecutorKind.POOL and pool not in (ThreadPoolExecutor, ProcessPoolExecutor):
        yield Fault(
            f"prefect has no task runner for {executor.describe()}, the executor of {spec.name}",
            node.span,
            "use ThreadPoolExecutor, ProcessPoolExecutor, 'dask', or no executor",
        )
    if executor.config.max_tasks_per_child is not EMPTY and executor.kind is ExecutorKind.POOL:
        yield Fault(f"prefect's task runners have no max_tasks_per_child ({spec.name})", node.span)
    if executor.config.thread_name_prefix is not EMPTY:
        yield Fault(
            f"prefect names its threads itself: thread_name_prefix of {spec.name} is ignored",
            node.span,
            note=True,
        )
    retries = spec.retry.max_attempts - 1
    if retries > _MOST_DELAYS and spec.retry.wait(_MOST_DELAYS) != spec.retry.wait(retries):
        yield Fault(
            f"prefect has at most {_MOST_DELAYS} different waits between attempts, and those of "
            f"{spec.name} grow on",
            node.span,
            "lower max_backoff or max_attempts",
        )


# The shape of the graph.


def events_before(graph: Graph) -> list[tuple[int, ...]]:
    """Of each node the events right before it; a tuple is shared by all that a join leads to."""
    index, before, behind = graph.topology.index, graph.topology.before, graph.topology.behind
    waiting = [len(edges) for edges in before]
    found: list[tuple[int, ...]] = [()] * len(graph.nodes)
    ready = [node for node, count in enumerate(waiting) if count == 0]
    while ready:
        node = ready.pop()
        sources = [index[edge.source] for edge in before[node]]
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


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()

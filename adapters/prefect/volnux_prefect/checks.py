"""What the Prefect backend refuses in a plan, and what it ignores."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

from prefect.utilities.templating import find_placeholders

from volnux.backends import port
from volnux.backends.port import Capabilities
from volnux.errors import Diagnostic, Severity, Span
from volnux.events.executors import EMPTY, ExecutorKind
from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import At, Graph, Node
from volnux.pointy.options import HINTS
from volnux_prefect.host import block_name, variable_name
from volnux_prefect.parameters import why_no_parameter, why_not_stored
from volnux_prefect.parts import outermost
from volnux_prefect.taskchecks import task_faults
from volnux_prefect.taskoptions import option_faults
from volnux_prefect.tasktargets import is_native
from volnux_prefect.translate import MOST_DELAYS, task_of

__all__ = ["NAME", "capabilities", "check", "refuse"]

NAME = "prefect"
"""The name of the backend."""

_MOST_AT_ONCE = 2**31 - 1
"""The largest limit that the server's database can store."""


def capabilities() -> Capabilities:
    """What Prefect can do with the installed packages."""
    has_dask = importlib.util.find_spec("prefect_dask") is not None
    return Capabilities(
        hints=frozenset({"pool", "concurrency", "tags"}),
        url_schemes=frozenset({"dask"} if has_dask else ()),
        approvals=True,
    )


def check(plan: Plan, can: Capabilities | None = None) -> list[Diagnostic]:
    """What Prefect refuses in a plan (errors) or ignores (notes), in reading order.

    Args:
        plan: the plan.
        can: the capabilities of Prefect; None to determine them here.
    """
    can = can or capabilities()
    found = [*can.check(plan, NAME), *_faults_of(plan)]
    return sorted(found, key=lambda d: d.span or (0, 0, 0, 0))


def refuse(plan: Plan) -> None:
    """Raise if `check` finds an error.

    Raises:
        RefusedError: it lists all errors found.
    """
    port.refuse(NAME, check(plan))


def _faults_of(plan: Plan) -> Iterator[Diagnostic]:
    """Yield the errors that are not about missing capabilities."""
    graph = plan.graph
    refused = partial(graph.diagnostic, "refused")
    banned = [c for c in "/%&><" if c in graph.name]
    if banned:
        yield refused(
            f"prefect does not allow '{banned[0]}' in flow names: {graph.name}",
            hint="give the pipeline a name: @name: orders",
        )
    for item in graph.inputs:
        why = why_no_parameter(item.name)
        if why is not None:
            yield refused(
                f"the input '{item.name}' {why} and cannot be a parameter of a flow",
                span=item.span,
                hint="give it another name",
            )
        why = None if item.required else why_not_stored(item.default)
        if why is not None:
            yield refused(
                f"prefect's server cannot store the default of '{item.name}': {why}",
                span=item.span,
                hint="use another default, or a str that the event reads",
            )
    yield from _hint_notes(graph, plan)
    yield from task_faults(plan, outermost(graph), _names_at)
    yield from _name_faults(graph)
    yield from _text_faults(graph)
    if graph.max_active_runs is not None and graph.max_active_runs > _MOST_AT_ONCE:
        yield refused(
            f"prefect has no limits above {_MOST_AT_ONCE}, found @max-active-runs: "
            f"{graph.max_active_runs}",
            span=_directive_span(graph, "max-active-runs"),
            hint="leave it out to have no limit",
        )
    if graph.start_date is not None and dt.date.fromisoformat(graph.start_date) > _today():
        yield refused(
            f"prefect's cron schedules have no start date, and {graph.start_date} is in the future",
            span=_directive_span(graph, "start-date"),
            hint="deploy on that day, or leave @start-date out",
        )
    for index, (node, spec) in enumerate(zip(graph.nodes, plan.specs, strict=True)):
        if spec is not None:
            yield from _event_faults(graph, node, spec)
            if is_native(spec):
                continue
            names = _names_at(plan, index)
            for fault in option_faults(spec, names, partial(task_of, spec, frozenset(), node.id)):
                yield refused(fault.message, at=node, hint=fault.hint)


def _hint_notes(graph: Graph, plan: Plan) -> Iterator[Diagnostic]:
    """Yield a note for the hint `batch`, and one for each `task` that contains hints."""
    noted = partial(graph.diagnostic, "ignored-hint", severity=Severity.NOTE)
    batched = next((each for each in graph.eaches if each.batch is not None), None)
    if batched is not None:
        text = f"{NAME} ignores the hint 'batch': every item has a task run of its own"
        yield noted(text, at=batched)
    grouped = outermost(graph)
    inside: dict[int, set[str]] = {}
    for first, node, spec in zip(grouped, graph.nodes, plan.specs, strict=True):
        if first is not None and spec is not None:
            hints = {name for name in node.options if name in HINTS}
            settings = {f"prefect = {{…}} of {spec.name}"} if spec.event_class.prefect else set()
            inside.setdefault(first, set()).update(hints | settings)
    for group in reversed(graph.tasks):
        first = graph.topology.index[group.first]
        if found := inside.pop(first, None):
            shown = ", ".join(sorted(found))
            text = f"{NAME} ignores what is set inside the task '{group.name}': {shown}"
            yield noted(text, at=group)


def _names_at(plan: Plan, index: int) -> list[str]:
    """The names of the inputs and items that the event of a node sees."""
    graph = plan.graph
    items = [each.name for each in graph.topology.around[index]]
    scope = plan.scope_around(graph.nodes[index].id)
    if scope is None:
        return [*(item.name for item in graph.inputs), *items]
    level = scope.levels[-1]
    inputs = [item.name for item in level.inputs if item.name not in level.late]
    return [*inputs, *items[level.items :]]


def _name_faults(graph: Graph) -> Iterator[Diagnostic]:
    """Yield errors for variables or secrets whose names would be identical on Prefect."""
    known: dict[tuple[str, str], str] = {}
    for number, declared in graph.declared():
        kinds = (
            ("variable", declared.variables, variable_name),
            ("Secret block", declared.secrets, block_name),
        )
        for kind, items, own_name in kinds:
            for item in items:
                own = own_name(item.name)
                other = known.setdefault((kind, own), item.name)
                # Several files may declare the same variable or secret.
                if other != item.name:
                    yield graph.diagnostic(
                        "refused",
                        f"'{other}' and '{item.name}' are both the {kind} '{own}' of prefect",
                        at=At(item.span, number),
                        hint="give one of them another name",
                    )


def _text_faults(graph: Graph) -> Iterator[Diagnostic]:
    """Yield errors for names and tags that Prefect would change."""
    texts = [("name", graph.name), *(("tags", tag) for tag in graph.tags)]
    if graph.description is not None:
        texts.append(("description", graph.description))
    for directive, text in texts:
        why = why_not_stored(text)
        if why is not None:
            yield graph.diagnostic(
                "refused",
                f"prefect's server cannot store @{directive}: {why}",
                span=_directive_span(graph, directive),
            )
        elif directive != "description" and find_placeholders(text):
            yield graph.diagnostic(
                "refused",
                f"prefect reads '{{{{ … }}}}' in @{directive} as a template: {text}",
                span=_directive_span(graph, directive),
                hint="write it without double braces",
            )


def _event_faults(graph: Graph, node: Node, spec: EventSpec) -> Iterator[Diagnostic]:
    refused = partial(graph.diagnostic, "refused", at=node)
    limit = node.options.get("concurrency")
    if limit is not None and int(limit) > _MOST_AT_ONCE:
        yield refused(
            f"prefect has no limits above {_MOST_AT_ONCE}, found concurrency={limit}",
            hint="leave it out to have no limit",
        )
    executor = spec.executor
    pool = executor.pool
    if executor.kind is ExecutorKind.POOL and pool not in (ThreadPoolExecutor, ProcessPoolExecutor):
        yield refused(
            f"prefect has no task runner for {executor.describe()}, the executor of {spec.name}",
            hint="use ThreadPoolExecutor, ProcessPoolExecutor, 'dask', or no executor",
        )
    if executor.config.max_tasks_per_child is not EMPTY and executor.kind is ExecutorKind.POOL:
        yield refused(f"prefect's task runners do not support max_tasks_per_child ({spec.name})")
    if executor.config.thread_name_prefix is not EMPTY:
        yield graph.diagnostic(
            "ignored-setting",
            f"prefect names its threads itself: thread_name_prefix of {spec.name} is ignored",
            at=node,
            severity=Severity.NOTE,
        )
    retries = spec.retry.max_attempts - 1
    if retries > MOST_DELAYS and spec.retry.wait(MOST_DELAYS) != spec.retry.wait(retries):
        yield refused(
            f"prefect supports at most {MOST_DELAYS} different waits between attempts, but "
            f"{spec.name} has more",
            hint="lower max_backoff or max_attempts",
        )


def _directive_span(graph: Graph, name: str) -> Span | None:
    """The span of a directive in the text of a graph; None if there is none."""
    found = graph.directive(name)
    return None if found is None else found.span


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()

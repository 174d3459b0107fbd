"""What is wrong with the events of a plan that run tasks and flows of Prefect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from volnux.errors import Diagnostic, Severity
from volnux.events.base import EventDefinitionError
from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import Graph, Node
from volnux_prefect.tasktargets import is_native, target_of

__all__ = ["task_faults"]


def task_faults(
    plan: Plan, grouped: Collection[int | None], names_at: Callable[[Plan, int], list[str]]
) -> Iterator[Diagnostic]:
    """The faults of these events, in reading order.

    Args:
        plan: the plan.
        grouped: for each node, the first node of the group with `task` around it, or None.
        names_at: the names of the inputs and items that the event of a node sees.
    """
    graph = plan.graph
    for index, (node, spec, first) in enumerate(zip(graph.nodes, plan.specs, grouped, strict=True)):
        if spec is None or not is_native(spec):
            continue
        if first is not None:
            yield graph.diagnostic(
                "refused",
                f"{spec.name} is a task run of its own, and cannot be part of another task",
                at=node,
                hint="leave it out of the group with `task`",
            )
        try:
            yield from _faults_of(graph, node, spec, names_at(plan, index))
        except EventDefinitionError as error:
            yield graph.diagnostic("refused", str(error), at=node)


def _faults_of(
    graph: Graph, node: Node, spec: EventSpec, names: Collection[str]
) -> Iterator[Diagnostic]:
    event_class: Any = spec.event_class
    where, target = event_class.native.target, target_of(spec)
    parameters, found = target.parameters, target.found
    takes = ", ".join(parameters.named) or "nothing"
    known = {*names, *(each.name for each in node.arguments)}
    declared = graph.declaring(node.file)
    late = [*(each.name for each in declared.variables), *(each.name for each in declared.secrets)]
    known |= {*late} & {*spec.named}
    for argument in node.arguments:
        if argument.name not in parameters.named and not parameters.extra:
            message = f"{where} has no argument '{argument.name}'"
            hint = f"it takes {takes}"
            yield graph.diagnostic("refused", message, at=node, span=argument.span, hint=hint)
    for name in parameters.required:
        if name not in known:
            message = f"{where} requires the argument '{name}', which {spec.name} does not have"
            hint = f"give it here, or declare it as an input: @input: {name}: str"
            yield graph.diagnostic("refused", message, at=node, hint=hint)
    if target.task is None and _takes_secrets(spec):
        message = f"{where} is a flow, and Prefect would show a secret among its parameters"
        hint = "let the flow read the secret itself, or run a task"
        yield graph.diagnostic("refused", message, at=node, hint=hint)
    if event_class.prefect:
        message = f"prefect of {spec.name} has no effect: it runs {where}"
        hint = "set these options there, in its decorator"
        yield graph.diagnostic("refused", message, at=node, hint=hint)
    if getattr(found, "result_storage_key", None):
        message = f"{where} has a result_storage_key, which an event cannot use"
        hint = "set a cache_policy there instead"
        yield graph.diagnostic("refused", message, at=node, hint=hint)
    if target.task is not None and found.retries:
        yield graph.diagnostic(
            "ignored-setting",
            f"the retries of {where} are ignored: the flow sets the attempts of {spec.name}",
            at=node,
            severity=Severity.NOTE,
            hint=f"write `{spec.name} * {found.retries + 1}`, or set a retry_policy",
        )


def _takes_secrets(spec: EventSpec) -> bool:
    """Whether an event gets a secret, or an input of a use that may contain one."""
    given = spec.given
    if given is None:
        return False
    levels = () if given.scope is None else given.scope.levels
    return bool(given.secrets or (given.late and any(level.secrets for level in levels)))

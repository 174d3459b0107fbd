"""Checks of events that are operators of Airflow, and of approvals, when a file is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from volnux.errors import Diagnostic, did_you_mean
from volnux.events.approval import ApprovalEvent
from volnux.events.base import EventDefinitionError
from volnux.events.link import Plan
from volnux.events.native import Native
from volnux.events.spec import EventSpec
from volnux_airflow import hostsettings
from volnux_airflow.hosted import native_of
from volnux_airflow.reduced import inside, reduced

__all__ = ["approval_faults", "has_operators", "operator_faults"]

_OPTIONS = {
    "executor": "an operator runs in the process of its task",
    "every": "an operator waits as its own arguments say: poke_interval, timeout",
    "within": "an operator waits as its own arguments say: poke_interval, timeout",
}
"""The options of a place that an operator does not have, with the reasons."""


def has_operators(plan: Plan) -> bool:
    """Whether an event of the plan is an operator, or asks a person."""
    return any(spec is not None and native_of(spec.event_class) is not None for spec in plan.specs)


def operator_faults(plan: Plan, *, imports: bool) -> Iterator[Diagnostic]:
    """Errors for operators that cannot be tasks, or cannot be made.

    Args:
        plan: the plan.
        imports: whether Airflow may be imported. If not, the checks that need it are skipped.
    """
    graph = plan.graph
    together = _in_one_task(plan)
    at_once = {
        graph.nodes[index].id
        for each in graph.eaches
        if each.at_once is not None
        for index in inside(graph, each)
    }
    for node, spec in zip(graph.nodes, plan.specs, strict=True):
        native = None if spec is None else native_of(spec.event_class)
        if spec is None or native is None:
            continue
        asks = issubclass(spec.event_class, ApprovalEvent)
        what = "asks a person" if asks else f"is {native}"
        if node.id in together:
            text = f"{spec.name} {what}, which is a task of its own"
            apart = "several events share one task here: take it out of the group, or of the batch"
            yield graph.diagnostic("refused", text, at=node, hint=apart)
        for option, reason in _OPTIONS.items():
            if option in node.options and not (asks and option == "within"):
                text = f"{spec.name} {what}: it cannot have the option '{option}'"
                yield graph.diagnostic("refused", text, at=node, hint=reason)
        declared = graph.declaring(node.file)
        known = {item.name for item in declared.variables}
        known.update(item.name for item in declared.secrets)
        for name in sorted(known.intersection(native.takes) - _given(spec)):
            text = f"{spec.name} {what}: it takes '{name}' of the file, but its local does not"
            both = f"write {spec.name}({name}={name}), or give local that argument too"
            yield graph.diagnostic("refused", text, at=node, hint=both)
        limited = node.id in at_once
        for text, hint in _faults_of(spec, native, imports=imports, limited=limited):
            yield graph.diagnostic("refused", f"{spec.name} {what}: {text}", at=node, hint=hint)


def approval_faults(plan: Plan) -> Iterator[Diagnostic]:
    """Errors for approvals in a run by `dag.test()`, where nobody can answer."""
    for node, spec in zip(plan.graph.nodes, plan.specs, strict=True):
        if spec is not None and issubclass(spec.event_class, ApprovalEvent):
            text = f"{spec.name} asks a person: dag.test() shows the question to nobody"
            hint = (
                "run the DAG on an Airflow with a scheduler, or the file on the backend standalone"
            )
            yield plan.graph.diagnostic("refused", text, at=node, hint=hint)


def _given(spec: EventSpec) -> set[str]:
    """The names for which an event gets a value from the flow."""
    written = () if spec.given is None else spec.given.arguments
    return {*spec.named, *(argument.name for argument in written)}


def _in_one_task(plan: Plan) -> set[str]:
    """The places that share a task with others."""
    nodes = plan.graph.nodes
    parts = reduced(plan).parts.values()
    return {nodes[index].id for part in parts for index in inside(plan.graph, part)}


def _faults_of(
    spec: EventSpec, native: Native, *, imports: bool, limited: bool
) -> Iterator[tuple[str, str | None]]:
    unstorable = list(hostsettings.not_storable(native.arguments))
    for message in unstorable:
        yield message, "Airflow cannot store it"
    if unstorable or not imports:
        return
    hostsettings.import_airflow()
    from volnux_airflow import compat
    from volnux_airflow.hostedkinds import kind_of, parameters_of, stand_ins

    try:
        kind = kind_of(spec.target)
    except EventDefinitionError as error:
        yield str(error), "Airflow needs its module wherever it parses and runs this file"
        return
    except Exception as error:  # noqa: BLE001 - importing an operator may raise anything
        yield f"it cannot be imported: {type(error).__name__}: {error}", None
        return
    own = parameters_of(kind, own=True)
    owned = [
        name
        for name in native.arguments
        if name in hostsettings.OWNED and not (name in own and name in _MAY_BE_OWN)
    ]
    for name in owned:
        yield f"'{name}' cannot be set here", hostsettings.OWNED[name]
    early = [name for name in native.takes if name in parameters_of(compat.BaseOperator) - own]
    for name in early:
        yield (
            f"it cannot take '{name}' from the flow",
            "that is a setting of the task, which Airflow needs before the run",
        )
    if owned or early:
        return
    if issubclass(kind, compat.SkipMixin):
        yield (
            f"{kind.__name__} itself skips the tasks after it",
            "the flow does this: write branches after an event, such as Check (0 -> …, 1 -> …)",
        )
        return
    yield from _not_made(kind, stand_ins(spec, kind), limited=limited)


_MAY_BE_OWN = ("do_xcom_push", "multiple_outputs", "params")
"""Settings of every operator to which some operators give a meaning of their own."""


def _not_made(
    kind: Any, arguments: dict[str, Any], *, limited: bool
) -> Iterator[tuple[str, str | None]]:
    from volnux_airflow import compat
    from volnux_airflow.hostedkinds import parameters_of
    from volnux_airflow.hostedtask import reserved

    try:
        made = kind(task_id="any", **arguments)
    except Exception as error:  # noqa: BLE001 - the constructor of an operator may raise anything
        known = sorted(parameters_of(kind))
        unknown = [name for name in arguments if name not in known]
        for name in unknown:
            hint = did_you_mean(name, known, f"see the arguments of {kind.__name__}")
            yield f"{kind.__name__} has no argument '{name}'", hint
        if not unknown:
            said = str(error).partition("\n")[0]
            yield f"{kind.__name__} cannot be made: {type(error).__name__}: {said}", None
        return
    if made.start_from_trigger:
        yield (
            "it starts in Airflow's triggerer, without the inputs of the flow",
            "remove start_from_trigger, so that the operator starts in a worker",
        )
    if getattr(made, "reschedule", False) and not compat.HAS_STATE_STORE:
        yield (
            "it starts again for each look, which needs the task state store of Airflow 3.3",
            "write mode='poke', which keeps a slot, or use Airflow 3.3 or later",
        )
    waits = any(getattr(made, name, False) for name in ("deferrable", "reschedule"))
    if limited and (waits or hasattr(made, "response_timeout")):
        yield (
            "it waits without a worker, and Airflow does not count such an item for 'at_once'",
            "remove at_once, or let the operator wait in its worker",
        )
    names = set(vars(made))
    for base in kind.__mro__:
        if not issubclass(compat.BaseOperator, base):
            names.update(vars(base))
    clashes = sorted(names & reserved())
    if clashes:
        yield (
            f"{kind.__name__} has an attribute '{clashes[0]}', as the tasks of volnux have",
            "use this operator in a DAG in Python",
        )

"""Linking: makes a plan from a graph and its events, and reports every fault with its position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from volnux.errors import (
    MOST_FOUND,
    Diagnostic,
    PointyError,
    Severity,
    Span,
    VolnuxError,
    nearest,
    pointy_error,
)
from volnux.events.base import EventBase, event_class_of
from volnux.events.given import ArgumentError
from volnux.events.lookup import EventModuleError, EventNotFoundError, FoundEvent, Lookup
from volnux.events.plan import Plan
from volnux.events.settings import check_index, without_effect
from volnux.events.spec import EventSpec, Offered, spec_of
from volnux.graph.compiling import compile
from volnux.graph.model import At, Each, Graph, Group, Node, UsedFile
from volnux.graph.topology import ROOT
from volnux.graph.walk import EventName
from volnux.pointy.tree import Evaluation, OnFailure

if TYPE_CHECKING:
    from volnux.events.scope import Scope

__all__ = ["LinkError", "Plan", "link"]


class LinkError(PointyError):
    """The events of a flow cannot be found or do not fit it; `diagnostics` lists all faults."""


def link(
    graph: Graph,
    lookup: Lookup,
    *,
    on_failure: OnFailure | str | None = None,
    used: Sequence[Lookup] | None = None,
) -> Plan:
    """Find the events of a graph and apply the settings of their classes.

    Args:
        graph: a graph from `compile`.
        lookup: where to look for the events.
        on_failure: `Meta.on_failure` of the Pipeline class; `@on-failure` in the text takes
            precedence.
        used: where to look for the events of each used file; by default, as its text says.

    Raises:
        LinkError: an event is not found or not valid; the error lists all faults.
    """
    faults: list[Diagnostic] = []
    if (
        graph.inputs
        or graph.variables
        or graph.secrets
        or graph.eaches
        or graph.uses
        or _has_arguments(graph)
    ):
        from volnux.graph.names import check_names

        faults += check_names(graph)
    if used is None:
        used = [Lookup.for_file(file.text.filename, file.events) for file in graph.files]
    lookups = [lookup, *used]
    found = _find_all(graph, lookups, faults)
    targets = {name: each.target for name, each in found.items()}
    if graph.uses and graph.on_failure is None and on_failure == OnFailure.CONTINUE:
        faults += _on_failure_of_class(graph)
    linked = _settle(graph, targets, on_failure)
    specs: list[EventSpec | None] = []
    warnings: list[Diagnostic] = []
    offers = [_offered(declared) for _, declared in linked.declared()]
    scopes = _scopes(linked)
    use_of = linked.topology.use_of if scopes else []
    known: dict[Any, EventSpec] = {}
    said: set[Any] = set()
    checked: set[Any] = set()
    around = linked.topology.around if linked.eaches else []
    for number, node in enumerate(linked.nodes):
        spec = None
        target = targets.get(EventName(node.file, node.event or ""))
        if target is not None:
            # Equal places share one spec: 100,000 places of one event have one spec, not 100,000.
            given = tuple((each.name, str(each)) for each in node.arguments)
            items = tuple(each.name for each in around[number]) if linked.eaches else ()
            in_copy = bool(items)
            scope = scopes[use_of[number]] if scopes and use_of[number] != ROOT else None
            if scope is not None:
                items = items[scope.levels[-1].items :]
            options = tuple(node.options.items())
            key = (node.file, node.event, node.retry, options, given, items, in_copy)
            if key not in known:
                offered = offers[node.file]
                try:
                    known[key] = _spec(node, target, lookups[node.file].home, offered)
                    if in_copy:
                        check_index(known[key].event_class)
                except VolnuxError as error:
                    # A fault of a class is reported once, however often the event occurs in the
                    # flow.
                    if (target, str(error)) not in said:
                        said.add((target, str(error)))
                        faults.append(linked.diagnostic("bad-event", str(error), at=node))
                    specs.append(None)
                    continue
                if node.arguments or known[key].requires:
                    from volnux.events.checks import check_given

                    faults += check_given(linked, node, known[key], items)
                if known[key].event_class not in checked:
                    checked.add(known[key].event_class)
                    warnings += _check_attributes(linked, node, known[key])
            spec = known[key]
            if scope is not None:
                scoped = (*key, id(scope))
                if scoped not in known:
                    offered = offers[node.file]._replace(arguments=node.arguments, scope=scope)
                    known[scoped] = spec.given_by(offered)
                spec = known[scoped]
            if node.receives is not None and spec.reads_piped:
                from volnux.graph.sources import sources_of

                source = sources_of(linked, node.receives)
                received = (*key, id(scope), source)
                if received not in known:
                    known[received] = spec.receives_from(source)
                spec = known[received]
            if spec.conditions or spec.asks:
                taken = linked.topology.taken[linked.topology.index[node.id]]
                warnings += _check_conditions(linked, node, spec, taken)
        specs.append(spec)
    if linked.eaches and linked.uses:
        from volnux.graph.lists import check_secrets

        faults += check_secrets(linked)
    if faults:
        ordered = pointy_error(faults).diagnostics
        raise LinkError(ordered)
    if linked.eaches:
        from volnux.graph.lists import check_lists

        warnings += check_lists(linked)
    # An `each` needs a list, whatever its events take.
    compared = {"previous_result", "return"} if linked.eaches else {"previous_result"}
    if any(not compared.isdisjoint(_annotated(spec)) for spec in known.values()):
        from volnux.events.pipes import check_pipes

        warnings += check_pipes(linked, specs)
    warnings += _check_evaluations(graph, targets)
    # The rounds of an `again` have the same events at the same positions.
    warnings = list(dict.fromkeys(warnings))
    _share_classes(specs)
    where = {name: (each.module, each.name) for name, each in found.items()}
    return Plan(linked, tuple(specs), tuple(warnings), found=where, scopes=scopes)


def _annotated(spec: EventSpec) -> Iterable[str]:
    """The names of the annotations of `process`."""
    return getattr(spec.function, "__annotations__", ())


def _share_classes(specs: Sequence[EventSpec | None]) -> None:
    """Let all events of a pipeline know the same classes."""
    fellows = list({id(spec): spec for spec in specs if spec is not None}.values())
    for spec in fellows:
        spec.fellows = fellows


def _on_failure_of_class(graph: Graph) -> Iterator[Diagnostic]:
    """An error for each used file that stops where the pipeline class continues.

    Loading a file compares the `@on-failure` of the texts.
    """
    for number, used in enumerate(graph.files, start=1):
        if used.text.file.settings.on_failure is not OnFailure.CONTINUE:
            yield graph.diagnostic(
                "on-failure",
                f"this file stops at a failure, but the pipeline class of {graph.name} continues",
                at=At(Span(1, 1, 1, 2), number),
                hint="write @on-failure: continue here and in the file of the pipeline class",
            )


def _offered(declared: Graph | UsedFile) -> Offered:
    """What a text offers to its places, except for arguments and scopes."""
    variables = {spec.name: spec for spec in declared.variables}
    return Offered((), variables, tuple(spec.name for spec in declared.secrets))


def _scopes(graph: Graph) -> tuple[Scope, ...]:
    if not graph.uses:
        return ()
    from volnux.events.scope import scopes_of

    try:
        return scopes_of(graph)
    except ArgumentError as error:
        # Loading a file reports this at the argument; a graph from JSON has not been checked.
        raise LinkError([graph.diagnostic("bad-use", str(error))]) from None


def _has_arguments(graph: Graph) -> bool:
    return any(node.arguments for node in graph.nodes)


def _find_all(
    graph: Graph, lookups: Sequence[Lookup], faults: list[Diagnostic]
) -> dict[EventName, FoundEvent]:
    """The events of all texts.

    Args:
        graph: the graph.
        lookups: where to look for the events of each text, by its number.
        faults: what is wrong goes here.
    """
    found: dict[EventName, FoundEvent] = {}
    tried: set[EventName] = set()
    broken: set[str] = set()
    for node in graph.nodes:
        if node.event is None:
            continue
        name = EventName(node.file, node.event)
        if name in tried:
            continue
        tried.add(name)
        if len(faults) >= MOST_FOUND:
            break
        try:
            found[name] = lookups[node.file].find(node.event)
        except EventNotFoundError as error:
            hint = _meant_use(graph, node, error) or error.hint
            faults.append(graph.diagnostic("unknown-event", str(error), at=node, hint=hint))
        except EventModuleError as error:
            # A module that cannot be imported is reported once, not once for each event.
            if str(error) not in broken:
                broken.add(str(error))
                hint = error.traceback.strip() or "create the module, or correct @events"
                faults.append(graph.diagnostic("broken-module", str(error), at=node, hint=hint))
    return found


def _meant_use(graph: Graph, node: Node, error: EventNotFoundError) -> str | None:
    """A hint if the name of an unknown event is similar to that of a used file."""
    name = node.event or ""
    uses = graph.names_in(node.file)
    close = nearest(name, uses, most=1)
    if not close or (error.hint.startswith("did you") and name.lower() != close[0].lower()):
        return None
    return f"did you mean the used file '{close[0]}'?"


def _settle(
    graph: Graph, targets: Mapping[EventName, Any], on_failure: OnFailure | str | None
) -> Graph:
    """The graph with the evaluations of the events and the `on_failure` of the class."""
    evaluations: dict[EventName, Evaluation] = {}
    deciders = [EventName(group.decided_in, group.decided_by) for group in graph.groups]
    deciders += [EventName(each.decided_in, each.decided_by) for each in graph.eaches]
    for name in deciders:
        class_ = event_class_of(targets.get(name))
        if class_ is not None and isinstance(class_.execution_evaluation_state, Evaluation):
            evaluations[name] = class_.execution_evaluation_state
    decided = graph.on_failure or (OnFailure(on_failure) if on_failure else OnFailure.STOP)
    if graph.source is None:
        raise VolnuxError(f"the graph of {graph.name} has no source text and cannot be linked")
    changes = any(state.any for state in evaluations.values())
    if changes or decided is not (graph.on_failure or OnFailure.STOP):
        # Joins are added and edges widened, so the flow is compiled again. The settings stay: some
        # come from the pipeline class.
        again = compile(graph.program, evaluations=evaluations, on_failure=decided)
        return replace(
            graph,
            nodes=again.nodes,
            edges=again.edges,
            values=again.values,
            result=again.result,
            groups=again.groups,
            eaches=again.eaches,
            tasks=again.tasks,
            uses=again.uses,
            on_failure=decided,
        )
    return replace(
        graph,
        groups=tuple(_decided(group, evaluations) for group in graph.groups),
        eaches=tuple(_decided(each, evaluations) for each in graph.eaches),
        on_failure=decided,
    )


_Grouped = TypeVar("_Grouped", Group, Each)


def _decided(group: _Grouped, evaluations: Mapping[EventName, Evaluation]) -> _Grouped:
    if group.evaluation is not None:
        return group
    default = Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS
    return replace(
        group, evaluation=evaluations.get(EventName(group.decided_in, group.decided_by), default)
    )


def _spec(node: Node, target: Any, home: str | None, offered: Offered) -> EventSpec:
    assert node.event is not None
    executor = node.options.get("executor")
    return spec_of(
        node.event,
        target,
        factor=node.retry,
        executor=None if executor is None else str(executor),
        timeout=_seconds(node, "timeout"),
        every=_seconds(node, "every"),
        within=_seconds(node, "within"),
        home=home,
        offered=offered._replace(arguments=node.arguments),
    )


def _seconds(node: Node, option: str) -> float | None:
    """The value of an option in seconds; None if the place does not have it."""
    value = node.options.get(option)
    return None if value is None else float(value)


def _check_attributes(graph: Graph, node: Node, spec: EventSpec) -> list[Diagnostic]:
    event_class = spec.event_class
    return [
        graph.diagnostic(
            "no-effect",
            f"the attribute '{name}' of event {event_class.__name__} has no effect",
            at=node,
            hint=f"did you mean '{meant}'?" if meant.isidentifier() else f"write {meant}",
            severity=Severity.WARNING,
        )
        for name, meant in without_effect(event_class)
    ]


def _check_evaluations(graph: Graph, targets: Mapping[EventName, Any]) -> list[Diagnostic]:
    if not graph.groups:
        return []
    default = EventBase.execution_evaluation_state
    if all(
        class_.execution_evaluation_state is default
        for class_ in map(event_class_of, targets.values())
        if class_ is not None
    ):
        return []  # the usual case: there is no disagreement
    from volnux.events.evaluations import asked_for, disagreements

    asked = {}
    for name, target in targets.items():
        class_ = event_class_of(target)
        state = asked_for(class_) if class_ is not None else None
        if state is not None:
            asked[name] = state
    return list(disagreements(graph, asked))


def _check_conditions(
    graph: Graph, node: Node, spec: EventSpec, taken: frozenset[int]
) -> list[Diagnostic]:
    ends = {number: f"a condition for descriptor {number}" for number, _ in spec.conditions}
    options: Mapping[str, int] = getattr(spec.event_class, "options", {}) if spec.asks else {}
    ends.update((number, f"the answer {text!r}") for text, number in options.items() if number > 1)
    return [
        graph.diagnostic(
            "no-branch",
            f"{spec.name} has {what}, but no branch for it here: the event would fail",
            at=node,
            hint=f"add a branch: {node.event} ({number} -> …)",
            severity=Severity.WARNING,
        )
        for number, what in ends.items()
        if number not in taken
    ]

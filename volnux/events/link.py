"""Linking: makes a plan from a graph and its events, and reports every fault with its position."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from volnux.errors import (
    MOST_FOUND,
    Diagnostic,
    PointyError,
    Severity,
    VolnuxError,
    pointy_error,
)
from volnux.events.base import EventBase, event_class_of
from volnux.events.inputs import bind_inputs
from volnux.events.lookup import EventModuleError, EventNotFoundError, FoundEvent, Lookup
from volnux.events.settings import check_index, without_effect
from volnux.events.spec import EventSpec, Offered, spec_of
from volnux.graph.compile import compile
from volnux.graph.model import Each, Graph, Group, InputSpec, Node
from volnux.pointy.tree import Evaluation, OnFailure

__all__ = ["LinkError", "Plan", "link"]


class LinkError(PointyError):
    """The events of a flow cannot be found or do not fit it; `diagnostics` lists all faults."""


@dataclass(frozen=True)
class Plan:
    """The linked graph, which a backend runs.

    Attributes:
        graph: the graph with its final evaluations and `on_failure`.
        specs: the spec of each node's event; None for joins and catches.
        warnings: warnings found by linking.
        readers: the check of each input that is a field of a pipeline class, by name.
        kinds: the names that errors use for the types of these fields, by name.
        found: the module and the global name of each event, by event name.
        owner: the pipeline class that has the fields, or None.
    """

    graph: Graph
    specs: tuple[EventSpec | None, ...]
    warnings: tuple[Diagnostic, ...] = ()
    readers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    owner: type | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the graph and of the settings of its events, in hex."""
        events = [
            spec
            and [
                f"{spec.event_class.__module__}.{spec.event_class.__qualname__}",
                spec.retry.max_attempts,
                spec.retry.backoff_factor,
                spec.retry.max_backoff,
                [kind.__qualname__ for kind in spec.retry.retry_on_exceptions],
                [kind.__qualname__ for kind in spec.retry.exclude_exceptions],
                spec.retry.retry_on_failure,
                spec.executor.describe(),
                spec.timeout,
                spec.stop_on_exception,
                [number for number, _ in spec.conditions],
            ]
            for spec in self.specs
        ]
        text = json.dumps([self.graph.fingerprint, events])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def home(self) -> str | None:
        """The folder of the events' modules, or None; see `volnux.events.modules.at_home`."""
        return next((spec.home for spec in self.specs if spec is not None), None)

    def bind(
        self,
        given: Mapping[str, Any],
        *,
        without: Container[str] = (),
        scheduled_at: dt.datetime | None = None,
    ) -> dict[str, Any]:
        """Return a value for every input, in the order of declaration; see `bind_inputs`.

        Args:
            given: values by name.
            without: names of inputs to leave out.
            scheduled_at: the scheduled time of the run, aware; now if None.

        Raises:
            InputError: inputs are missing, unknown or of a wrong type; it lists all faults.
        """
        specs = [spec for spec in self.graph.inputs if spec.name not in without]
        clock = None
        if any(spec.moment is not None for spec in specs):
            from volnux.schedules.moments import Clock

            clock = Clock.of(self.graph, scheduled_at)
        return bind_inputs(specs, given, self.readers, self.kinds, clock)

    @property
    def timed(self) -> tuple[InputSpec, ...]:
        """The inputs whose default is a time of the run."""
        return tuple(spec for spec in self.graph.inputs if spec.moment is not None)

    def times(
        self, scheduled_at: dt.datetime | None = None, *, without: Container[str] = ()
    ) -> dict[str, Any]:
        """The values of the inputs whose default is a time of the run.

        Args:
            scheduled_at: the scheduled time of the run, aware; now if None.
            without: names of inputs that are left out.

        Raises:
            InputError: the schedule has no instant before that one.
        """
        timed = [spec for spec in self.timed if spec.name not in without]
        if not timed:
            return {}
        from volnux.schedules.moments import Clock

        return bind_inputs(timed, {}, clock=Clock.of(self.graph, scheduled_at))

    def spec(self, place: str) -> EventSpec:
        """The spec of the event at a place.

        Raises:
            KeyError: there is no such place.
        """
        spec = self.specs[self.graph.topology.index[place]]
        if spec is None:
            raise KeyError(place)
        return spec


def link(graph: Graph, lookup: Lookup, *, on_failure: OnFailure | str | None = None) -> Plan:
    """Find the events of a graph and apply the settings of their classes.

    Args:
        graph: a graph from `compile`.
        lookup: where to look for the events.
        on_failure: `Meta.on_failure` of the Pipeline class; `@on-failure` in the text takes
            precedence.

    Raises:
        LinkError: an event is not found or not valid; the error lists all faults.
    """
    faults: list[Diagnostic] = []
    if graph.inputs or graph.variables or graph.secrets or graph.eaches or _has_arguments(graph):
        from volnux.graph.names import check_names

        faults += check_names(graph)
    found = _find_all(graph, lookup, faults)
    targets = {name: each.target for name, each in found.items()}
    linked = _settle(graph, targets, on_failure)
    specs: list[EventSpec | None] = []
    warnings: list[Diagnostic] = []
    offered = Offered(
        (),
        {spec.name: spec for spec in linked.variables},
        tuple(spec.name for spec in linked.secrets),
    )
    known: dict[Any, EventSpec] = {}
    said: set[Any] = set()
    checked: set[Any] = set()
    around = linked.topology.around if linked.eaches else []
    for number, node in enumerate(linked.nodes):
        spec = None
        target = targets.get(node.event or "")
        if target is not None:
            # Equal places share one spec: 100,000 places of one event have one spec, not 100,000.
            given = tuple((each.name, str(each)) for each in node.arguments)
            items = tuple(each.name for each in around[number]) if linked.eaches else ()
            key = (node.event, node.retry, tuple(node.options.items()), given, items)
            if key not in known:
                try:
                    known[key] = _spec(node, target, lookup.home, offered)
                    if items:
                        check_index(known[key].event_class)
                except VolnuxError as error:
                    # A fault of a class is reported once, however often the event occurs in the
                    # flow.
                    if (target, str(error)) not in said:
                        said.add((target, str(error)))
                        faults.append(linked.diagnostic("bad-event", str(error), span=node.span))
                    specs.append(None)
                    continue
                if node.arguments or known[key].requires:
                    from volnux.events.checks import check_given

                    faults += check_given(linked, node, known[key], items)
                if known[key].event_class not in checked:
                    checked.add(known[key].event_class)
                    warnings += _check_attributes(linked, node, known[key])
            spec = known[key]
            if spec.conditions:
                taken = linked.topology.taken[linked.topology.index[node.id]]
                warnings += _check_conditions(linked, node, spec, taken)
        specs.append(spec)
    if faults:
        ordered = pointy_error(faults).diagnostics
        raise LinkError(ordered)
    if linked.eaches:
        from volnux.graph.lists import check_lists

        warnings += check_lists(linked)
    warnings += _check_evaluations(graph, targets)
    # The rounds of an `again` have the same events at the same positions.
    warnings = list(dict.fromkeys(warnings))
    where = {name: (each.module, each.name) for name, each in found.items()}
    return Plan(linked, tuple(specs), tuple(warnings), found=where)


def _has_arguments(graph: Graph) -> bool:
    return any(node.arguments for node in graph.nodes)


def _find_all(graph: Graph, lookup: Lookup, faults: list[Diagnostic]) -> dict[str, FoundEvent]:
    found: dict[str, FoundEvent] = {}
    tried: set[str] = set()
    broken: set[str] = set()
    for node in graph.nodes:
        if node.event is None or node.event in tried:
            continue
        tried.add(node.event)
        if len(faults) >= MOST_FOUND:
            break
        try:
            found[node.event] = lookup.find(node.event)
        except EventNotFoundError as error:
            faults.append(
                graph.diagnostic("unknown-event", str(error), span=node.span, hint=error.hint)
            )
        except EventModuleError as error:
            # A module that cannot be imported is reported once, not once for each event.
            if str(error) not in broken:
                broken.add(str(error))
                hint = error.traceback.strip() or "create the module, or correct @events"
                faults.append(
                    graph.diagnostic("broken-module", str(error), span=node.span, hint=hint)
                )
    return found


def _settle(graph: Graph, targets: Mapping[str, Any], on_failure: OnFailure | str | None) -> Graph:
    """The graph with the evaluations of the events and the `on_failure` of the class."""
    evaluations: dict[str, Evaluation] = {}
    deciding = [group.decided_by for group in graph.groups]
    for name in (*deciding, *(each.decided_by for each in graph.eaches)):
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
        again = compile(graph.source.file, evaluations=evaluations, on_failure=decided)
        return replace(
            graph,
            nodes=again.nodes,
            edges=again.edges,
            values=again.values,
            result=again.result,
            groups=again.groups,
            eaches=again.eaches,
            tasks=again.tasks,
            on_failure=decided,
        )
    return replace(
        graph,
        groups=tuple(_decided(group, evaluations) for group in graph.groups),
        eaches=tuple(_decided(each, evaluations) for each in graph.eaches),
        on_failure=decided,
    )


_Grouped = TypeVar("_Grouped", Group, Each)


def _decided(group: _Grouped, evaluations: Mapping[str, Evaluation]) -> _Grouped:
    if group.evaluation is not None:
        return group
    default = Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS
    return replace(group, evaluation=evaluations.get(group.decided_by, default))


def _spec(node: Node, target: Any, home: str | None, offered: Offered) -> EventSpec:
    assert node.event is not None
    timeout = node.options.get("timeout")
    executor = node.options.get("executor")
    return spec_of(
        node.event,
        target,
        factor=node.retry,
        executor=None if executor is None else str(executor),
        timeout=None if timeout is None else float(timeout),
        home=home,
        offered=offered._replace(arguments=node.arguments),
    )


def _check_attributes(graph: Graph, node: Node, spec: EventSpec) -> list[Diagnostic]:
    event_class = spec.event_class
    return [
        graph.diagnostic(
            "no-effect",
            f"the attribute '{name}' of event {event_class.__name__} has no effect",
            span=node.span,
            hint=f"did you mean '{meant}'?" if meant.isidentifier() else f"write {meant}",
            severity=Severity.WARNING,
        )
        for name, meant in without_effect(event_class)
    ]


def _check_evaluations(graph: Graph, targets: Mapping[str, Any]) -> list[Diagnostic]:
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
    return [
        graph.diagnostic(
            "no-branch",
            f"{spec.name} has a condition for descriptor {number}, but no branch for it here: "
            "the event would fail",
            span=node.span,
            hint=f"add a branch: {node.event} ({number} -> …)",
            severity=Severity.WARNING,
        )
        for number, _ in spec.conditions
        if number not in taken
    ]

"""`volnux.testing.run`: a pipeline run for a test, with stubs in place of some events."""

from __future__ import annotations

import datetime as dt
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from volnux.backends.port import RunOptions
from volnux.backends.registry import get_backend
from volnux.calling import Flow, pipeline_of
from volnux.errors import VolnuxError, nearest
from volnux.events.base import EventBase
from volnux.events.executors import DefaultExecutor, ExecutorSpec
from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import Graph, Node
from volnux.graph.places import names_of, template_of
from volnux.graph.report import RunReport
from volnux.kit.instants import instant_of

__all__ = ["StubError", "run"]


class StubError(VolnuxError, ValueError):
    """A stub is not valid, or is for an event or place that the flow does not have."""


def run(
    flow: Flow = None,
    given: Mapping[str, Any] | None = None,
    /,
    *,
    stubs: Mapping[str, Any] | None = None,
    text: str | None = None,
    events: Any = (),
    portable: bool = False,
    scheduled_at: dt.datetime | None = None,
    variables: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    **inputs: Any,
) -> RunReport:
    """Run a pipeline on the standalone backend, without the waits between attempts.

    `volnux.testing.run("orders.pty", stubs={"Fetch": (1, 21)}, day="2026-01-01")`

    Args:
        flow: the path of a `.pty` file, or a pipeline class.
        given: inputs by name; required for those with the name of an argument of this function.
        stubs: by event, place or copy, what happens in place of its `process`: a pair
            `(descriptor, result)`, an exception, a list of these (one for each attempt, the last
            one for all further attempts), or a function that returns a pair; it gets the
            arguments of `process` that it names. A stub of a place overrides one of its event, and
            a stub of a copy, such as `Fetch[1]`, overrides one of its place.
        text: the text of a flow, in place of a file.
        events: modules to look events up in; see `volnux.run`.
        portable: results must be JSON and are passed as JSON, as orchestrators do.
        scheduled_at: the scheduled time of the run, aware; now if None.
        variables: values of variables, in place of the host's.
        secrets: values of secrets, in place of the host's.
        inputs: inputs of the run.

    Returns:
        The report of the run, even if it failed.

    Raises:
        StubError: a stub is for no event or place of the flow, or is none of these.
        PointyError: the flow is wrong, or does not fit the events.
        InputError: inputs are missing, unknown or of a wrong type.
    """
    plan = _with_stubs(pipeline_of(flow, text, events).plan(), stubs or {})
    instant = instant_of(plan.graph, scheduled_at)
    options = RunOptions(
        portable=portable,
        scheduled_at=instant,
        variables=variables or {},
        secrets=secrets or {},
    )
    values = plan.bind({**(given or {}), **inputs}, scheduled_at=instant)
    backend = get_backend("standalone")
    backend.refuse(plan)
    report = backend.run(plan, values, options)
    options.control.raise_if_interrupted()
    return report


def _with_stubs(plan: Plan, stubs: Mapping[str, Any]) -> Plan:
    places = {node.id: node.event or "" for node in plan.graph.places()}
    names = {*places, *places.values()}
    for name, stub in stubs.items():
        if name not in names and not _is_copy(plan.graph, name):
            close = nearest(name, names)
            hint = f"did you mean '{close[0]}'?" if close else f"events: {', '.join(names)}"
            raise StubError(f"there is no event or place '{name}' to stub; {hint}")
        _check(name, stub)
    specs = tuple(
        spec and _spec(spec, _stubs_of(node, stubs))
        for node, spec in zip(plan.graph.nodes, plan.specs, strict=True)
    )
    return replace(plan, specs=specs)


def _is_copy(graph: Graph, name: str) -> bool:
    """Whether a name may be that of a copy, such as `Fetch[1]`."""
    template = template_of(name)
    node = graph.topology.index.get(template)
    if node is None or not re.fullmatch(r"(\[\d+\])+", name[len(template) :]):
        return False
    return name.count("[") <= len(graph.topology.around[node])


def _stubs_of(node: Node, stubs: Mapping[str, Any]) -> dict[str, Any]:
    """The stubs of a place and of its copies."""
    found = {name: stub for name, stub in stubs.items() if template_of(name) == node.id}
    if node.id not in found and (node.event or "") in stubs:
        found[node.id] = stubs[node.event or ""]
    return found


def _check(name: str, stub: Any) -> None:
    for each in stub if isinstance(stub, list) else [stub]:
        if _is_pair(each) or _is_exception(each) or (callable(each) and each is stub):
            continue
        raise StubError(
            f"the stub of '{name}' must be a pair (descriptor, result), an exception, a list of "
            f"these, or a function; found {each!r}"
        )
    if stub == []:
        raise StubError(f"the stub of '{name}' is an empty list: it has nothing for attempt 1")


def _spec(spec: EventSpec, stubs: Mapping[str, Any]) -> EventSpec:
    """The spec without waits before retries, and with the stubs in place of its event, if any."""
    retry = replace(spec.retry, backoff_factor=0)
    if not stubs:
        made = spec.copy()
        made.retry = retry
        return made
    inner = spec.event_class
    members = {
        "process": _process(spec, stubs),
        "can_bypass": _can_bypass(inner, stubs),
        "executor": DefaultExecutor,
        "__module__": inner.__module__,
        "__doc__": inner.__doc__,
    }
    made = EventSpec(
        spec.name,
        type(inner.__name__, (inner,), members),
        retry,
        ExecutorSpec(),
        spec.timeout,
        spec.home,
    )
    made.given, made.function = spec.given, spec.function
    made.every, made.within = spec.every, spec.within
    made.receiver, made.visible = spec.receiver, spec.visible
    return made


def _stub_of(event: EventBase, stubs: Mapping[str, Any]) -> list[Any]:
    """The stub of the place or the copy at which an event runs, in a list; empty if it has none."""
    return [stubs[name] for name in names_of(event.task_id) if name in stubs][:1]


def _can_bypass(inner: type[EventBase], stubs: Mapping[str, Any]) -> Callable[..., Any]:
    def can_bypass(self: EventBase) -> tuple[bool, Any]:
        return (False, None) if _stub_of(self, stubs) else inner.can_bypass(self)

    return can_bypass


def _process(spec: EventSpec, stubs: Mapping[str, Any]) -> Callable[..., Any]:
    def process(self: EventBase, *, previous_result: Any = None, **arguments: Any) -> Any:
        found = _stub_of(self, stubs)
        if not found:
            # Only some copies have a stub, and this one has none.
            keywords = spec.keywords(arguments, previous_result)
            inner: Any = super(type(self), self)
            return inner.process(**keywords)
        return _end(self, found[0], {**arguments, "previous_result": previous_result, "self": self})

    async def process_async(self: EventBase, **arguments: Any) -> Any:
        ended = process(self, **arguments)
        return await ended if inspect.isawaitable(ended) else ended

    only_copies = all("[" in name for name in stubs)
    return process_async if spec.is_async and only_copies else process


def _end(event: EventBase, stub: Any, known: Mapping[str, Any]) -> Any:
    """What a stub does in place of `process`.

    Args:
        event: the event, with its attempt.
        stub: the stub.
        known: the arguments for a function.
    """
    if isinstance(stub, list):
        stub = stub[min(event.attempt, len(stub)) - 1]
    if _is_exception(stub):
        raise stub
    if not callable(stub):
        return stub
    parameters = inspect.signature(stub).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return stub(**{name: value for name, value in known.items() if name != "self"})
    return stub(**{each.name: known[each.name] for each in parameters if each.name in known})


def _is_pair(stub: Any) -> bool:
    return isinstance(stub, tuple) and len(stub) == 2


def _is_exception(stub: Any) -> bool:
    return isinstance(stub, BaseException) or (
        isinstance(stub, type) and issubclass(stub, BaseException)
    )

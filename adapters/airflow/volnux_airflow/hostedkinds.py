"""The operators of events: their classes and arguments, read when a file is loaded."""

from __future__ import annotations

from typing import Any

from volnux.events.base import EventDefinitionError, event_class_of
from volnux.events.native import Native
from volnux.events.spec import EventSpec
from volnux_airflow import compat
from volnux_airflow.declared import home_of_event
from volnux_airflow.flowoperator import FlowOperator
from volnux_airflow.hosted import native_of

__all__ = ["kind_of", "known_native", "parameters_of", "settings_of", "stand_ins"]


def kind_of(event: Any) -> Any:
    """The class of the operator of an event; None if the event's `process` runs.

    Args:
        event: the event class or decorated function.

    Raises:
        EventDefinitionError: there is no such operator.
        Exception: an exception of its module.
    """
    event_class = event_class_of(event)
    native = None if event_class is None else native_of(event_class)
    if native is None:
        return None
    kind = native.load(home_of_event(event))
    if not isinstance(kind, type) or not issubclass(kind, compat.BaseOperator):
        raise EventDefinitionError(f"{native.target} is not an operator of Airflow, but {kind!r}")
    return kind


def known_native(spec: EventSpec) -> Native:
    """The operator of an event that has one."""
    native = native_of(spec.event_class)
    assert native is not None
    return native


def parameters_of(kind: type, *, own: bool = False) -> frozenset[str]:
    """The names of the arguments of an operator, without those that only our tasks have.

    Args:
        kind: the class of the operator.
        own: whether to leave out those that only `BaseOperator` names.
    """
    found: set[str] = set()
    for base in kind.__mro__:
        if issubclass(base, FlowOperator) or (own and issubclass(compat.BaseOperator, base)):
            continue
        # Airflow checks the arguments of mapped tasks by these names.
        found |= getattr(vars(base).get("__init__"), "_BaseOperatorMeta__param_names", set())
    return frozenset(found)


def settings_of(event: Any) -> dict[str, Any]:
    """The arguments of the operator of an event that every operator has, except `doc_md`."""
    event_class = event_class_of(event)
    native = None if event_class is None else native_of(event_class)
    known = parameters_of(compat.BaseOperator) - {"doc_md"}
    if event_class is None or native is None:
        return {}
    # Those in `airflow` of the event override them.
    own = native.arguments.items()
    return {n: value for n, value in own if n in known and n not in event_class.airflow}


def stand_ins(spec: EventSpec, kind: type) -> dict[str, Any]:
    """The arguments of the operator of an event before a run.

    What the operator takes from the flow is its value if that is constant; otherwise, it is what
    `operator(…)` says, or a template that shows where the value comes from.
    """
    native = known_native(spec)
    written = () if spec.given is None else spec.given.arguments
    constant = {each.name: each.value for each in written if not each.names}
    found = dict(native.arguments)
    for name in parameters_of(kind).intersection(native.takes):
        if name in constant:
            found[name] = constant[name]
        else:
            found.setdefault(name, f"{{{{ {name} }}}}")
    return found

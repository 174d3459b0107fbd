"""Operators and sensors of Airflow as events: `Copy = operator("…:BashOperator", …)`.

Nothing here imports Airflow, so that a module of events can be imported everywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from volnux.events.approval import ApprovalEvent
from volnux.events.base import EventBase
from volnux.events.native import Native, NativeEvent, native_event

__all__ = ["native_of", "operator"]


def operator(
    target: str, /, *, takes: Collection[str] = (), local: Any = None, **arguments: Any
) -> type[NativeEvent]:
    """Make an event of an operator or sensor, for a global name of the calling module.

        Copy = operator(
            "airflow.providers.standard.operators.bash:BashOperator",
            bash_command="copy {{ table }}",
            takes=("table",),
        )

    On Airflow, the task of the event is this operator; what its `execute` returns is the result.

    Args:
        target: the class of the operator: `module:Class`.
        takes: names of inputs and arguments of the flow. Templates see them by their names, and the
            argument of the operator with such a name gets the value as it is. One with a value in
            `arguments` may be missing in the flow.
        local: a function, or an event, that other backends run in its place.
        **arguments: the arguments of the operator.

    Raises:
        EventDefinitionError: an argument has a wrong type, or `local` takes something else.
    """
    return native_event(
        "airflow", "operator", target, arguments=arguments, takes=takes, local=local, frames=2
    )


def native_of(event_class: type[EventBase]) -> Native | None:
    """The operator that runs an event; None if the event's `process` runs."""
    native = getattr(event_class, "native", None)
    if isinstance(native, Native) and native.backend == "airflow":
        return native
    if issubclass(event_class, ApprovalEvent):
        # The question and the time limit of a place are known when it asks.
        asks = {"subject": event_class.question, "options": list(event_class.options)}
        return Native("airflow", "operator", _ASKING, asks)
    return None


_ASKING = "airflow.providers.standard.operators.hitl:HITLOperator"

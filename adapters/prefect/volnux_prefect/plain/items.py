"""The items of a part of a printed flow that runs once for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volnux.events.failures import failure_of
from volnux.events.given import VariableError, read_variable
from volnux.events.outcome import Host
from volnux.graph.outcome import no_list
from volnux_prefect.plain.names import Input, spec_of_variable
from volnux_prefect.plain.places import Each

__all__ = ["items_of"]


def items_of(each: Each, received: Any, inputs: Mapping[str, Any], host: Host) -> Any:
    """The items of a part as a tuple, or the `Failure` if there is no list.

    Args:
        each: the part.
        received: what is piped to it.
        inputs: the inputs, and the items around it, by name.
        host: where variables come from.
    """
    source = None
    match each.items:
        case None:
            found = received
        case Input(name):
            source, found = name, inputs.get(name)
        case variable:
            source = variable.name
            try:
                found = read_variable(spec_of_variable(variable), host)
            except VariableError as error:
                return failure_of(error, attempts=0)
    return tuple(found) if isinstance(found, list | tuple) else no_list(each.name, source, found)

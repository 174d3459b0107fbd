"""The items of a part of a printed flow that runs once for each of them."""

from __future__ import annotations

from typing import Any

from volnux.events.failures import failure_of
from volnux.events.given import Given, inputs_of, read_variable
from volnux.events.outcome import Call
from volnux.graph.outcome import no_list
from volnux_prefect.plain.names import Input, spec_of_variable
from volnux_prefect.plain.places import Each

__all__ = ["items_of"]


def items_of(each: Each, call: Call) -> Any:
    """The items of a part as a tuple, or the `Failure` if there is no list.

    Args:
        each: the part.
        call: what an event would be given there.
    """
    source = None if each.items is None else each.items.name
    try:
        found = _list_of(each, call)
    except Exception as error:  # noqa: BLE001 - the host of a variable may raise anything
        return failure_of(error, attempts=0)
    return tuple(found) if isinstance(found, list | tuple) else no_list(each.name, source, found)


def _list_of(each: Each, call: Call) -> Any:
    match each.items:
        case None:
            return call.previous_result
        case Input(name):
            given = Given.of((), (name,), {}, (), each.scope)
            return inputs_of(call).get(name) if given is None else given.value(name, call)
        case variable:
            return read_variable(spec_of_variable(variable), call.host)

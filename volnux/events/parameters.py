"""The arguments of an event's `process`, read once from its signature."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from volnux.events.base import EventBase, EventDefinitionError
from volnux.events.settings import without_effect

__all__ = ["Parameters", "parameters_of"]

_signatures: weakref.WeakKeyDictionary[Callable[..., Any], list[inspect.Parameter]] = (
    weakref.WeakKeyDictionary()
)
"""A cache by function: one event may be at many places of many flows."""


class Parameters(NamedTuple):
    """The arguments of a `process` method.

    Attributes:
        named: the names of the inputs that it takes as arguments.
        previous_result: whether it takes the piped value.
        extra: whether it takes all inputs, through `**kwargs`.
        required: the names of arguments without a default.
    """

    named: tuple[str, ...]
    previous_result: bool
    extra: bool
    required: tuple[str, ...]


def parameters_of(
    event_class: type[EventBase], function: Callable[..., Any], *, bound: bool
) -> Parameters:
    """Read the arguments of a class's `process`.

    Args:
        event_class: the class.
        function: its `process` as a plain function.
        bound: whether the first argument is `self` (or the class).

    Raises:
        EventDefinitionError: volnux cannot call it with arguments by name.
    """
    if function is EventBase.process:
        meant = [name for name, known in without_effect(event_class) if known == "process"]
        raise EventDefinitionError(
            f"event {event_class.__name__} does not define process: "
            + (f"rename {meant[0]}" if meant else "write `def process(self): return True, result`")
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise EventDefinitionError(
            f"event {event_class.__name__}: process must return a pair and must not yield"
        )
    try:
        parameters = _signature(function)
    except EventDefinitionError:
        raise
    except (TypeError, ValueError) as error:
        raise EventDefinitionError(
            f"event {event_class.__name__}: process must be a function whose arguments can be "
            f"read, found {function!r}"
        ) from error
    if bound and not parameters:
        raise EventDefinitionError(
            f"event {event_class.__name__}: process must take self: write `def process(self): …`"
        )
    if bound:
        parameters = parameters[1:]
    named, required, extra, previous = [], [], False, False
    for parameter in parameters:
        match parameter.kind:
            case parameter.VAR_POSITIONAL:
                continue
            case parameter.VAR_KEYWORD:
                extra = True
                continue
            case parameter.POSITIONAL_ONLY:
                raise EventDefinitionError(
                    f"event {event_class.__name__}: the argument {parameter.name} of process is "
                    "positional-only, but arguments are passed by name: remove the '/'"
                )
            case _:
                pass
        if parameter.name == "previous_result":
            previous = True
            continue
        named.append(parameter.name)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return Parameters(tuple(named), previous, extra, tuple(required))


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    if not inspect.isfunction(function):
        return list(inspect.signature(function).parameters.values())
    if function not in _signatures:
        _signatures[function] = list(inspect.signature(function).parameters.values())
    return _signatures[function]

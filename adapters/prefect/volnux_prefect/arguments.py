"""The arguments of a place as parameters of its task run, as written in the file."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from prefect import Task
from prefect.client.schemas.objects import Constant, Parameter, RunInput, TaskRunResult

from volnux.events.scope import Level
from volnux.events.spec import EventSpec
from volnux.graph.parts import Argument, NameAt
from volnux.shown import cut

__all__ = ["parameters_of", "with_arguments"]

_WORK = "upstream"
"""The parameter that every task has. The server lists the preceding task runs under it."""

_LONGEST = 500
"""The maximum length of what stands for the input of a use."""


def parameters_of(
    spec: EventSpec, work: Any, before: Collection[TaskRunResult], inputs: Collection[str]
) -> tuple[dict[str, Any], dict[str, set[RunInput]]]:
    """Return the parameters of a task run, and what the server shows for each of them.

    The attempt itself looks up the values of inputs, variables and secrets. The parameters only
    contain their names, so the server never shows a secret.

    Args:
        spec: the event.
        work: the `Work` or `SealedWork` of the task.
        before: the task runs that come before it.
        inputs: the names of the flow's parameters.
    """
    parameters: dict[str, Any] = {_WORK: work}
    shown: dict[str, set[RunInput]] = {_WORK: set(before)}
    for name, argument in _arguments(spec).items():
        written = _written(argument, _levels(spec), inputs)
        parameters[name] = text = written.text
        shown[name] = {Parameter(name=text) if written.is_input else Constant(type=text)}
    return parameters, shown


def with_arguments(task: Task[Any, Any], spec: EventSpec) -> Task[Any, Any]:
    """Return the task of a place, with its arguments as additional parameters."""
    names = tuple(_arguments(spec))
    if not names:
        return task
    own = copy.copy(task)
    own.fn = _WithArguments(task.fn, names)
    return own


def _arguments(spec: EventSpec) -> dict[str, Argument]:
    """The arguments of a place, and the inputs of its use that `process` names, by parameter."""
    given = spec.given.arguments if spec.given is not None else ()
    found = {each.name: each for each in given}
    for level in _levels(spec)[-1:]:
        for item in level.inputs:
            if item.name in spec.named:
                found.setdefault(item.name, Argument(item.name, None, (NameAt((), item.name),)))
    return {f"{name}_" if name == _WORK else name: each for name, each in found.items()}


def _levels(spec: EventSpec) -> tuple[Level, ...]:
    scope = spec.given.scope if spec.given is not None else None
    return () if scope is None else scope.levels


# What is inside a use is shown with the arguments of the use instead of its inputs.


class _Written(NamedTuple):
    """A value as text, and whether it is nothing but an input of the flow."""

    text: str
    is_input: bool = False


def _written(argument: Argument, levels: Sequence[Level], inputs: Collection[str]) -> _Written:
    """An argument inside some uses, as the flow itself would write it."""
    names = {at.name: _name(at.name, levels, inputs) for at in argument.names}
    told = tuple(NameAt(at.path, names[at.name].text) for at in argument.names)
    whole = next((names[at.name] for at in argument.names if not at.path), None)
    return _Written(str(replace(argument, names=told)), whole is not None and whole.is_input)


def _name(name: str, levels: Sequence[Level], inputs: Collection[str]) -> _Written:
    if not levels:
        return _Written(name, name in inputs)
    *around, level = levels
    item = next((item for item in level.inputs if item.name == name), None)
    if item is None:
        return _Written(name)
    argument = level.arguments.get(name)
    if argument is not None:
        text, is_input = _written(argument, around, inputs)
        return _Written(cut(text, _LONGEST), is_input)
    default = Argument(name, item.default) if item.moment is None else item.moment
    return _Written(cut(str(default), _LONGEST))


class _WithArguments:
    """A task's function with additional parameters, which it ignores."""

    def __init__(self, function: Callable[[Any], Any], names: tuple[str, ...]) -> None:
        self._function = function
        self._names = names
        self.__name__ = self.__qualname__ = function.__name__
        self.__doc__ = function.__doc__

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.KEYWORD_ONLY
        first = inspect.Parameter(_WORK, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        shown = (inspect.Parameter(name, kind, default=None) for name in self._names)
        return inspect.Signature([first, *shown])

    def __call__(self, upstream: Any, **_: Any) -> Any:
        return self._function(upstream)

"""The arguments of a place as parameters of its task run, as written in the file."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import Constant, Parameter, RunInput, TaskRunResult

from volnux.events.spec import EventSpec

__all__ = ["parameters_of", "with_arguments"]

_WORK = "upstream"
"""The parameter that every task has. The server lists the preceding task runs under it."""


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
        parameters[name] = written = str(argument)
        is_parameter = bool(argument.names) and written in inputs
        shown[name] = {Parameter(name=written) if is_parameter else Constant(type=written)}
    return parameters, shown


def with_arguments(task: Task[Any, Any], spec: EventSpec) -> Task[Any, Any]:
    """Return the task of a place, with its arguments as additional parameters."""
    names = tuple(_arguments(spec))
    if not names:
        return task
    own = copy.copy(task)
    own.fn = _WithArguments(task.fn, names)
    return own


def _arguments(spec: EventSpec) -> dict[str, Any]:
    """The arguments of a place, by parameter name."""
    given = spec.given.arguments if spec.given is not None else ()
    return {f"{each.name}_" if each.name == _WORK else each.name: each for each in given}


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

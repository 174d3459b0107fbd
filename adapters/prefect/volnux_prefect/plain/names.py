"""Inputs, variables and secrets in the arguments of the places of a printed flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from volnux.graph.parts import Argument, NameAt
from volnux.graph.texts import VariableSpec

__all__ = [
    "Input",
    "Secret",
    "Variable",
    "argument_of",
    "secrets_in",
    "spec_of_variable",
    "variables_in",
]

_REQUIRED: Final[Any] = object()


@dataclass(frozen=True)
class Input:
    """An input of the run."""

    name: str


@dataclass(frozen=True)
class Variable:
    """A variable of Prefect.

    Args:
        name: its name in the flow. On Prefect, it has the same name in lower case.
        type: one of `str`, `int`, `float`, `bool`, `date`, `datetime`, `list`, `dict`, as a string.
        default: the value if Prefect lacks the variable. If omitted, the variable is required.
    """

    name: str
    type: str
    default: Any = _REQUIRED


@dataclass(frozen=True)
class Secret:
    """A Secret block of Prefect, with the same name in lower case and `-` instead of `_`."""

    name: str


def argument_of(name: str, value: Any) -> Argument:
    """Make an argument of a place."""
    names: list[NameAt] = []
    return Argument(name, _without_names(value, (), names), tuple(names))


def variables_in(value: Any) -> tuple[VariableSpec, ...]:
    """The variables in an argument, without duplicates."""
    found = {each.name: each for each in _names_in(value) if isinstance(each, Variable)}
    return tuple(map(spec_of_variable, found.values()))


def secrets_in(value: Any) -> tuple[str, ...]:
    """The names of the secrets in an argument, without duplicates."""
    return tuple(dict.fromkeys(each.name for each in _names_in(value) if isinstance(each, Secret)))


def spec_of_variable(variable: Variable) -> VariableSpec:
    """A variable as the graph describes it."""
    required = variable.default is _REQUIRED
    default = None if required else variable.default
    return VariableSpec(variable.name, variable.type, required, default)


def _without_names(value: Any, path: tuple[str | int, ...], found: list[NameAt]) -> Any:
    """Replace each name in a value by None, and add the name and its position to `found`."""
    match value:
        case Input() | Variable() | Secret():
            found.append(NameAt(path, value.name))
            return None
        case list():
            return [_without_names(each, (*path, at), found) for at, each in enumerate(value)]
        case dict():
            return {key: _without_names(each, (*path, key), found) for key, each in value.items()}
        case _:
            return value


def _names_in(value: Any) -> Iterator[Input | Variable | Secret]:
    match value:
        case Input() | Variable() | Secret():
            yield value
        case dict():
            yield from _names_in(list(value.values()))
        case str():
            return
        case Iterable():
            for each in value:
                yield from _names_in(each)

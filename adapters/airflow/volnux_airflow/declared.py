"""Arguments, inputs, variables and secrets of an event, as written in a Python DAG file.

Generated DAG files use this form: `arguments={"table": "orders", "day": Name("day")}`,
`inputs={"day": "date = scheduled - 1d"}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from volnux.errors import Span
from volnux.events.modules import home_of, module_of
from volnux.events.scope import Scope
from volnux.events.spec import NOTHING_OFFERED, Offered
from volnux.graph.model import Argument, InputSpec, NameAt, VariableSpec
from volnux.pipeline.fields import InputDataField
from volnux.pointy.values import INPUT_TYPES

__all__ = [
    "Inputs",
    "Name",
    "arguments_of",
    "home_of_event",
    "input_specs",
    "offered",
    "shown_arguments",
    "used_inputs",
    "variable_specs",
    "written",
]

Inputs = Mapping[str, str | InputDataField] | Sequence[InputSpec]
"""The inputs of a pipeline, by name: the text after the name in `@input`, or a field of a pipeline
class."""


class Name(str):
    """A name in the value of an argument. It refers to an input, a variable or a secret."""

    __slots__ = ()


def arguments_of(written: Mapping[str, Any]) -> tuple[Argument, ...]:
    """The arguments of an event. A `Name` in a value is a reference."""
    found = []
    for name, value in written.items():
        names: list[NameAt] = []
        plain = _without_names(value, (), names)
        found.append(Argument(name, plain, tuple(names)))
    return tuple(found)


def _without_names(value: Any, path: tuple[str | int, ...], names: list[NameAt]) -> Any:
    match value:
        case Name():
            names.append(NameAt(path, str(value)))
            return None
        case list():
            return [_without_names(each, (*path, i), names) for i, each in enumerate(value)]
        case dict():
            return {key: _without_names(each, (*path, key), names) for key, each in value.items()}
        case _:
            return value


def shown_arguments(arguments: Iterable[Argument]) -> str:
    """Arguments in the syntax of a flow. A name is shown as a name, never as its value."""
    return ", ".join(f"{argument.name}={argument}" for argument in arguments)


def offered(
    arguments: Mapping[str, Any],
    variables: Mapping[str, str],
    secrets: Iterable[str],
    scope: Scope | None = None,
) -> Offered:
    """The arguments, variables and secrets that an event can use.

    Args:
        arguments: by name; see `arguments_of`.
        variables: by name, the text after the name in `@variable`, such as `str = "eu"`.
        secrets: the names of the secrets.
        scope: the uses around the event.
    """
    if not (arguments or variables or secrets or scope):
        return NOTHING_OFFERED
    return Offered(arguments_of(arguments), variable_specs(variables), tuple(secrets), scope)


def home_of_event(event: Any) -> str | None:
    """The folder from which the module of an event was imported, if that is not the import path.

    Its worker processes need it. Generated DAG files import the events of used files that way.
    """
    return home_of(module_of(event)) if hasattr(event, "__module__") else None


def variable_specs(variables: Mapping[str, str | VariableSpec]) -> dict[str, VariableSpec]:
    """The specs of variables; see `offered`."""
    return {
        name: _variable(name, item) if isinstance(item, str) else item
        for name, item in variables.items()
    }


def written(item: InputSpec | VariableSpec, *, is_param: bool = True) -> str:
    """The text after the name in the directive of an input or variable.

    Args:
        item: the input or variable. The text of an input has no description.
        is_param: whether the input is a param of the DAG: then the param has its constant default.
    """
    default = "" if item.required else f" = {json.dumps(item.default, ensure_ascii=False)}"
    if isinstance(item, VariableSpec):
        return item.type + default
    if is_param or item.moment is not None:
        default = ""
    if item.choices:
        choices = (json.dumps(choice, ensure_ascii=False) for choice in item.choices)
        return " | ".join(choices) + default
    text = item.type
    if item.least is not None or item.most is not None:
        least, most = ("" if each is None else str(each) for each in (item.least, item.most))
        text += f"({least}..{most})"
    return text + default if item.moment is None else f"{text} = {item.moment}"


def _variable(name: str, text: str) -> VariableSpec:
    from volnux.pointy.declarations import read_variable

    read = read_variable(f"{name}: {text}", _NOWHERE)
    return VariableSpec(name, read.type, read.required, read.default)


def input_specs(
    inputs: Inputs,
) -> tuple[tuple[InputSpec, ...], dict[str, Callable[[Any], Any]]]:
    """The specs of the inputs, and the readers of the inputs that are fields."""
    if not isinstance(inputs, Mapping):
        return tuple(inputs), {}
    specs: list[InputSpec] = []
    readers: dict[str, Callable[[Any], Any]] = {}
    for name, kind in inputs.items():
        if isinstance(kind, str):
            specs.append(_input(name, kind))
        else:
            specs.append(kind.spec())
            readers[name] = kind.read
    return tuple(specs), readers


def used_inputs(inputs: Mapping[str, str]) -> tuple[InputSpec, ...]:
    """The specs of the inputs of a used file, which are not params of the DAG."""
    return tuple(_read(name, text) for name, text in inputs.items())


def _input(name: str, text: str) -> InputSpec:
    # The params of the DAG have the default, and say whether a value is required.
    if text in INPUT_TYPES or text == "any":
        return InputSpec(name, text, required=False)
    return replace(_read(name, text), required=False)


def _read(name: str, text: str) -> InputSpec:
    from volnux.graph.compiling import input_spec
    from volnux.pointy.declarations import read_input

    return replace(input_spec(read_input(f"{name}: {text}", _NOWHERE)), span=None)


_NOWHERE = Span(1, 1, 1, 1)

"""Inputs of a pipeline as the parameters of a flow: names, types, defaults."""

from __future__ import annotations

import datetime as dt
import inspect
import typing
from typing import Any

from volnux.events.inputs import bind_inputs
from volnux.events.link import Plan
from volnux.fields import FileInputDataField, InputDataField
from volnux.graph.model import InputSpec

__all__ = ["annotation_of", "default_of", "described", "signature_of"]

_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "date": dt.date,
    "datetime": dt.datetime,
    "list": list,
    "dict": dict,
}


def signature_of(plan: Plan) -> inspect.Signature:
    """The signature of the flow: Prefect makes the form and the check of parameters from it."""
    inputs = plan.graph.inputs
    # Python wants required parameters first; Prefect passes all of them by name anyway.
    return inspect.Signature(
        [
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if item.required else default_of(plan, item),
                annotation=annotation_of(plan, item),
            )
            for item in inputs
        ]
    )


def annotation_of(plan: Plan, item: InputSpec) -> Any:
    """The Python type of an input; that of its field where a pipeline class declares it."""
    field = _field(plan, item)
    kind: Any = _TYPES.get(item.type, Any)
    if isinstance(field, FileInputDataField):
        kind = str
    elif field is not None:
        kind = field.data_type
        if isinstance(kind, tuple):
            kind = typing.Union[kind]  # noqa: UP007 - made from a tuple at run time
    if not item.required and item.default is None and kind is not Any:
        kind = kind | None if isinstance(kind, type) else typing.Optional[kind]  # noqa: UP045 - kind may be a string or a special form
    return kind


def described(plan: Plan) -> str | None:
    """The doc string of the flow, where Prefect looks for what it says of parameters."""
    lines = []
    for item in plan.graph.inputs:
        field = _field(plan, item)
        if field is not None and field.description:
            lines.append(f"    {item.name}: {' '.join(field.description.split())}")
    if not lines:
        return plan.graph.description
    return "\n".join([plan.graph.description or plan.graph.name, "", "Args:", *lines])


def default_of(plan: Plan, item: InputSpec) -> Any:
    """The default of an input, as a value of its type; a file stays its path."""
    if isinstance(_field(plan, item), FileInputDataField):
        return item.default
    return bind_inputs([item], {}, plan.readers).get(item.name)


def _field(plan: Plan, item: InputSpec) -> InputDataField | None:
    """The field of a pipeline class that declares an input; its own check is the plan's reader."""
    owner = getattr(plan.readers.get(item.name), "__self__", None)
    return owner if isinstance(owner, InputDataField) else None

"""Inputs of a pipeline as the parameters of a flow: names, types, defaults."""

from __future__ import annotations

import functools
import inspect
import math
import typing
import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from prefect import Flow
from pydantic import BaseModel, Field, WithJsonSchema

from volnux.events.inputs import InputError, bind_inputs
from volnux.events.link import Plan
from volnux.graph.model import InputSpec
from volnux.pipeline.fields import FileInputDataField, InputDataField
from volnux.pointy.inputtypes import InputType
from volnux_prefect.instants import PARAMETER, speaks_of_time

__all__ = [
    "annotation_of",
    "default_of",
    "described",
    "ends_of",
    "refuse_values",
    "signature_of",
    "why_no_parameter",
    "why_not_stored",
]

_LEAST, _MOST = -(2**63), 2**63 - 1

_WHEN = "the time that the run stands for (default: the time that it was scheduled for)"

_DATE = r"^\d{4}-\d{2}-\d{2}$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}([Tt _]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s?([Zz]|[+-]\d{2}:?\d{2})?)?$"


def _text(kind: InputType, pattern: str) -> Any:
    """A type that is a string in JSON. The server ignores `format`, but checks `pattern`."""
    return Annotated[kind.python, WithJsonSchema({**kind.schema, "pattern": pattern})]


_TYPES: dict[str, Any] = {
    **{each.value: each.python for each in InputType},
    "int": Annotated[int, Field(ge=_LEAST, le=_MOST)],
    "date": _text(InputType.DATE, _DATE),
    "datetime": _text(InputType.DATETIME, _MOMENT),
}


def signature_of(plan: Plan) -> inspect.Signature:
    """The flow's signature. Prefect derives the input form and the validation from it."""
    # Python requires parameters without a default to come first. The order does not matter to
    # Prefect, which passes all parameters by name.
    parameters = [
        inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if item.required else default_of(plan, item),
            annotation=annotation_of(plan, item),
        )
        for item in plan.graph.inputs
    ]
    if speaks_of_time(plan.graph):
        parameters.append(
            inspect.Parameter(
                PARAMETER,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=_TYPES["datetime"] | None,
            )
        )
    return inspect.Signature(parameters)


def annotation_of(plan: Plan, item: InputSpec) -> Any:
    """The Python type of an input, or the type of its field if a pipeline class declares it."""
    field = _field(plan, item)
    kind: Any = _limited(item)
    if isinstance(field, FileInputDataField):
        kind = str
    elif field is not None:
        kind = field.data_type
        if isinstance(kind, tuple):
            kind = typing.Union[kind]  # noqa: UP007 - made from a tuple at run time
    if not item.required and item.default is None and kind is not Any:
        kind = kind | None if isinstance(kind, type) else typing.Optional[kind]  # noqa: UP045 - kind may be a string or a special form
    return kind


def ends_of(item: InputSpec) -> dict[str, int | float]:
    """The range of an input as arguments of pydantic's `Field`."""
    ends = {"ge": item.least, "le": item.most}
    return {name: end for name, end in ends.items() if end is not None}


def _limited(item: InputSpec) -> Any:
    """The type of an input that the file declares, with its choices or its range."""
    if item.choices:
        return Literal[item.choices]
    ends: Any = ends_of(item)
    match item.type:
        case "int" if ends:
            return Annotated[int, Field(**{"ge": _LEAST, "le": _MOST, **ends})]
        case "float" if ends:
            return Annotated[float, Field(**ends)]
    return _TYPES.get(item.type, Any)


def why_no_parameter(name: str) -> str | None:
    """Why an input of this name cannot be a parameter of a flow; None if it can.

    Prefect creates a pydantic model with a field for each parameter. Which names are reserved there
    depends on the versions of both. So a name that may be reserved is tested.
    """
    if name.startswith("_"):
        return "begins with '_'"
    return _tried(name) if name in _known_names() else None


def why_not_stored(value: Any) -> str | None:
    """Why Prefect's server would not return a value unchanged; None if it would."""
    match value:
        case bool() | None:
            return None
        case int() if not _LEAST <= value <= _MOST:
            return "it stores integers of 64 bits only"
        case float() if not math.isfinite(value):
            return "it stores finite numbers only"
        case str() if "\0" in value:
            return "it cannot store the character U+0000"
        case str() if any("\ud800" <= character <= "\udfff" for character in value):
            return "it cannot store text that is not valid Unicode"
        case list() | tuple():
            return next(filter(None, map(why_not_stored, value)), None)
        case dict():
            if "__prefect_kind" in value:
                return "it gives the key '__prefect_kind' a meaning of its own"
            parts = (part for item in value.items() for part in item)
            return next(filter(None, map(why_not_stored, parts)), None)
        case _:
            return None


def refuse_values(values: Mapping[str, Any]) -> None:
    """Raise an error for inputs of a run that the server could not store.

    Raises:
        InputError: it lists every such input.
    """
    faults = {
        name: f"prefect's server cannot store the input '{name}': {why}"
        for name, value in values.items()
        if (why := why_not_stored(value)) is not None
    }
    if faults:
        raise InputError(faults)


def described(plan: Plan) -> str | None:
    """The docstring of the flow, from which Prefect takes the descriptions of parameters."""
    lines = []
    for item in plan.graph.inputs:
        field = _field(plan, item)
        said = [item.description or (field and field.description) or ""]
        if item.moment is not None:
            said.append(f"(default: {item.moment})")
        if any(said):
            lines.append(f"    {item.name}: {' '.join(' '.join(said).split())}")
    if speaks_of_time(plan.graph):
        lines.append(f"    {PARAMETER}: {_WHEN}")
    if not lines:
        return plan.graph.description
    return "\n".join([plan.graph.description or plan.graph.name, "", "Args:", *lines])


def default_of(plan: Plan, item: InputSpec) -> Any:
    """The default of an input, as a value of its type. The default of a file input is its path.

    None if the default depends on the scheduled time: then each run computes it.
    """
    if isinstance(_field(plan, item), FileInputDataField):
        return item.default
    if item.moment is not None:
        return None
    return bind_inputs([item], {}, plan.readers).get(item.name)


def _field(plan: Plan, item: InputSpec) -> InputDataField | None:
    """The field of a pipeline class that declares an input; None if the file declares it."""
    owner = getattr(plan.readers.get(item.name), "__self__", None)
    return owner if isinstance(owner, InputDataField) else None


@functools.cache
def _known_names() -> frozenset[str]:
    """Names that pydantic or Prefect use when they process a flow's parameters."""
    return frozenset({*dir(BaseModel), *inspect.signature(Flow.__call__).parameters, "cls"})


@functools.cache
def _tried(name: str) -> str | None:
    """Make a flow with this parameter and pass a value. Returns an error if that fails."""
    taken = "is a name that prefect or pydantic reserves"

    def body(**given: Any) -> None:
        """Do nothing."""

    kind = inspect.Parameter.KEYWORD_ONLY
    setattr(body, "__signature__", inspect.Signature([inspect.Parameter(name, kind)]))  # noqa: B010 - mypy does not know this attribute
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the name may shadow one of pydantic's and still work
        try:
            flow: Flow[Any, Any] = Flow(body, name="trial")
            kept = flow.validate_parameters({name: 1}) == {name: 1}
        except Exception:  # noqa: BLE001 - both raise many kinds of errors
            return taken
    return None if kept and name in flow.parameters.properties else taken

"""Inputs of a run: checks given values against the declarations and reports all faults at once."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from volnux.errors import VolnuxError, did_you_mean
from volnux.graph.model import InputSpec
from volnux.pointy.inputtypes import InputType
from volnux.pointy.values import INPUT_TYPES
from volnux.strictjson import DEEPEST, LONGEST_INTEGER, FormatError, is_text, read_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from volnux.schedules.moments import Clock

__all__ = ["InputError", "bind_inputs", "fresh", "read_inputs", "read_value", "wanted"]


class InputError(VolnuxError, ValueError):
    """Inputs are missing, unknown, or of a wrong type; `faults` maps names to messages.

    `missing` has the names of required inputs that were not given.
    """

    def __init__(self, faults: Mapping[str, str], missing: Iterable[str] = ()) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = dict(faults)
        self.missing = tuple(missing)

    def __reduce__(self) -> tuple[type[InputError], tuple[dict[str, str], tuple[str, ...]]]:
        return type(self), (self.faults, self.missing)


def read_inputs(specs: Iterable[InputSpec], given: Iterable[str]) -> dict[str, Any]:
    """Read inputs from `name=value` texts, the format of the command line.

    Lists and dicts are written as JSON, dates in ISO format, and a str is taken as it is. The
    values are only read here; `bind_inputs` checks them.

    Raises:
        InputError: a text has no `=`, an input is given twice, or a list or dict is not valid JSON.
    """
    from volnux.shown import shown

    types = {spec.name: spec.type for spec in specs}
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            faults[name] = f"{shown(text)} is not an input: write it as name=value"
        elif name in values:
            faults[name] = f"the input '{name}' is given twice"
        elif types.get(name) in ("list", "dict"):
            try:
                values[name] = read_json(value, deepest=DEEPEST)
            except FormatError as error:
                faults[name] = (
                    f"the input '{name}' is a {types[name]}, written as JSON; "
                    f"given {shown(value)}: {error}"
                )
        else:
            values[name] = value
    if faults:
        raise InputError(faults)
    return values


def bind_inputs(
    specs: Iterable[InputSpec],
    given: Mapping[str, Any],
    readers: Mapping[str, Callable[[Any], Any]] | None = None,
    kinds: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Check the given values and return one for every input, in the order of declaration.

    Args:
        specs: the declared inputs.
        given: values by name. A text is converted to the declared type (`"3"` to an int). An input
            that is not given gets a copy of its default. None counts as not given if the default is
            a time of the run.
        readers: functions that check and convert the values of some inputs, and raise `ValueError`
            for a wrong value. Fields of a pipeline class have them.
        kinds: the name of the type in errors, for inputs whose declared type is not precise enough:
            `file path` instead of `str`.
        clock: the time of the run; required if the default of an input is a time of the run.

    Raises:
        InputError: inputs are missing, unknown, of a wrong type or out of range; it lists all
            faults.
    """
    known = list(specs)
    if not known and not given:
        return {}
    from pydantic import ValidationError

    faults: dict[str, str] = {}
    values: dict[str, Any] = {}
    missing: list[str] = []
    names = [spec.name for spec in known]
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names, f"inputs: {', '.join(names)}")
            faults[name] = f"there is no input '{name}'; " + (hint if names else "it has none")
    for spec in known:
        kind = (kinds or {}).get(spec.name, spec.type)
        if spec.name not in given and spec.required:
            faults[spec.name] = f"the input '{spec.name}' ({kind}) is required"
            missing.append(spec.name)
            continue
        value = given[spec.name] if spec.name in given else fresh(spec.default)
        if spec.moment is not None and value is None:
            assert clock is not None, "the caller gives the time of the run"
            try:
                values[spec.name] = clock.value(spec.moment, spec.type)
            except VolnuxError as error:
                faults[spec.name] = f"the default of the input '{spec.name}': {error}"
            continue
        read = (readers or {}).get(spec.name)
        if read is None and ((value is None and not spec.required) or spec.type not in INPUT_TYPES):
            values[spec.name] = value
            continue
        try:
            value = read_value(spec.type, value) if read is None else read(value)
            values[spec.name] = value
            reason = _unfit(spec.type, value) or _outside(spec, value)
        except ValueError as error:
            reason = str(error)
            if isinstance(error, ValidationError):
                reason = error.errors(include_url=False)[0]["msg"]
        if reason is not None:
            from volnux.shown import shown

            faults[spec.name] = (
                f"the input '{spec.name}' is of type {kind}, given {shown(value)}: {reason}"
            )
    if faults:
        raise InputError(faults, missing)
    return values


def read_value(type_: str, value: Any) -> Any:
    """A value read as one of the types of `@input`.

    Raises:
        ValueError: it is not of that type, or no report could hold it.
    """
    read = _adapter(InputType(type_)).validate_python(value)
    reason = _unfit(type_, read)
    if reason is not None:
        raise ValueError(reason)
    return read


@functools.cache
def _adapter(type_: InputType) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(type_.python)


def wanted(spec: InputSpec) -> str | None:
    """Which values an input takes, in words; None where any of its type will do."""
    if spec.choices:
        return "one of " + ", ".join(map(repr, spec.choices))
    if spec.least is not None and spec.most is not None:
        return f"from {spec.least} to {spec.most}"
    if spec.least is not None:
        return f"at least {spec.least}"
    return None if spec.most is None else f"at most {spec.most}"


def _outside(spec: InputSpec, value: Any) -> str | None:
    """Why the text does not allow a value of the right type; None if it does."""
    if (
        (spec.choices and value not in spec.choices)
        or (spec.least is not None and value < spec.least)
        or (spec.most is not None and value > spec.most)
    ):
        return f"expected {wanted(spec)}"
    return None


def _unfit(type_: str, value: object) -> str | None:
    """Why a report or a host cannot store a value of a declared type, or None if both can."""
    match type_, value:
        case "float", float() if not math.isfinite(value):
            return "a number must be finite"
        case "int", int() if value.bit_length() > LONGEST_INTEGER:
            return f"an integer may have at most {LONGEST_INTEGER} bits"
        case "str", str() if not is_text(value):
            return "it is not text: one half of a surrogate pair, or a byte that is not UTF-8"
    return None


def fresh(default: Any) -> Any:
    """A copy of a default for one run, so that no other run can change it.

    Values that cannot be hashed count as mutable, as for the defaults of dataclasses, and are
    deep-copied. Values that cannot be copied either (such as an open connection) are shared.
    """
    try:
        hash(default)
    except TypeError:
        try:
            return copy.deepcopy(default)
        except Exception:  # noqa: BLE001 - a user's __deepcopy__ or __reduce__ may raise anything
            return default
    return default

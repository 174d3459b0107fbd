"""Inputs of a run: given values checked against what the pipeline declares, all faults at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from volnux.errors import VolnuxError, nearest
from volnux.graph.model import InputSpec
from volnux.pointy.inputtypes import InputType
from volnux.pointy.values import INPUT_TYPES
from volnux.strictjson import DEEPEST, LONGEST_INTEGER, FormatError, is_text, read_json

if TYPE_CHECKING:
    from volnux.schedules.moments import Clock

__all__ = ["InputError", "bind_inputs", "fresh", "read_inputs", "read_value", "wanted"]


class InputError(VolnuxError, ValueError):
    """Inputs are missing, unknown, or of a wrong type; `faults` maps names to what is wrong.

    `missing` has the names of those that are required and were not given.
    """

    def __init__(self, faults: Mapping[str, str], missing: Iterable[str] = ()) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = dict(faults)
        self.missing = tuple(missing)

    def __reduce__(self) -> tuple[type[InputError], tuple[dict[str, str], tuple[str, ...]]]:
        return type(self), (self.faults, self.missing)


def read_inputs(specs: Iterable[InputSpec], given: Iterable[str]) -> dict[str, Any]:
    """Inputs from `name=value` texts, as the command line takes them.

    A list or dict is written as JSON, a date in ISO form, a str as it is. The values are read, not
    yet checked: `bind_inputs` does that.

    Raises:
        InputError: a text has no `=`, names an input twice, or is not JSON where it must be.
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
    """A value for every declared input, in the order declared.

    Args:
        specs: what the pipeline declares.
        given: values by name; a text is read by the declared type (`"3"` for an int). An input
            that is not given gets a copy of its default. None stands for a default that is a time
            of the run.
        readers: for some inputs a function of their own that checks and converts a value, and
            raises a `ValueError` (fields of a pipeline class).
        kinds: for some inputs what to call their type in an error, where the declared type says
            too little: `file path`, not `str`.
        clock: the time of the run; needed where a default is a time of it.

    Raises:
        InputError: with every fault: missing, unknown, of a wrong type, out of range.
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
            close = nearest(name, names)
            hint = f"did you mean '{close[0]}'?" if close else f"inputs: {', '.join(names)}"
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
    from pydantic import TypeAdapter

    read: Any = TypeAdapter(InputType(type_).python).validate_python(value)
    reason = _unfit(type_, read)
    if reason is not None:
        raise ValueError(reason)
    return read


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
    """Why no report and no host could hold a value of a declared type; None if they can."""
    match type_, value:
        case "float", float() if not math.isfinite(value):
            return "a number must be finite"
        case "int", int() if value.bit_length() > LONGEST_INTEGER:
            return f"an integer may have at most {LONGEST_INTEGER} bits"
        case "str", str() if not is_text(value):
            return "it is not text: one half of a surrogate pair, or a byte that is not UTF-8"
    return None


def fresh(default: Any) -> Any:
    """A default for one run, which no other run can change.

    What cannot be hashed counts as changeable, as for the defaults of dataclasses, and is copied in
    depth. What cannot be copied either (an open connection) is shared.
    """
    try:
        hash(default)
    except TypeError:
        try:
            return copy.deepcopy(default)
        except Exception:  # noqa: BLE001 - what a user's __deepcopy__ or __reduce__ raises
            return default
    return default

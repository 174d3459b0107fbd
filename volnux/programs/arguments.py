"""Checks the arguments of uses against the inputs of the used files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from volnux.errors import nearest
from volnux.events.inputs import InputError, bind_inputs
from volnux.graph.compiling import input_spec
from volnux.graph.texts import InputSpec
from volnux.pointy.inputtypes import InputType
from volnux.pointy.parser import PointyFile
from volnux.pointy.report import clip
from volnux.pointy.tree import Argument, Name, Used
from volnux.programs.findings import Findings

__all__ = ["ArgumentChecks"]


class ArgumentChecks:
    """Checks the uses of a program; it reads each value once, however often it is given."""

    def __init__(self, files: Sequence[PointyFile], findings: Findings) -> None:
        self._files = files
        self._findings = findings
        self._inputs: dict[int, dict[str, InputSpec]] = {}
        self._declared: dict[int, dict[str, _Declared]] = {}
        self._faults: dict[tuple[int, str, str], str | None] = {}

    def check(self, number: int, place: Used, used: int) -> None:
        """Check a use.

        Args:
            number: the number of the file with the use.
            place: the use in its flow.
            used: the number of the used file.
        """
        if used not in self._inputs:
            settings = self._files[used].settings
            self._inputs[used] = {item.name: input_spec(item) for item in settings.inputs}
        inputs = self._inputs[used]
        shown = clip(place.name)
        meant: set[str] = set()
        for argument in place.arguments:
            spec = inputs.get(argument.name)
            if spec is None:
                close = nearest(argument.name, inputs)
                meant.update(close)
                message = f"'{shown}' has no input '{clip(argument.name)}'"
                hint: str | None = f"inputs: {', '.join(inputs)}" if inputs else "it has no inputs"
                if close:
                    hint = f"did you mean '{close[0]}'? {hint}"
                span = argument.span
            else:
                span = argument.value_span
                message, hint = self._unfit(number, argument, used, spec)
            if message:
                self._findings.add(number, "bad-argument", message, span, hint=hint)
        given = {argument.name for argument in place.arguments}
        missing = [
            spec
            for spec in inputs.values()
            if spec.required and spec.name not in given and spec.name not in meant
        ]
        if missing:
            named = ", ".join(f"'{spec.name}' ({spec.type})" for spec in missing)
            example = ", ".join(f"{spec.name}=…" for spec in missing)
            s = "s" if len(missing) > 1 else ""
            self._findings.add(
                number,
                "missing-input",
                f"'{shown}' requires the input{s} {named}",
                place.span,
                hint=f"write {shown}({example})",
            )

    def _unfit(
        self, number: int, argument: Argument, used: int, spec: InputSpec
    ) -> tuple[str, str | None]:
        """Why a value cannot be that of an input, and a hint; an empty text if it can."""
        value = argument.value
        if isinstance(value, Name):
            return self._unfit_name(number, value.name, spec)
        if _has_name(value):
            kind = "list" if isinstance(value, list) else "dict"
            if spec.type == kind:
                return "", None
            return f"the input '{spec.name}' is of type {spec.type}, given a {kind}", None
        key = (used, spec.name, repr(value))
        if key not in self._faults:
            self._faults[key] = _fault(spec, value)
        return self._faults[key] or "", None

    def _unfit_name(self, number: int, name: str, spec: InputSpec) -> tuple[str, str | None]:
        if number not in self._declared:
            self._declared[number] = dict(_declared(self._files[number]))
        declared = self._declared[number].get(name)
        # Linking checks other names: an `each` or the Pipeline class may declare them.
        if declared is None or declared.type == spec.type:
            return "", None
        if (declared.type, spec.type) == (InputType.INT, InputType.FLOAT):
            return "", None
        is_secret = declared.kind == "a secret"
        of_type = ", which is a text" if is_secret else f" of type {declared.type}"
        return (
            f"the input '{spec.name}' is of type {spec.type}, "
            f"but '{clip(name)}' is {declared.kind}{of_type}",
            "a secret can be given to an input of type str only"
            if is_secret
            else f"declare '{clip(name)}' with the type {spec.type}",
        )


class _Declared(NamedTuple):
    """A name that a file declares: what it is, and its type."""

    kind: str
    type: str


def _declared(file: PointyFile) -> Iterator[tuple[str, _Declared]]:
    settings = file.settings
    yield from ((item.name, _Declared("an input", item.type)) for item in settings.inputs)
    yield from ((item.name, _Declared("a variable", item.type)) for item in settings.variables)
    yield from ((item.name, _Declared("a secret", InputType.STR)) for item in settings.secrets)


def _fault(spec: InputSpec, value: Any) -> str | None:
    """Why an input does not take a value without names; None if it does."""
    if value is None and spec.moment is not None:
        return None  # it counts as not given
    try:
        bind_inputs([spec], {spec.name: value})
    except InputError as error:
        return error.faults[spec.name]
    return None


def _has_name(value: Any) -> bool:
    """Whether a bare name is in a list or an object, however deep."""
    if isinstance(value, list | dict):
        return any(map(_has_name, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Name)

"""What a place of a flow is given besides its inputs: arguments, variables and secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from volnux.errors import VolnuxError
from volnux.events.outcome import Call, Host
from volnux.graph.parts import Argument
from volnux.graph.texts import VariableSpec
from volnux.masking import SHORTEST, masked, remember

if TYPE_CHECKING:
    from volnux.events.scope import Scope

__all__ = [
    "NOTHING",
    "ArgumentError",
    "Given",
    "InputTypeError",
    "NotGivenError",
    "Reader",
    "Resolved",
    "SecretError",
    "VariableError",
    "inputs_of",
    "read_variable",
    "reader_of",
]

Reader = Callable[[Any], Any]
"""Reads a value as a type; raises `ValueError` if it is not of that type."""


class NotGivenError(VolnuxError):
    """A value that an event takes is missing or wrong. Another attempt would not help."""

    __module__ = "volnux"


class ArgumentError(NotGivenError, ValueError):
    """The value of an argument is not of the type that `process` declares."""

    __module__ = "volnux"


class InputTypeError(NotGivenError, TypeError):
    """The piped value is not of the type that `previous_result` declares."""

    __module__ = "volnux"


class VariableError(NotGivenError, LookupError):
    """The host has no such variable, or one of another type."""

    __module__ = "volnux"


class SecretError(NotGivenError, LookupError):
    """The host has no such secret."""

    __module__ = "volnux"


class Resolved(NamedTuple):
    """What one attempt is given.

    Attributes:
        arguments: what the flow gives it, by name, read as the types that `process` declares.
        extra: the variables and secrets that `process` takes by their own names.
        secrets: the values of all secrets among these.
    """

    arguments: Mapping[str, Any] = {}
    extra: Mapping[str, Any] = {}
    secrets: tuple[str, ...] = ()


NOTHING: Final = Resolved()


class Given(NamedTuple):
    """What one place is given besides its inputs.

    Attributes:
        arguments: those in the text, in the order written.
        variables: the variables that the arguments or `process` name.
        secrets: the names of secrets that they name.
        direct: the variables, secrets and late inputs that `process` takes by their own names.
        scope: the uses around the place; None if there is none.
        late: the late inputs of the innermost use that the arguments or `process` name.
    """

    arguments: tuple[Argument, ...]
    variables: tuple[VariableSpec, ...]
    secrets: tuple[str, ...]
    direct: frozenset[str]
    scope: Scope | None = None
    late: tuple[str, ...] = ()

    @staticmethod
    def of(
        arguments: tuple[Argument, ...],
        named: Iterable[str],
        variables: Mapping[str, VariableSpec],
        secrets: Iterable[str],
        scope: Scope | None = None,
    ) -> Given | None:
        """What a place is given; None if that is nothing.

        Args:
            arguments: those in the text.
            named: the arguments that `process` names.
            variables: all variables of the file, by name.
            secrets: the names of all its secrets.
            scope: the uses around the place.
        """
        written = {argument.name for argument in arguments}
        direct = frozenset(named) - written
        used = direct.union(at.name for argument in arguments for at in argument.names)
        found = tuple(spec for name, spec in variables.items() if name in used)
        hidden = tuple(name for name in secrets if name in used)
        late = () if scope is None else tuple(sorted(scope.late & used))
        if not (arguments or found or hidden or scope):
            return None
        known = {*(spec.name for spec in found), *hidden, *late}
        return Given(arguments, found, hidden, direct & known, scope, late)

    def shown(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments for display, with the names of variables and secrets instead of values.

        Args:
            inputs: the inputs that the place sees.
        """
        return {each.name: each.filled(lambda n: inputs.get(n, n)) for each in self.arguments}

    def inputs(self, call: Call) -> Mapping[str, Any]:
        """The inputs that the place sees, and the items around it, by name.

        Raises:
            ArgumentError: a use around the place gives an input a value of another type.
        """
        return inputs_of(call) if self.scope is None else self.scope.inputs(call)

    def value(self, name: str, call: Call) -> Any:
        """The value of one name that the place may use: an input, an item or a variable.

        Raises:
            NotGivenError: it is missing, or of another type.
        """
        inputs = self.inputs(call)
        if name in inputs:
            return inputs[name]
        return self.resolve(call, inputs, lambda _: None).extra.get(name)

    def resolve(
        self, call: Call, inputs: Mapping[str, Any], readers: Callable[[str], Reader | None]
    ) -> Resolved:
        """The values for one attempt.

        Args:
            call: the attempt.
            inputs: the inputs that the place sees.
            readers: returns what reads the value of an argument as the type in `process`.

        Raises:
            NotGivenError: something is missing, or of another type.
        """
        secrets: dict[str, str] = {}

        def secret(name: str) -> str:
            secrets[name] = value = _secret(name, call)
            remember((value,))
            return value

        values: dict[str, Any] = {
            spec.name: read_variable(spec, call.host) for spec in self.variables
        }
        values.update((name, secret(name)) for name in self.secrets)
        if self.late and self.scope is not None:
            try:
                values.update(
                    self.scope.late_inputs(
                        call, self.late, lambda spec: read_variable(spec, call.host), secret
                    )
                )
            except ArgumentError as error:
                text = masked(str(error), tuple(secrets.values()))
                raise ArgumentError(text) from None
        extra = {name: values[name] for name in self.direct}

        def value_of(name: str) -> Any:
            return values[name] if name in values else inputs[name]

        arguments = {}
        for argument in self.arguments:
            value = argument.filled(value_of)
            read = readers(argument.name)
            if read is not None:
                try:
                    value = read(value)
                except ValueError as error:
                    reason = reason_of(error)
                    raise ArgumentError(
                        f"the argument {argument.name}={argument} of {call.task_id}: {reason}"
                    ) from None
            arguments[argument.name] = value
        return Resolved(arguments, extra, tuple(secrets.values()))


def inputs_of(call: Call) -> Mapping[str, Any]:
    """The inputs of the run of an attempt, and the items around its place, by name."""
    return {**call.inputs, **dict(call.items)} if call.items else call.inputs


def reason_of(error: Exception) -> str:
    """What an error of a reader says, on one line and without the value."""
    errors: Any = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors(include_url=False)[0]
    where = "".join(f"[{key!r}]" for key in first["loc"])
    return f"{where}{': ' if where else ''}{first['msg']}"


def read_variable(spec: VariableSpec, host: Host | None) -> Any:
    """The value of a variable, read as its type.

    Args:
        spec: the variable.
        host: where the variables of the run come from.

    Raises:
        VariableError: it is missing or of another type, or cannot be read.
    """
    from volnux.events.inputs import read_value
    from volnux.strictjson import DEEPEST, read_json

    try:
        if host is None:
            raise LookupError("this run has no variables")
        value = host.variable(spec.name)
    except VolnuxError as error:
        # A default must not hide a configuration that cannot be read.
        raise VariableError(f"the variable '{spec.name}' cannot be read: {error}") from None
    except LookupError as error:
        if not spec.required:
            return read_value(spec.type, spec.default) if spec.default is not None else None
        raise VariableError(f"the variable '{spec.name}' is not set: {_text(error)}") from None
    try:
        if spec.type in ("list", "dict") and isinstance(value, str):
            value = read_json(value, deepest=DEEPEST)
        return read_value(spec.type, value)
    except ValueError as error:
        raise VariableError(
            f"the variable '{spec.name}' is of type {spec.type}: {reason_of(error)}"
        ) from None


def _secret(name: str, call: Call) -> str:
    try:
        if call.host is None:
            raise LookupError("this run has no secrets")
        value = call.host.secret(name)
    except VolnuxError as error:
        raise SecretError(f"the secret '{name}' cannot be read: {error}") from None
    except LookupError as error:
        raise SecretError(f"the secret '{name}' is not set: {_text(error)}") from None
    if len(value) < SHORTEST:
        raise SecretError(
            f"the secret '{name}' has fewer than {SHORTEST} characters: it could not be kept out "
            "of logs and reports"
        )
    return value


def _text(error: LookupError) -> str:
    # The str of a KeyError is the repr of its message.
    return str(error.args[0]) if error.args else type(error).__name__


def reader_of(function: Callable[..., Any], name: str) -> Reader | None:
    """The reader for the annotation of an argument; pydantic reads values in lax mode.

    Args:
        function: the `process` of an event.
        name: the argument; if `process` does not name it, `**kwargs` gives its type.

    Returns:
        None if there is no annotation.

    Raises:
        ArgumentError: the annotation cannot be evaluated, or is not one that pydantic knows.
    """
    from volnux.events.annotated import AnnotationError, annotation_of

    try:
        annotation = annotation_of(function, name)
    except AnnotationError as error:
        raise ArgumentError(
            f"the annotation of the argument '{name}' cannot be used: {error}"
        ) from error
    return None if annotation is None else annotation.read

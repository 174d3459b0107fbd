"""What the names in a used file mean at one place: the inputs that the use gives it.

Names are looked up when an attempt starts, in the process where it runs. An argument of a use that
contains a variable or a secret is *late*: it is read only for events that name the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from volnux.events.given import ArgumentError
from volnux.events.inputs import InputError, bind_inputs, fresh
from volnux.graph.model import Graph
from volnux.graph.parts import Argument
from volnux.graph.texts import InputSpec, VariableSpec

if TYPE_CHECKING:
    from volnux.events.outcome import Call
    from volnux.schedules.moments import Clock

__all__ = ["Level", "Scope", "scopes_of"]


@dataclass(frozen=True, slots=True)
class Level:
    """One use around a place.

    Attributes:
        place: the place of the use, such as `clean`.
        inputs: the inputs of the used file.
        arguments: the arguments of the use, by name.
        known: the values of the inputs that are the same in every run.
        late: the inputs whose arguments contain a variable or a secret.
        items: how many of the `each`es around the place are around the whole use.
        variables: the variables of the text with the use, by name.
        secrets: the names of the secrets of that text.
    """

    place: str
    inputs: tuple[InputSpec, ...]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    items: int = 0
    variables: Mapping[str, VariableSpec] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @staticmethod
    def of(
        place: str,
        inputs: tuple[InputSpec, ...],
        arguments: Iterable[Argument],
        *,
        items: int = 0,
        variables: Mapping[str, VariableSpec] = MappingProxyType({}),
        secrets: Iterable[str] = (),
        around: Level | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> Level:
        """One use, with what is known about its inputs before a run.

        Args:
            place: the place of the use.
            inputs: the inputs of the used file.
            arguments: the arguments of the use.
            items: how many `each`es are around the use.
            variables: all variables of the text with the use, by name.
            secrets: the names of all its secrets.
            around: the use around it.
            defaults: the values of inputs that are not given, if they are known already.

        Raises:
            ArgumentError: a value is not of the type of its input.
        """
        by_name = {argument.name: argument for argument in arguments}
        named = {at.name for argument in by_name.values() for at in argument.names}
        own_variables = {name: spec for name, spec in variables.items() if name in named}
        own_secrets = tuple(name for name in secrets if name in named)
        read_late = {*own_variables, *own_secrets, *(around.late if around else ())}
        level = Level(
            place=place,
            inputs=inputs,
            arguments=by_name,
            late=frozenset(
                name
                for name, argument in by_name.items()
                if any(at.name in read_late for at in argument.names)
            ),
            items=items,
            variables=own_variables,
            secrets=own_secrets,
        )
        if defaults is None:
            defaults = _defaults(inputs)
        known = {name: value for name, value in defaults.items() if name not in by_name}
        for spec in inputs:
            argument = by_name.get(spec.name)
            if argument is None or argument.names or (argument.value is None and spec.moment):
                continue
            known[spec.name] = level.value(spec, str, None)
        return replace(level, known=known)

    def names_of(self, inputs: Iterable[str]) -> dict[str, None]:
        """The names in the arguments for these inputs, each once, in order."""
        return {at.name: None for name in inputs for at in self.arguments[name].names}

    def reads(self, name: str) -> bool:
        """Whether a name around the use is a variable or a secret."""
        return name in self.variables or name in self.secrets

    @property
    def is_known(self) -> bool:
        """Whether all inputs have the same values in every run."""
        return len(self.known) == len(self.inputs)

    def values(self, names: Mapping[str, Any], clock: Clock | None) -> dict[str, Any]:
        """The values of the inputs that are not late.

        Args:
            names: the values of the names around the use.
            clock: the time of the run; required if an input has a time of the run as its default.

        Raises:
            ArgumentError: a value is not of the type of its input.
        """
        return {
            spec.name: fresh(self.known[spec.name])
            if spec.name in self.known
            else self.value(spec, names.__getitem__, clock)
            for spec in self.inputs
            if spec.name not in self.late
        }

    def value(self, spec: InputSpec, names: Callable[[str], Any], clock: Clock | None) -> Any:
        """The value of one input.

        Args:
            spec: the input.
            names: returns the value of a name around the use.
            clock: the time of the run.

        Raises:
            ArgumentError: the value is not of the type of the input.
        """
        argument = self.arguments.get(spec.name)
        given = {} if argument is None else {spec.name: argument.filled(names)}
        try:
            return bind_inputs([spec], given, clock=clock)[spec.name]
        except InputError as error:
            shown = "" if argument is None else f"{argument.name}={argument}: "
            raise ArgumentError(f"{self.place} is given {shown}{error}") from None


@dataclass(frozen=True, slots=True)
class Scope:
    """The uses around a place, the outermost first.

    Attributes:
        levels: the uses.
        schedules: the schedules of the pipeline that runs.
        timezone: its time zone.
    """

    levels: tuple[Level, ...]
    schedules: tuple[str, ...] = ()
    timezone: str | None = None

    def inputs(self, call: Call) -> dict[str, Any]:
        """The values of the inputs of the innermost use, and of the items inside of it, by name.

        Late inputs are not among them.

        Raises:
            ArgumentError: a value is not of the type of its input.
        """
        return _Names(self, call).inside

    @property
    def late(self) -> frozenset[str]:
        """The late inputs of the innermost use."""
        return self.levels[-1].late

    def late_inputs(
        self,
        call: Call,
        names: Iterable[str],
        variable: Callable[[VariableSpec], Any],
        secret: Callable[[str], str],
    ) -> dict[str, Any]:
        """The values of late inputs of the innermost use, by name.

        Args:
            call: the attempt.
            names: the inputs.
            variable: reads a variable.
            secret: reads a secret.

        Raises:
            NotGivenError: a variable or secret is missing, or a value is not of the type of its
                input.
        """
        return _Names(self, call).late(names, variable, secret)

    def clock(self, call: Call) -> Clock | None:
        """The time of the run of an attempt, for defaults; None if no default needs it."""
        if not any(spec.moment for level in self.levels for spec in level.inputs):
            return None
        from volnux.schedules.moments import Clock

        return Clock.at(call.scheduled_at, self.schedules, self.timezone)


class _Names:
    """The values of names around one attempt.

    Args:
        scope: the uses around its place.
        call: the attempt.

    Attributes:
        inside: those of the innermost use.
    """

    def __init__(self, scope: Scope, call: Call) -> None:
        self._levels = scope.levels
        self._clock = scope.clock(call)
        # Outside of uses whose inputs are all known, there is nothing to read.
        known = next(
            (n for n, level in enumerate(scope.levels) if not level.is_known), len(scope.levels)
        )
        first = max(known - 1, 0)
        self._around: list[dict[str, Any]] = [{} for _ in range(first)]
        values = {} if first else dict(call.inputs)
        begin = scope.levels[first - 1].items if first else 0
        for level in scope.levels[first:]:
            values.update(call.items[begin : level.items])
            begin = level.items
            self._around.append(values)
            values = level.values(values, self._clock)
        values.update(call.items[begin:])
        self.inside = values

    def late(
        self,
        names: Iterable[str],
        variable: Callable[[VariableSpec], Any],
        secret: Callable[[str], str],
    ) -> dict[str, Any]:
        """The values of late inputs; see `Scope.late_inputs`."""
        # No recursion: first what each use needs, from the inside out, then the values. So what
        # several arguments name is read once.
        needed = [list(names)]
        for level, known in zip(self._levels[:0:-1], self._around[:0:-1], strict=True):
            named = level.names_of(needed[-1])
            needed.append([n for n in named if n not in known and not level.reads(n)])
        values: dict[str, Any] = {}
        for level, known, inputs in zip(self._levels, self._around, needed[::-1], strict=True):
            around = {}
            for name in level.names_of(inputs):
                if name in known:
                    around[name] = known[name]
                elif name in level.variables:
                    around[name] = variable(level.variables[name])
                else:
                    around[name] = secret(name) if name in level.secrets else values[name]
            values = {
                spec.name: level.value(spec, around.__getitem__, self._clock)
                for spec in level.inputs
                if spec.name in inputs
            }
        return values


def _defaults(inputs: Iterable[InputSpec]) -> dict[str, Any]:
    """The values of inputs that are not given, as far as they are the same in every run."""
    optional = [spec for spec in inputs if not (spec.required or spec.moment)]
    try:
        return bind_inputs(optional, {})
    except InputError as error:
        raise ArgumentError(str(error)) from None


def scopes_of(graph: Graph) -> tuple[Scope, ...]:
    """The scope of each use of a graph, as `Graph.uses`."""
    schedules = tuple(spec.expression for spec in graph.schedules)
    found: list[Scope] = []
    # Of each text, and not of each use: a file may have many inputs, and many uses.
    offered = [
        (
            {spec.name: spec for spec in declared.variables},
            tuple(spec.name for spec in declared.secrets),
        )
        for _, declared in graph.declared()
    ]
    defaults = [_defaults(used.inputs) for used in graph.files]
    for use in graph.uses:
        around = () if use.within is None else found[use.within].levels
        variables, secrets = offered[use.file]
        level = Level.of(
            use.place,
            graph.files[use.of - 1].inputs,
            use.arguments,
            items=len(graph.topology.around[graph.topology.index[use.first]]),
            variables=variables,
            secrets=secrets,
            around=around[-1] if around else None,
            defaults=defaults[use.of - 1],
        )
        found.append(Scope((*around, level), schedules, graph.timezone))
    return tuple(found)

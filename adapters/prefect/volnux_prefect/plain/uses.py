"""Pipelines that a printed flow uses: the inputs that their places see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self

from volnux.events.scope import Level, Scope
from volnux.graph.texts import InputSpec
from volnux.pointy.defaults import default_of
from volnux_prefect.plain.names import argument_of, secrets_in, variables_in

__all__ = ["Use", "declared"]

_REQUIRED: Final[Any] = object()


def declared(
    name: str,
    type: str,
    default: Any = _REQUIRED,
    *,
    moment: str | None = None,
    choices: Iterable[str | int] = (),
    least: float | None = None,
    most: float | None = None,
) -> InputSpec:
    """An input of a used pipeline.

    Args:
        name: its name.
        type: one of `str`, `int`, `float`, `bool`, `date`, `datetime`, `list`, `dict`, as a string.
        default: its value if the use does not give it one. If omitted, the input is required.
        moment: a default that depends on the scheduled time, such as `scheduled - 1d`.
        choices: the allowed values; empty if any value is allowed.
        least: the smallest allowed value.
        most: the largest allowed value.
    """
    time = None if moment is None else default_of(moment, 0, name, type)[1]
    return InputSpec(
        name,
        type,
        required=default is _REQUIRED and time is None,
        default=None if default is _REQUIRED else default,
        choices=tuple(choices),
        least=least,
        most=most,
        moment=time,
    )


class Use:
    """One use of a pipeline. Its places see the inputs that are declared here, and no others.

    Args:
        place: what the ids of its places begin with, such as `clean`.
        *inputs: the inputs of the used pipeline.
        within: the use around this one.
        items: how many parts with an `Each` are around it.
        timezone: the time zone of the flow, for an input with a `moment`.
        schedules: the cron expressions of the flow, for an input with a `moment`.

    Attributes:
        scope: the values of the inputs.
    """

    def __init__(
        self,
        place: str,
        *inputs: InputSpec,
        within: Use | None = None,
        items: int = 0,
        timezone: str | None = None,
        schedules: Iterable[str] = (),
    ) -> None:
        self.place = place
        self._inputs = inputs
        self._around = () if within is None else within.scope.levels
        self._items = items
        self._timezone, self._schedules = timezone, tuple(schedules)
        self.scope: Scope
        self.given()

    def given(self, /, **arguments: Any) -> Self:
        """Give these values to the inputs.

        Args:
            **arguments: JSON values. They may contain an `Input` of the flow, or of the use around
                this one, a `Variable` or a `Secret`.
        """
        values = list(arguments.values())
        level = Level.of(
            self.place,
            self._inputs,
            [argument_of(name, value) for name, value in arguments.items()],
            items=self._items,
            variables={spec.name: spec for spec in variables_in(values)},
            secrets=secrets_in(values),
            around=self._around[-1] if self._around else None,
        )
        self.scope = Scope((*self._around, level), self._schedules, self._timezone)
        return self

    def __repr__(self) -> str:
        return f"<Use {self.place}>"

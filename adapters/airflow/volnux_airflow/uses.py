"""What the names in a used file mean to the tasks of a DAG: see `volnux.events.scope`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from volnux.events.scope import Level, Scope
from volnux_airflow.declared import arguments_of, used_inputs, variable_specs
from volnux_airflow.instants import UTC, Calendar

__all__ = ["use"]


def use(
    place: str,
    *,
    inputs: Mapping[str, str],
    arguments: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    within: Scope | None = None,
    in_each: bool = False,
    calendar: Calendar | None = None,
) -> Scope:
    """One use of a file in a DAG that is written in Python, for the operators of its events.

    Args:
        place: the place of the use, such as `clean`.
        inputs: the inputs of the used file, each with the text after its name in `@input`.
        arguments: the arguments of the use, by name; a `Name` in a value refers to an input, a
            variable or a secret of the file that uses it, or to the item of an `each` there.
        variables: the variables of that file, each with the text after its name in `@variable`.
        secrets: the names of its secrets.
        within: the use around this one.
        in_each: whether an `each` is around the whole use.
        calendar: the time zone and schedules of the pipeline; UTC if None.

    Raises:
        ArgumentError: an argument is not of the type of its input.
    """
    around = () if within is None else within.levels
    level = Level.of(
        place,
        used_inputs(inputs),
        arguments_of(arguments or {}),
        variables=variable_specs(variables or {}),
        secrets=secrets,
        around=around[-1] if around else None,
        items=int(in_each),
    )
    calendar = calendar or UTC
    return Scope((*around, level), calendar.schedules, calendar.timezone)

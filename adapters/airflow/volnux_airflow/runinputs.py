"""The inputs of a run, as a task reads them from the params of its DAG run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from volnux.events.inputs import bind_inputs
from volnux_airflow.declared import Inputs, input_specs
from volnux_airflow.instants import UTC, Calendar, instant_of_run

__all__ = ["RunInputs"]


class RunInputs:
    """Reads the inputs of runs.

    Args:
        inputs: the inputs of the pipeline. Their values are the params of the run.
        readers: for some inputs, a function that checks and converts the value.
        calendar: the time zone and schedules of the pipeline; UTC if None.

    Attributes:
        names: the names of the inputs.
    """

    def __init__(
        self,
        inputs: Inputs = (),
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        self._specs, found = input_specs(inputs)
        self._readers = {**found, **(readers or {})}
        self._calendar = calendar or UTC
        self.names = tuple(item.name for item in self._specs)

    @staticmethod
    def of(
        inputs: Inputs | RunInputs,
        readers: Mapping[str, Callable[[Any], Any]] | None,
        calendar: Calendar | None,
    ) -> RunInputs:
        """The inputs that an operator is given, whose arguments these are."""
        return inputs if isinstance(inputs, RunInputs) else RunInputs(inputs, readers, calendar)

    def __repr__(self) -> str:
        # Airflow stores this in the serialized DAG: it must be the same in every process.
        return f"<inputs {', '.join(self.names)}>" if self.names else "<no inputs>"

    def scheduled_at(self, context: Mapping[str, Any]) -> dt.datetime:
        """The scheduled time of a run, in the pipeline's time zone."""
        return self._calendar.local(instant_of_run(context["dag_run"]))

    def of_run(self, dag: Any, context: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a run.

        Raises:
            Exception: a value is not valid for its input.
        """
        params = context["params"]
        # Null, which an empty field of the form sends, means the default.
        given = {
            name: dag.params[name] if params[name] is None else params[name]
            for name in self.names
            if name in params
        }
        clock = None
        if any(item.moment is not None for item in self._specs):
            clock = self._calendar.clock(instant_of_run(context["dag_run"]))
        return bind_inputs(self._specs, given, self._readers, clock=clock)

"""The inputs, variables and scheduled time of a run, as the command line gives them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from volnux.cli.usage import UsageError
from volnux.errors import VolnuxError, nearest
from volnux.kit.instants import instant_of

if TYPE_CHECKING:
    from volnux.events import Plan
    from volnux.kit.resume import Resumption

__all__ = ["Given", "Values"]


class Values(NamedTuple):
    """What a run is given.

    Attributes:
        inputs: a value for every input.
        scheduled_at: its instant.
        variables: its own variables.
        resumed: the run that it resumes; None if it begins anew.
    """

    inputs: dict[str, Any]
    scheduled_at: dt.datetime
    variables: dict[str, str]
    resumed: Resumption | None = None


class Given(NamedTuple):
    """What was written on the command line.

    Attributes:
        inputs: `name=value` texts.
        input_file: a JSON file with an object of inputs.
        at: the instant, as ISO text.
        variables: `name=value` texts.
    """

    inputs: Sequence[str] = ()
    input_file: Path | None = None
    at: str | None = None
    variables: Sequence[str] = ()

    def read(self, plan: Plan, resumed: Resumption | None = None) -> Values:
        """The values for a run of a plan.

        Args:
            plan: the plan.
            resumed: the run that it resumes.

        Raises:
            InputError: with every fault of every input.
            UsageError: the instant, a variable or the file of inputs is not valid.
            ResumeError: the resumed run had another instant, or another value for an input.
        """
        from volnux.events.inputs import InputError, read_inputs

        instant = self._instant(plan)
        if resumed is not None:
            instant = resumed.instant(instant)
        instant = instant_of(plan.graph, instant)
        variables = self._variables(plan)
        from_file = self._from_file()
        specs = plan.graph.inputs
        faults: dict[str, str] = {}
        try:
            values = read_inputs(specs, self.inputs)
        except InputError as error:
            faults = error.faults
            good = [g for g in self.inputs if g.partition("=")[0].strip() not in faults]
            values = read_inputs(specs, good)
        bound: dict[str, Any] = {}
        try:
            given = {**from_file, **values}
            if resumed is None:
                bound = plan.bind(given, scheduled_at=instant)
            else:
                bound = resumed.bind(plan, given)
        except InputError as error:
            # A text that could not be read is one fault: its input is not also missing.
            faults = {**error.faults, **faults}
        if faults:
            raise InputError(faults)
        return Values(bound, instant, variables, resumed)

    def _instant(self, plan: Plan) -> dt.datetime | None:
        if self.at is None:
            return None
        from volnux.schedules.moments import instant_in

        try:
            return instant_in(self.at, plan.graph.timezone or "UTC")
        except ValueError:
            raise UsageError(
                [f"--at takes a time such as 2026-01-31T06:00, found '{self.at}'"]
            ) from None

    def _variables(self, plan: Plan) -> dict[str, str]:
        known = [spec.name for spec in plan.graph.all_variables]
        secrets = {spec.name for spec in plan.graph.all_secrets}
        values: dict[str, str] = {}
        faults = []
        for text in self.variables:
            name, equals, value = text.partition("=")
            name = name.strip()
            if not equals:
                faults.append(f"--var takes NAME=VALUE, found '{text}'")
            elif name in secrets:
                faults.append(
                    f"'{name}' is a secret: set VOLNUX_SECRET_{name.upper()}; others can "
                    "see the command line"
                )
            elif name not in known:
                close = nearest(name, known)
                hint = f"did you mean '{close[0]}'?" if close else f"variables: {', '.join(known)}"
                faults.append(
                    f"there is no variable '{name}'; {hint if known else 'the file has none'}"
                )
            elif name in values:
                faults.append(f"the variable '{name}' is given twice")
            values[name] = value
        if faults:
            raise UsageError(faults)
        return values

    def _from_file(self) -> dict[str, Any]:
        if self.input_file is None:
            return {}
        from volnux.files import read_bytes
        from volnux.strictjson import FormatError, read_json

        path = self.input_file
        try:
            values = read_json(read_bytes(path))
        except OSError as error:
            raise VolnuxError(f"{path} cannot be read: {error.strerror or error}") from None
        except (FormatError, UnicodeDecodeError) as error:
            raise VolnuxError(f"{path} is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise VolnuxError(f'{path} must hold a JSON object, such as {{"limit": 3}}')
        return values

"""The Prefect backend: checks plans, runs them and returns their reports."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from volnux.backends.port import Backend, RunOptions
from volnux.errors import Diagnostic
from volnux.events.link import Plan
from volnux.graph.report import RunReport
from volnux_prefect.checks import NAME, capabilities, check

if TYPE_CHECKING:
    from volnux.kit.backfill import Fill, PastRuns

__all__ = ["PrefectBackend"]


class PrefectBackend(Backend):
    """Runs a plan as a Prefect flow, on the configured server or on a temporary one.

    The run is an ordinary flow run with task runs on that server. If no server is configured,
    Prefect starts a temporary one. After the first Ctrl-C, no more events start, and running ones
    may finish.
    """

    name = NAME

    def __init__(self) -> None:
        self.capabilities = capabilities()

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """See `Backend.run`."""
        self.refuse(plan)
        from volnux_prefect.parameters import refuse_values
        from volnux_prefect.run import run_plan

        refuse_values(inputs)
        return run_plan(plan, inputs, options or RunOptions())

    def check(self, plan: Plan) -> list[Diagnostic]:
        """See `Backend.check`."""
        return check(plan, self.capabilities)

    def check_live(self, plan: Plan) -> list[Diagnostic]:
        """See `Backend.check_live`."""
        from volnux_prefect.live import lacking

        return lacking(plan)

    def past_runs(self, plan: Plan, fill: Fill) -> AbstractContextManager[PastRuns]:
        """See `Backend.past_runs`. They are flow runs of the deployment."""
        from volnux_prefect.pastruns import past_runs

        return past_runs(plan, fill)

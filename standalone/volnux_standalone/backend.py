"""The standalone backend: what it can do, and the way from a plan to a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volnux.backends.port import Backend, Capabilities, RunOptions
from volnux.events.link import Plan
from volnux.graph.report import RunReport
from volnux_standalone.run import Run
from volnux_standalone.urls import InstalledSchemes

__all__ = ["StandaloneBackend"]


class StandaloneBackend(Backend):
    """Runs a plan in this process and its worker processes, and returns when it has ended.

    Ctrl-C once: nothing new starts, what runs may finish, the run is cancelled. Twice: the run
    ends now; threads that still run are left behind.
    """

    name = "standalone"
    logs_failures = True

    capabilities = Capabilities(url_schemes=InstalledSchemes(), catchup=True)

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """See `Backend.run`."""
        self.refuse(plan)
        run = Run(plan, inputs, options or RunOptions(), self.name)
        try:
            return run.execute()
        finally:
            self.left_behind = run.left_behind

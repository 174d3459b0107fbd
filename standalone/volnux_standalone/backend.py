"""The standalone backend: its capabilities, and how it runs a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from volnux.backends.asking import require_answers
from volnux.backends.port import Backend, Capabilities, RunOptions
from volnux.events.link import Plan
from volnux.graph.report import RunReport
from volnux.kit.keeping import answers_of
from volnux_standalone.run import Run
from volnux_standalone.urls import InstalledSchemes

__all__ = ["StandaloneBackend"]


class StandaloneBackend(Backend):
    """Runs a plan in this process and its worker processes, and returns when the run has ended.

    The first Ctrl-C cancels the run: no more events start, and running ones may finish. The second
    one ends the run at once, and abandons threads that still run.
    """

    name = "standalone"
    logs_failures = True

    capabilities = Capabilities(
        url_schemes=InstalledSchemes(), catchup=True, approvals=True, resume=True
    )

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """See `Backend.run`."""
        self.refuse(plan)
        options = options or RunOptions()
        if any(spec is not None and spec.asks for spec in plan.specs):
            options = replace(options, answers=answers_of(options))
            require_answers(self.name, plan, options.answers)
        run = Run(plan, inputs, options, self.name)
        try:
            return run.execute()
        finally:
            self.left_behind = run.left_behind

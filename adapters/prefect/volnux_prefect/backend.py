"""The Prefect backend: what it can do, and the way from a plan to a run and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from volnux.backends.port import Backend, Capabilities, RunOptions
from volnux.errors import Diagnostic, Severity
from volnux.events.link import Plan
from volnux.graph.report import RunReport
from volnux_prefect.translate import directive_span, faults_of, has_dask

__all__ = ["PrefectBackend"]


class PrefectBackend(Backend):
    """Runs a plan as a Prefect flow, on the server that Prefect is set to, or on none.

    The run is a flow run like any other, with its task runs, on that server. Where there is no
    server, Prefect starts a temporary one. Ctrl-C once: nothing new starts, what runs may finish.
    """

    name = "prefect"

    def __init__(self) -> None:
        self.capabilities = Capabilities(
            hints=frozenset({"pool", "concurrency", "tags"}),
            url_schemes=frozenset({"dask"} if has_dask() else ()),
        )

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """See `Backend.run`."""
        self.refuse(plan)
        from volnux_prefect.flow import run_plan
        from volnux_prefect.parameters import refuse_values

        refuse_values(inputs)

        return run_plan(plan, inputs, options or RunOptions())

    def check(self, plan: Plan) -> list[Diagnostic]:
        """See `Backend.check`."""
        found = [self._placed(plan, diagnostic) for diagnostic in super().check(plan)]
        source = plan.graph.source.source() if plan.graph.source else None
        for fault in faults_of(plan):
            found.append(
                Diagnostic(
                    code="ignored-setting" if fault.note else "refused",
                    message=fault.message,
                    file=source.filename if source else plan.graph.name,
                    span=fault.span,
                    hint=fault.hint,
                    severity=Severity.NOTE if fault.note else Severity.ERROR,
                    text=source.line(fault.span.line) if source and fault.span else None,
                )
            )
        return sorted(found, key=lambda d: d.span or (0, 0, 0, 0))

    def check_live(self, plan: Plan) -> list[Diagnostic]:
        """See `Backend.check_live`."""
        from volnux_prefect.live import lacking

        return lacking(plan)

    def _placed(self, plan: Plan, diagnostic: Diagnostic) -> Diagnostic:
        """A finding about the whole file, with the place of the directive that it is about."""
        if diagnostic.span is None and "catchup" in diagnostic.message:
            span = directive_span(plan.graph, "catchup")
            if span is not None and plan.graph.source is not None:
                line = plan.graph.source.source().line(span.line)
                return replace(diagnostic, span=span, text=line)
        return diagnostic

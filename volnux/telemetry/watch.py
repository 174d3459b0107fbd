"""A run as telemetry watches it, from the process that drives it.

A backend asks `watch` for each run, hands each attempt out through `RunWatch.call`, and says with
`RunWatch.ended` how the run ended. Everything else telemetry hears from `announce_end`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volnux.events.link import Plan
    from volnux.events.run import Call
    from volnux.graph.report import RunReport
    from volnux.telemetry.tracing.spans import RunTrace

__all__ = ["RunWatch", "headers_of_here", "watch", "within"]


class RunWatch:
    """One run; a context around it."""

    def __init__(self, plan: Plan, run_id: str, backend: str) -> None:
        self._plan = plan
        self._run_id = run_id
        self._backend = backend
        self._trace: RunTrace | None = None
        self._token: Any = None
        self._logs = "volnux.telemetry.logs" in sys.modules
        self._report: RunReport | None = None

    def __enter__(self) -> RunWatch:
        from volnux.telemetry.records import RUNS

        RUNS[self._run_id] = (self._plan.graph.name, self._backend)
        if tracing_wanted():
            from volnux.telemetry.tracing.spans import begin_run

            self._trace = begin_run(self._plan, self._run_id, self._backend)
            self._token = self._trace.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._trace is not None:
            self._trace.leave(self._token)
            self._trace.end(self._report, error)
        from volnux.telemetry.records import RUNS

        RUNS.pop(self._run_id, None)

    def call(self, event: str, call: Call) -> Call:
        """The call with what its attempt runs within; every attempt goes through here."""
        if self._trace is not None:
            return call._replace(scope=self._trace.scope(event, call))
        if self._logs:
            from volnux.telemetry.scope import Scope

            return call._replace(scope=Scope(event))
        return call

    def ended(self, report: RunReport) -> RunReport:
        """The run has ended so; the report itself."""
        self._report = report
        return report


def watch(plan: Plan, run_id: str, backend: str) -> RunWatch | None:
    """The watch over a run that is about to begin; None where nobody would look at it."""
    # Another thread may be importing the module just now: then nobody listens yet.
    attempts = getattr(sys.modules.get("volnux.telemetry.records"), "attempt_ended", None)
    if (
        "volnux.telemetry.logs" in sys.modules
        or (attempts is not None and attempts.has_listeners)
        or tracing_wanted()
    ):
        return RunWatch(plan, run_id, backend)
    return None


def headers_of_here() -> dict[str, str]:
    """The current trace context, for another process; empty where nobody traces."""
    headers: dict[str, str] = {}
    if tracing_wanted():
        from opentelemetry import propagate

        propagate.inject(headers)
    return headers


@contextlib.contextmanager
def within(headers: Mapping[str, str]) -> Iterator[None]:
    """Run what stands below within a trace context that came from another process."""
    if not headers:
        yield
        return
    from opentelemetry import context, propagate

    token = context.attach(propagate.extract(dict(headers)))
    try:
        yield
    finally:
        context.detach(token)


def tracing_wanted() -> bool:
    """Whether an OpenTelemetry SDK was set up in this process."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        # Who sets up an SDK has imported its API.
        return False
    from volnux.telemetry.tracing.spans import sdk_is_set_up

    return sdk_is_set_up()

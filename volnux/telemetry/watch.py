"""Telemetry of a run: names for the records, the trace, and ids for the logs.

`listener` is called for each run, and for each task of a host; see `volnux.hooks`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from volnux.hooks import About, Listener
from volnux.imported import imported

if TYPE_CHECKING:
    from volnux.events.outcome import Call, Outcome
    from volnux.events.spec import EventSpec
    from volnux.graph.report import RunReport
    from volnux.telemetry.tracing.spans import RunTrace, TaskTrace

__all__ = ["headers_of_here", "listener", "within"]

_PATIENCE = 2.0
"""The maximum seconds for a task of a host to publish its metrics before its process ends."""


def listener(about: About, loaded: frozenset[str]) -> Listener | None:
    """The listener of a run or task; None if its data would not be used."""
    logs = "volnux.telemetry.logs" in loaded
    traces = "opentelemetry.trace" in loaded and tracing_wanted()
    if not (logs or traces or _recorded(loaded)):
        return None
    if about.plan is not None:
        return RunWatch(about, logs=logs, traces=traces)
    return TaskWatch(about, logs=logs, traces=traces)


def _recorded(loaded: frozenset[str]) -> bool:
    if "volnux.telemetry.records" not in loaded:
        return False
    # Another thread may be importing the module now: then there is no listener yet.
    signal = getattr(imported("volnux.telemetry.records"), "attempt_ended", None)
    return signal is not None and signal.has_listeners


class _Watch(Listener):
    """Emits a record for each attempt, and provides the ids of attempts to logs."""

    def __init__(self, about: About, *, logs: bool) -> None:
        self._about = about
        self._logs = logs

    def run_begins(self) -> None:
        """See `Listener`."""
        from volnux.telemetry.records import RUNS

        RUNS[self._about.run_id] = (self._about.pipeline, self._about.backend)

    def run_ended(self, report: RunReport | None, error: BaseException | None) -> None:
        """See `Listener`."""
        from volnux.telemetry.records import RUNS

        RUNS.pop(self._about.run_id, None)

    def call(self, spec: EventSpec, call: Call) -> Call:
        """See `Listener`."""
        if not self._logs:
            return call
        from volnux.here import Scope

        return call._replace(scope=Scope(spec.name))

    def retries(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self._record(spec, call, outcome)

    def waits(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self._record(spec, call, outcome)

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self._record(spec, call, outcome)

    def ended_elsewhere(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self._record(spec, call, outcome)

    def _record(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        from volnux.telemetry.records import attempt_ended, record_of

        if attempt_ended.has_listeners:
            attempt_ended.emit(record=record_of(spec, call, outcome, self._about.context))


class RunWatch(_Watch):
    """A whole run, watched from the process that drives it."""

    def __init__(self, about: About, *, logs: bool, traces: bool) -> None:
        super().__init__(about, logs=logs)
        self._traces = traces
        self._trace: RunTrace | None = None
        self._token: Any = None

    def run_begins(self) -> None:
        """See `Listener`."""
        super().run_begins()
        if self._traces:
            from volnux.telemetry.tracing.spans import begin_run

            assert self._about.plan is not None
            self._trace = begin_run(self._about.plan, self._about.run_id, self._about.backend)
            self._token = self._trace.enter()

    def run_ended(self, report: RunReport | None, error: BaseException | None) -> None:
        """See `Listener`."""
        if self._trace is not None:
            self._trace.leave(self._token)
            self._trace.end(report, error)
        super().run_ended(report, error)

    def call(self, spec: EventSpec, call: Call) -> Call:
        """See `Listener`."""
        if self._trace is not None:
            return call._replace(scope=self._trace.scope(spec.name, call))
        return super().call(spec, call)


class TaskWatch(_Watch):
    """One attempt in a task of a host, whose process ends soon after.

    Its span is a child of the host's span for the task. A host that does not trace still passes on
    a context, so that the tasks of a run share a trace.
    """

    def __init__(self, about: About, *, logs: bool, traces: bool) -> None:
        super().__init__(about, logs=logs)
        self._traces = traces
        self._trace: TaskTrace | None = None

    def run_ended(self, report: RunReport | None, error: BaseException | None) -> None:
        """See `Listener`; waiting items are published now."""
        super().run_ended(report, error)
        monitor: Any = imported("volnux.telemetry.monitor")
        if monitor is not None:
            monitor.flush(_PATIENCE)

    def call(self, spec: EventSpec, call: Call) -> Call:
        """See `Listener`."""
        if not self._traces or self._about.carrier is None:
            return super().call(spec, call)
        from volnux.telemetry.tracing.spans import TaskTrace

        about = self._about
        self._trace = TaskTrace(about.pipeline, about.backend, about.carrier, sampled=about.sampled)
        return self._trace.call(spec.name, call)

    def _record(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        super()._record(spec, call, outcome)
        if self._trace is not None:
            from volnux.telemetry.records import record_of

            self._trace.ended(record_of(spec, call, outcome, None))


def headers_of_here() -> dict[str, str]:
    """The current trace context, for another process; empty without tracing."""
    headers: dict[str, str] = {}
    if tracing_wanted():
        from opentelemetry import propagate

        propagate.inject(headers)
    return headers


@contextlib.contextmanager
def within(headers: Mapping[str, str]) -> Iterator[None]:
    """Run a block within a trace context from another process."""
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
    if imported("opentelemetry.trace") is None:
        return False
    from volnux.telemetry.tracing.spans import sdk_is_set_up

    return sdk_is_set_up()

"""Spans and metrics through the OpenTelemetry API: one span for each run and each event.

The span of an event begins when the event is submitted and ends with its last attempt, in the
process that drives the run. The attempts are span events, with the times of the machine where they
ran. Spans from the event's own code, in any process, are its children.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode

from volnux._version import __version__
from volnux.graph.outcome import FAILURE, Failure, RunStatus
from volnux.here import Scope
from volnux.telemetry import conventions as names
from volnux.telemetry.links import Ended, Sources
from volnux.telemetry.records import AttemptRecord, attempt_ended, network_ended
from volnux.telemetry.tracing.metrics import Instruments

if TYPE_CHECKING:
    from volnux.events.link import Plan
    from volnux.events.outcome import Call
    from volnux.graph.report import RunReport

__all__ = ["RunTrace", "TaskTrace", "begin_run", "sdk_is_set_up"]

_NAME = "volnux"
_LOCK = threading.Lock()
_RUNS: dict[str, RunTrace] = {}

_RESULTS = {
    RunStatus.SUCCESS: names.SUCCESS,
    RunStatus.FAILED: names.FAILURE,
    RunStatus.CANCELLED: names.CANCELLATION,
}


def sdk_is_set_up() -> bool:
    """Whether our spans would be recorded."""
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if _NAME in [name.strip() for name in disabled.split(",")]:
        return False
    provider = trace.get_tracer_provider()
    return not isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def begin_run(plan: Plan, run_id: str, backend: str) -> RunTrace:
    """Begin the span of a run as a child of the current span."""
    run = RunTrace(plan, run_id, backend)
    with _LOCK:
        _RUNS[run_id] = run
        attempt_ended.connect(_attempt_ended)
        network_ended.connect(_network_ended)
    return run


class RunTrace:
    """The spans of a run."""

    def __init__(self, plan: Plan, run_id: str, backend: str) -> None:
        graph = plan.graph
        self._tracer = trace.get_tracer(_NAME, __version__)
        self._instruments = Instruments.current()
        self._run_id = run_id
        self._sources = Sources(graph)
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Span, Scope]] = {}
        self._reasons: dict[str, str] = {}
        self._contexts: dict[str, SpanContext] = {}
        self._ended = Ended()
        self._attributes: dict[str, Any] = {names.PIPELINE_NAME: graph.name, names.BACKEND: backend}
        self._span = self._tracer.start_span(
            f"RUN {graph.name}",
            kind=SpanKind.SERVER,
            attributes={**self._attributes, names.PIPELINE_RUN_ID: run_id},
        )
        self._context = trace.set_span_in_context(self._span)

    def enter(self) -> Any:
        """Make the run's span the current one of this thread."""
        return otel_context.attach(self._context)

    def leave(self, token: Any) -> None:
        """Undo `enter`, given its return value."""
        otel_context.detach(token)

    def scope(self, event: str, call: Call) -> Scope:
        """The scope of an attempt; the first attempt of an event begins its span."""
        place = call.task_id
        with self._lock:
            known = self._open.get(place)
            if known is not None:
                return known[1]
            links = [
                Link(self._contexts[source], {names.LINK: "piped", names.PLACE: source})
                for source in self._sources.of(place, self._ended)
            ]
        span = self._tracer.start_span(
            event, context=self._context, attributes=self._about(event, call), links=links
        )
        within = trace.set_span_in_context(span, self._context)
        headers: dict[str, str] = {}
        propagate.inject(headers, context=within)
        scope = Scope(event, headers, within)
        with self._lock:
            self._open[place] = (span, scope)
        return scope

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Add an attempt or a poll to the span of its event; the last attempt ends the span."""
        with self._lock:
            known = self._open.get(record.place)
            if known is None:
                return
            before = self._reasons.pop(record.place, None)
            if record.waits:
                self._reasons[record.place] = note_poll(known[0], record, before)
                return
            last = record.retry_after is None
            if last:
                del self._open[record.place]
                if self._sources.wants(record.place):
                    self._contexts[record.place] = known[0].get_span_context()
                    self._ended.add(record.place, record.descriptor)
        note_attempt(known[0], record)
        if last:
            end_event(known[0], record)
            self._instruments.event(record, self._attributes)

    def end(self, report: RunReport | None, error: BaseException | None) -> None:
        """End the span of the run; spans of events that still run are dropped."""
        with _LOCK:
            _RUNS.pop(self._run_id, None)
        with self._lock:
            left, self._open = list(self._open.values()), {}
        for span, _ in left:
            span.set_attribute(names.TASK_RUN_RESULT, names.CANCELLATION)
            span.end()
        span = self._span
        result = names.FAILURE if report is None else _RESULTS[report.status]
        span.set_attribute(names.PIPELINE_RESULT, result)
        if report is not None:
            span.set_attribute(names.PIPELINE_RUN_ID, report.run_id)
        kind = None
        if error is not None:
            span.record_exception(error)
            kind = type(error).__qualname__
        elif report is not None and report.status is RunStatus.FAILED:
            kind = _first_error(report)
        if kind is not None:
            span.set_attribute(names.ERROR_TYPE, kind)
            span.set_status(Status(StatusCode.ERROR, kind))
        span.end()
        if report is not None and report.started_at and report.ended_at:
            seconds = (report.ended_at - report.started_at).total_seconds()
            self._instruments.run(seconds, self._attributes, result, kind)

    def _about(self, event: str, call: Call) -> dict[str, Any]:
        return {
            names.TASK_NAME: event,
            names.TASK_RUN_ID: f"{self._run_id}/{call.task_id}",
            names.PIPELINE_RUN_ID: self._run_id,
            names.PLACE: call.task_id,
            **self._attributes,
        }


def note_attempt(span: Span, record: AttemptRecord) -> None:
    """Add the start, the exception and the end of an attempt to the span of its event."""
    attempt = {names.ATTEMPT: record.attempt}
    if record.pid is not None:
        attempt[names.PROCESS_PID] = record.pid
    span.add_event("attempt.started", attempt, _nanoseconds(record.started_at))
    ended = _nanoseconds(record.ended_at)
    failure = record.failure
    if failure is not None:
        span.add_event("exception", {**_exception(failure), names.ATTEMPT: record.attempt}, ended)
    about: dict[str, Any] = {**attempt, names.DESCRIPTOR: record.descriptor}
    if record.retry_after is not None:
        about[names.RETRY_AFTER] = record.retry_after
    span.add_event("attempt.ended", about, ended)


def note_poll(span: Span, record: AttemptRecord, before: str | None) -> str:
    """Add a poll to the span of its event, unless its reason is the one before; return the reason.

    An event that says the same for days would fill its span.
    """
    reason = record.failure.message if record.failure else ""
    if reason != before:
        about: dict[str, Any] = {
            names.ATTEMPT: record.attempt,
            names.POLLS: record.polls,
            names.REASON: reason,
        }
        if record.retry_after is not None:
            about[names.RETRY_AFTER] = record.retry_after
        span.add_event("poll", about, _nanoseconds(record.ended_at))
    return reason


def end_event(span: Span, record: AttemptRecord) -> None:
    """End the span of an event."""
    failed = record.descriptor == FAILURE
    span.set_attributes(
        {
            names.DESCRIPTOR: record.descriptor,
            names.ATTEMPTS: record.attempt,
            names.TASK_RUN_RESULT: names.FAILURE if failed else names.SUCCESS,
        }
    )
    if record.pid is not None:
        span.set_attribute(names.PROCESS_PID, record.pid)
    if record.polls:
        span.set_attribute(names.POLLS, record.polls)
    if record.bypassed:
        span.set_attribute(names.BYPASSED, True)
    if failed:
        kind = record.failure.type if record.failure else "returned_failure"
        span.set_attribute(names.ERROR_TYPE, kind)
        said = str(record.failure) if record.failure else "the event returned a failure"
        span.set_status(Status(StatusCode.ERROR, said[:500]))
    span.end()


class TaskTrace:
    """The span of an event on an orchestrator that runs each attempt as a separate task.

    A call that says "not yet" has no span: it would be one for each poll of a day.

    Args:
        headers: the orchestrator's own trace context; used if there is no current span.
        pipeline, backend: the names of the run's pipeline and backend.
        sampled: treat the orchestrator's context as sampled, because it does not trace itself.
    """

    def __init__(
        self, pipeline: str, backend: str, headers: Mapping[str, str] | None, *, sampled: bool
    ) -> None:
        self._about = {names.PIPELINE_NAME: pipeline, names.BACKEND: backend}
        self._parent = _parent(headers or {}, sampled=sampled)
        self._span: Span | None = None

    def call(self, event: str, call: Call) -> Call:
        """Begin the span, and return the call with its scope."""
        tracer = trace.get_tracer(_NAME, __version__)
        self._span = tracer.start_span(
            event,
            context=self._parent,
            attributes={
                names.TASK_NAME: event,
                names.TASK_RUN_ID: f"{call.run_id}/{call.task_id}",
                names.PIPELINE_RUN_ID: call.run_id,
                names.PLACE: call.task_id,
                **self._about,
            },
        )
        within = trace.set_span_in_context(self._span, self._parent)
        headers: dict[str, str] = {}
        propagate.inject(headers, context=within)
        return call._replace(scope=Scope(event, headers, within))

    def ended(self, record: AttemptRecord) -> None:
        """End the span; drop it after a poll."""
        if self._span is not None and not record.waits:
            note_attempt(self._span, record)
            end_event(self._span, record)
            Instruments.current().event(record, self._about)


def _parent(headers: Mapping[str, str], *, sampled: bool) -> otel_context.Context:
    told = otel_context.get_current()
    if not trace.get_current_span(told).get_span_context().is_valid:
        told = propagate.extract(dict(headers))
    parent = trace.get_current_span(told).get_span_context()
    if not parent.is_valid or not sampled or parent.trace_flags.sampled:
        return told
    flags = trace.TraceFlags(parent.trace_flags | trace.TraceFlags.SAMPLED)
    again = SpanContext(parent.trace_id, parent.span_id, True, flags, parent.trace_state)
    return trace.set_span_in_context(trace.NonRecordingSpan(again), told)


def _attempt_ended(record: AttemptRecord) -> None:
    run = _RUNS.get(record.run_id)
    if run is not None:
        run.attempt_ended(record)


def _network_ended(record: dict[str, Any]) -> None:
    run = _RUNS.get(record["run_id"])
    if run is None:
        return
    run._instruments.network(record)
    known = run._open.get(record["task_id"])
    if known is not None:
        known[0].set_attributes(
            {
                names.URL_SCHEME: record["scheme"],
                names.SERVER_ADDRESS: record["host"],
                **({} if record["port"] is None else {names.SERVER_PORT: record["port"]}),
            }
        )


def _exception(failure: Failure) -> dict[str, str]:
    return {
        names.EXCEPTION_TYPE: failure.type,
        names.EXCEPTION_MESSAGE: failure.message,
        names.EXCEPTION_STACKTRACE: failure.traceback,
    }


def _first_error(report: RunReport) -> str:
    for place in report.places.values():
        if place.attempts and place.failure is not None and place.state == "failed":
            return place.failure.type
    return "event_failed"


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)

"""The records: of an attempt, of an event as it is published, and of a network operation.

Records are plain data, so worker processes can send them unchanged.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from volnux.events.executors import ExecutorKind
from volnux.graph.outcome import FAILURE, Failure
from volnux.redaction import redacted
from volnux.signal.soft import SoftSignal

if TYPE_CHECKING:
    from volnux.events.outcome import Call, Outcome
    from volnux.events.spec import EventSpec

__all__ = [
    "COMING_HOME",
    "RUNS",
    "AttemptRecord",
    "EventMetrics",
    "attempt_ended",
    "network_ended",
    "record_of",
]

attempt_ended: Final = SoftSignal("telemetry_attempt_ended", ("record",))
"""An attempt of an event has ended, as an `AttemptRecord`; from whatever process it ran in."""

network_ended: Final = SoftSignal("telemetry_network_ended", ("record",))
"""A network operation has ended: the dict that `publish_network_metrics` takes."""

COMING_HOME: Final = (attempt_ended, network_ended)
"""The signals that worker processes of a batch pipeline send home when somebody listens there."""

RUNS: Final[dict[str, tuple[str, str]]] = {}
"""Of the runs that this process drives: the names of pipeline and backend, by run id."""

_MOST_TEXT: Final = 2_000


class AttemptRecord(NamedTuple):
    """One attempt of an event, when it has ended.

    Attributes:
        event: the event's name.
        place: the place in the flow.
        run_id, pipeline, backend: the run; empty where they are not known.
        attempt: counts from 1.
        descriptor: what it ended with.
        failure: the exception of the attempt, even if the event is retried.
        retry_after: seconds until the next attempt; None when none follows.
        started_at, ended_at: seconds since the epoch, by the clock of where it ran.
        pid: the process where it ran; None if it was lost there.
        bypassed: `can_bypass` made `process` unnecessary.
    """

    event: str
    place: str
    run_id: str
    pipeline: str
    backend: str
    attempt: int
    descriptor: int
    failure: Failure | None
    retry_after: float | None
    started_at: float
    ended_at: float
    pid: int | None
    bypassed: bool


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """An event that has ended: what publishers are given.

    Attributes:
        event_name: the event's name.
        task_id: the place in the flow.
        run_id, pipeline, backend: the run; empty where they are not known.
        status: `success`, or `failure` where it ended with descriptor 0.
        descriptor: 0 to 9.
        started_at, ended_at: of the first and the last attempt, seconds since the epoch.
        duration_seconds: in attempts, all together; waits between them are not counted.
        attempts: how many were made; `retries` is one less.
        error_type, error_message: of the exception that was left; None where there is none.
        process_id: where the last attempt ran; None if that process was lost.
        bypassed: `can_bypass` made `process` unnecessary.
    """

    event_name: str
    task_id: str
    run_id: str
    pipeline: str
    backend: str
    status: str
    descriptor: int
    started_at: float
    ended_at: float
    duration_seconds: float
    attempts: int
    error_type: str | None = None
    error_message: str | None = None
    process_id: int | None = None
    bypassed: bool = False

    @property
    def retries(self) -> int:
        """How often it was repeated."""
        return self.attempts - 1

    def to_json(self) -> dict[str, Any]:
        """The metrics as plain JSON, with times as ISO text in UTC."""
        data = asdict(self)
        data["retries"] = self.retries
        for name in ("started_at", "ended_at"):
            data[name] = iso(data[name])
        return data


def record_of(spec: EventSpec, call: Call, outcome: Outcome, context: Any) -> AttemptRecord:
    """The record of an attempt, from what the process that drives the run knows of it."""
    run = RUNS.get(call.run_id)
    if run is None:
        run = _names(context)
    failure = outcome.result
    if outcome.retry_after is not None and type(failure) is Failure:
        failure = failure.bare()
    pid = outcome.pid
    if pid is None and _in_this_process(spec):
        pid = os.getpid()
    return AttemptRecord(
        spec.name,
        call.task_id,
        call.run_id,
        *run,
        call.attempt,
        outcome.descriptor,
        failure if type(failure) is Failure and outcome.descriptor == FAILURE else None,
        outcome.retry_after,
        outcome.started_at,
        outcome.ended_at,
        pid,
        outcome.bypassed,
    )


def metrics_of(last: AttemptRecord, first_started: float, seconds: float) -> EventMetrics:
    """The metrics of an event from its last attempt, and what its attempts add up to."""
    failure = last.failure
    return EventMetrics(
        last.event,
        last.place,
        last.run_id,
        last.pipeline,
        last.backend,
        "failure" if last.descriptor == FAILURE else "success",
        last.descriptor,
        first_started,
        last.ended_at,
        seconds,
        last.attempt,
        failure.type if failure else None,
        redacted(shortened(failure.message)) if failure else None,
        last.pid,
        last.bypassed,
    )


def shortened(text: str) -> str:
    """A text of bounded length: some exceptions carry a whole web page."""
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO text in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def _names(context: Any) -> tuple[str, str]:
    pipeline = getattr(context, "pipeline", None)
    if pipeline is None:
        return "", ""
    linked = getattr(type(pipeline), "_linked", None)
    name = linked.graph.name if linked is not None else type(pipeline).__name__
    return name, ""


def _in_this_process(spec: EventSpec) -> bool:
    executor = spec.executor
    if executor.kind is ExecutorKind.DEFAULT:
        return True
    # Imported late: code with such a pool has imported it.
    from concurrent.futures import ThreadPoolExecutor

    return executor.pool is not None and issubclass(executor.pool, ThreadPoolExecutor)

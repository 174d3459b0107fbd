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
"""A call of an event has ended, in any process; the argument is an `AttemptRecord`."""

network_ended: Final = SoftSignal("telemetry_network_ended", ("record",))
"""A network operation has ended; the argument is the dict for `publish_network_metrics`."""

COMING_HOME: Final = (attempt_ended, network_ended)
"""The signals that worker processes of a batch pipeline send to a main process with listeners."""

RUNS: Final[dict[str, tuple[str, str]]] = {}
"""The names of pipeline and backend of the runs that this process drives, by run id."""

_MOST_TEXT: Final = 2_000


class AttemptRecord(NamedTuple):
    """One attempt of an event that has ended, or a call of it that said "not yet".

    Attributes:
        event: the event's name.
        place: the place in the flow.
        run_id, pipeline, backend: the run; empty if they are not known.
        attempt: the number of the attempt, from 1.
        descriptor: the descriptor of the attempt, 0 to 9.
        failure: the exception of the attempt, even if the event is retried.
        retry_after: seconds until the next call; None if none follows.
        started_at, ended_at: seconds since the epoch, by the clock of the machine where it ran.
        pid: the id of the process where it ran; None if that process was lost.
        bypassed: whether `process` was skipped because of `can_bypass`.
        polls: how many calls of the event have said "not yet".
        waits: whether this call said so: its attempt goes on, and `failure` has the reason.
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
    polls: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """The metrics of an event that has ended, as publishers get them.

    Attributes:
        event_name: the event's name.
        task_id: the place in the flow.
        run_id, pipeline, backend: the run; empty if they are not known.
        status: `failure` if it ended with descriptor 0, else `success`.
        descriptor: 0 to 9.
        started_at, ended_at: start of the first attempt and end of the last, in seconds since the
            epoch.
        duration_seconds: the total duration of all calls, without the waits between them.
        attempts: the number of attempts; `retries` is one less. It is 0 if the event was not
            started because of the value that was piped to it.
        error_type, error_message: the exception of the last attempt; None if there is none.
        process_id: the id of the process of the last attempt; None if that process was lost.
        bypassed: whether `process` was skipped because of `can_bypass`.
        polls: how many calls said "not yet".
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
    polls: int = 0

    @property
    def retries(self) -> int:
        """The number of retries."""
        return max(0, self.attempts - 1)

    def to_json(self) -> dict[str, Any]:
        """The metrics as plain JSON, with times as ISO text in UTC."""
        data = asdict(self)
        data["retries"] = self.retries
        for name in ("started_at", "ended_at"):
            data[name] = iso(data[name])
        return data


def record_of(spec: EventSpec, call: Call, outcome: Outcome, context: Any) -> AttemptRecord:
    """Create the record of an attempt or a poll, in the process that drives the run."""
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
        min(call.attempt, outcome.attempts),
        outcome.descriptor,
        failure if type(failure) is Failure and outcome.descriptor == FAILURE else None,
        outcome.retry_after,
        outcome.started_at,
        outcome.ended_at,
        pid,
        outcome.bypassed,
        0 if outcome.polls is None else outcome.polls.number,
        outcome.waits,
    )


def metrics_of(last: AttemptRecord, first_started: float, seconds: float) -> EventMetrics:
    """Create the metrics of an event from its last attempt and the totals of all its attempts."""
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
        last.polls,
    )


def shortened(text: str) -> str:
    """A text of limited length: some exceptions contain a whole web page."""
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
    # Looked up late: code with such a pool has already imported it.
    from concurrent.futures import ThreadPoolExecutor

    return executor.pool is not None and issubclass(executor.pool, ThreadPoolExecutor)

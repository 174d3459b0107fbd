"""Names of attributes and metrics: those of OpenTelemetry if they exist, else our own.

They follow the semantic conventions of OpenTelemetry: those for CI/CD pipelines (pipelines, runs
and tasks), for exceptions (errors), for servers (hosts) and for processes.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "DURATION_BUCKETS",
    "ERROR_TYPE",
    "PIPELINE_NAME",
    "PIPELINE_RESULT",
    "PIPELINE_RUN_ID",
    "PROCESS_PID",
    "TASK_NAME",
    "TASK_RUN_ID",
    "TASK_RUN_RESULT",
]

PIPELINE_NAME: Final = "cicd.pipeline.name"
PIPELINE_RUN_ID: Final = "cicd.pipeline.run.id"
PIPELINE_RUN_STATE: Final = "cicd.pipeline.run.state"
PIPELINE_RESULT: Final = "cicd.pipeline.result"
TASK_NAME: Final = "cicd.pipeline.task.name"
TASK_RUN_ID: Final = "cicd.pipeline.task.run.id"
TASK_RUN_RESULT: Final = "cicd.pipeline.task.run.result"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
PROCESS_PID: Final = "process.pid"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
URL_SCHEME: Final = "url.scheme"

BACKEND: Final = "volnux.backend"
PLACE: Final = "volnux.place"
EVENT: Final = "volnux.event"
DESCRIPTOR: Final = "volnux.descriptor"
ATTEMPT: Final = "volnux.attempt"
ATTEMPTS: Final = "volnux.attempts"
POLLS: Final = "volnux.polls"
REASON: Final = "volnux.reason"
BYPASSED: Final = "volnux.bypassed"
RETRY_AFTER: Final = "volnux.retry_after"
LINK: Final = "volnux.link"
DIRECTION: Final = "network.io.direction"

SUCCESS: Final = "success"
FAILURE: Final = "failure"
CANCELLATION: Final = "cancellation"

RUN_DURATION: Final = "cicd.pipeline.run.duration"
EVENT_DURATION: Final = "volnux.event.duration"
EVENT_ATTEMPTS: Final = "volnux.event.attempts"
EVENT_POLLS: Final = "volnux.event.polls"
NETWORK_LATENCY: Final = "volnux.network.latency"
NETWORK_IO: Final = "volnux.network.io"

DURATION_BUCKETS: Final = (
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
)  # fmt: skip
"""The bounds of histogram buckets in seconds, from almost empty events to those of an hour."""

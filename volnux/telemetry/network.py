"""Network operations: events that are sent to another machine, and their outcomes.

Code that sends events to other machines calls `network_operation`; pools on this machine do not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from volnux.redaction import redacted
from volnux.telemetry.records import network_ended, shortened

if TYPE_CHECKING:
    from volnux.events.outcome import Call, Outcome

__all__ = ["Sent", "host_and_port", "network_operation", "watches_network"]


def watches_network() -> bool:
    """Whether network operations are recorded."""
    return network_ended.has_listeners


class Sent:
    """An event that is sent to another machine, and its answer.

    Args:
        url: the executor.
        event: the event's name.
        call: the arguments of the attempt.
        size: the number of bytes that were sent.
    """

    def __init__(self, url: str, event: str, call: Call, size: int) -> None:
        self._url = url
        self._event = event
        self._call = call
        self._size = size
        self._started = time.time()

    def came_back(self, answer: object, outcome: Outcome | BaseException) -> None:
        """Record the transfer in both directions.

        Args:
            answer: the answer, as bytes if it is known in that form; None if there was none.
            outcome: the outcome of the attempt, or the error that prevented one.
        """
        error = outcome if isinstance(outcome, BaseException) else None
        ran = 0.0 if isinstance(outcome, BaseException) else outcome.ended_at - outcome.started_at
        network_operation(
            self._url,
            started_at=self._started,
            executed_seconds=ran,
            bytes_sent=self._size,
            bytes_received=len(answer) if isinstance(answer, bytes) else 0,
            error=error,
            event=self._event,
            task_id=self._call.task_id,
            run_id=self._call.run_id,
        )


def network_operation(
    url: str,
    *,
    started_at: float,
    ended_at: float | None = None,
    executed_seconds: float = 0.0,
    bytes_sent: int = 0,
    bytes_received: int = 0,
    error: BaseException | None = None,
    event: str = "",
    task_id: str = "",
    run_id: str = "",
    operation: str = "submit",
) -> None:
    """Note that an operation has ended.

    Args:
        url: the URL of the other machine, such as `dask://host:8786`. User and password are
            removed.
        started_at: seconds since the epoch.
        ended_at: seconds since the epoch; now if None.
        executed_seconds: how long the event itself ran on the other machine, in seconds.
        bytes_sent: the size of the event with its inputs.
        bytes_received: the size of its outcome.
        error: why it failed; a failure of the event itself does not count.
        event: the name of the event.
        task_id: its place in the flow.
        run_id: its run.
        operation: the name of the operation.
    """
    if not network_ended.has_listeners:
        return
    ended = time.time() if ended_at is None else ended_at
    duration = max(0.0, ended - started_at)
    scheme, host, port = host_and_port(url)
    record: dict[str, Any] = {
        "operation": operation,
        "scheme": scheme,
        "host": host,
        "port": port,
        "status": "success" if error is None else "failure",
        "started_at": started_at,
        "ended_at": ended,
        "duration_seconds": duration,
        "latency_seconds": max(0.0, duration - executed_seconds),
        "bytes_sent": bytes_sent,
        "bytes_received": bytes_received,
        "error_type": None if error is None else type(error).__name__,
        "error_message": None if error is None else redacted(shortened(str(error))),
        "event_name": event,
        "task_id": task_id,
        "run_id": run_id,
    }
    network_ended.emit(record=record)


def host_and_port(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL; the port is None if the URL has none."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets without a valid address
        return url.partition("://")[0], "localhost", None
    try:
        port = parts.port
    except ValueError:
        port = None
    # A URL without a host means a cluster on this machine.
    return parts.scheme, parts.hostname or "localhost", port

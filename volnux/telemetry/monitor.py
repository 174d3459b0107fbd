"""Switches monitoring on and off, and returns the recorded data."""

from __future__ import annotations

import atexit
import json
import threading
from collections.abc import Iterable
from typing import Any

from volnux.telemetry.publishers.base import MetricsPublisher, single
from volnux.telemetry.publishers.delivery import Delivery
from volnux.telemetry.records import AttemptRecord, EventMetrics, attempt_ended, network_ended
from volnux.telemetry.store import Store

__all__ = [
    "flush",
    "get_failed_events",
    "get_failed_network_ops",
    "get_metrics",
    "get_retry_stats",
    "get_slow_events",
    "get_slow_network_ops",
    "monitor_events",
    "reset_metrics",
    "stop_monitoring",
]

_LOCK = threading.RLock()
_STORE = Store()
_deliveries: tuple[Delivery, ...] = ()
_at_exit = False


def monitor_events(
    publishers: Iterable[MetricsPublisher] | MetricsPublisher = (),
    *,
    queue_size: int = 10_000,
) -> None:
    """From now on, record all events of runs that this process drives.

    A further call adds publishers; recorded data stays.

    Args:
        publishers: objects that also receive the metrics.
        queue_size: the maximum number of metrics that wait for each publisher. If there are more,
            the oldest are dropped and counted.
    """
    global _at_exit, _deliveries
    if isinstance(publishers, MetricsPublisher):
        publishers = [publishers]
    given = list(publishers)
    for each in given:
        if not isinstance(each, MetricsPublisher):
            raise TypeError(f"a publisher must be a MetricsPublisher, found {each!r}")
    with _LOCK:
        known = [delivery.publisher for delivery in _deliveries]
        new = [each for each in single(given) if each not in known]
        _deliveries = (*_deliveries, *(Delivery(each, size=queue_size) for each in new))
        attempt_ended.connect(_attempt_ended)
        network_ended.connect(_network_ended)
        if not _at_exit:
            atexit.register(stop_monitoring)
            _at_exit = True


def stop_monitoring(*, timeout: float = 5.0) -> None:
    """Stop recording, and publish waiting items; recorded data can still be read.

    Args:
        timeout: seconds for each publisher; items not published by then are dropped and counted.
    """
    global _deliveries
    with _LOCK:
        attempt_ended.disconnect(_attempt_ended)
        network_ended.disconnect(_network_ended)
        deliveries, _deliveries = _deliveries, ()
    for delivery in deliveries:
        delivery.close(timeout)


def flush(timeout: float = 5.0) -> bool:
    """Publish waiting items, within `timeout` seconds per publisher; whether all were published."""
    went_out = [delivery.flush(timeout) for delivery in _deliveries]
    return all(went_out)


def reset_metrics() -> None:
    """Delete the recorded data."""
    _STORE.clear()


def get_metrics() -> str:
    """All recorded data as JSON: totals, by place, by run, by host, and the latest events.

    `docs/telemetry.md` describes it. Memory is bounded: the totals count everything, and the rest
    covers as much of the past as the limits allow.
    """
    data = _STORE.to_json()
    data["publishers"] = [delivery.to_json() for delivery in _deliveries]
    return json.dumps(data, ensure_ascii=False)


def get_failed_events() -> list[EventMetrics]:
    """The latest events that ended with descriptor 0, handled or not."""
    return _STORE.failed()


def get_slow_events(threshold_seconds: float = 1.0) -> list[EventMetrics]:
    """Events that took longer than a number of seconds, the slowest first."""
    return _STORE.slow(threshold_seconds)


def get_retry_stats() -> dict[str, Any]:
    """How many events were repeated, how often, and where."""
    return _STORE.retries()


def get_failed_network_ops() -> list[dict[str, Any]]:
    """The latest network operations that failed."""
    return _STORE.failed_network()


def get_slow_network_ops(threshold_seconds: float = 1.0) -> list[dict[str, Any]]:
    """Network operations with a longer latency than a number of seconds, the slowest first."""
    return _STORE.slow_network(threshold_seconds)


def _attempt_ended(record: AttemptRecord) -> None:
    event = _STORE.attempt(record)
    if event is not None:
        for delivery in _deliveries:
            delivery.put(event)


def _network_ended(record: dict[str, Any]) -> None:
    _STORE.network(record)
    for delivery in _deliveries:
        delivery.put(record)

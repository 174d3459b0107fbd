"""Keeps metrics of all runs in bounded memory."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import OrderedDict, deque
from typing import Any, Final

from volnux.graph.places import template_of
from volnux.telemetry.records import AttemptRecord, EventMetrics, iso, metrics_of

__all__ = ["Limits", "Store"]

OTHER: Final = "(other)"
"""The name under which places, hosts or error types beyond the limit are counted."""


class Limits:
    """The limits for each kind of data; the totals always count everything."""

    recent = 5_000
    failed = 1_000
    slowest = 1_000
    places = 5_000
    runs = 1_000
    errors = 200
    hosts = 200
    waiting = 10_000


class _Sums:
    """The totals of the events of one place, or one run."""

    __slots__ = (
        *("attempts", "count", "failed", "first", "last", "maximum", "minimum"),
        *("polls", "retries", "seconds"),
    )

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0
        self.attempts = 0
        self.retries = 0
        self.polls = 0
        self.seconds = 0.0
        self.minimum = float("inf")
        self.maximum = 0.0
        self.first = float("inf")
        self.last = 0.0

    def add(self, event: EventMetrics) -> None:
        seconds = event.duration_seconds
        self.count += 1
        self.failed += event.descriptor == 0
        self.attempts += event.attempts
        self.retries += event.retries
        self.polls += event.polls
        self.seconds += seconds
        self.minimum = min(self.minimum, seconds)
        self.maximum = max(self.maximum, seconds)
        self.first = min(self.first, event.started_at)
        self.last = max(self.last, event.ended_at)

    def to_json(self) -> dict[str, Any]:
        return {
            "events": self.count,
            "failed": self.failed,
            "attempts": self.attempts,
            "retries": self.retries,
            "polls": self.polls,
            "total_seconds": self.seconds,
            "mean_seconds": self.seconds / self.count if self.count else 0.0,
            "min_seconds": self.minimum if self.count else 0.0,
            "max_seconds": self.maximum,
            "first_started_at": iso(self.first) if self.count else None,
            "last_ended_at": iso(self.last) if self.count else None,
        }


class _Slowest:
    """Keeps the slowest of many items in a heap of limited size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, Any]] = []
        self._numbers = itertools.count()

    def add(self, seconds: float, item: Any) -> None:
        heap = self._heap
        if len(heap) < self._size:
            heapq.heappush(heap, (seconds, next(self._numbers), item))
        elif seconds > heap[0][0]:
            heapq.heapreplace(heap, (seconds, next(self._numbers), item))

    def above(self, threshold: float) -> list[Any]:
        """The items that took longer than `seconds`, the slowest first."""
        ordered = sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))
        return [item for seconds, _, item in ordered if seconds > threshold]


class Store:
    """Counts and stores metrics; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Delete everything."""
        with self._lock:
            self._since = time.time()
            self._all = _Sums()
            self._retried = 0
            self._places: dict[tuple[str, str, str], _Sums] = {}
            self._runs: OrderedDict[str, tuple[str, _Sums]] = OrderedDict()
            self._errors: dict[str, int] = {}
            self._recent: deque[EventMetrics] = deque(maxlen=Limits.recent)
            self._failed: deque[EventMetrics] = deque(maxlen=Limits.failed)
            self._slowest = _Slowest(Limits.slowest)
            # For events that wait for their next call: the first start, and the seconds so far.
            self._waiting: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
            self._hosts: dict[tuple[str, str, int | None], dict[str, Any]] = {}
            self._failed_ops: deque[dict[str, Any]] = deque(maxlen=Limits.failed)
            self._slowest_ops = _Slowest(Limits.slowest)

    def attempt(self, record: AttemptRecord) -> EventMetrics | None:
        """Add an attempt or a poll; returns the metrics of its event if it was the last call."""
        seconds = max(0.0, record.ended_at - record.started_at)
        with self._lock:
            key = (record.run_id, record.place)
            if record.retry_after is None and key not in self._waiting:
                event = metrics_of(record, record.started_at, seconds)
            else:
                first, before = self._waiting.pop(key, (record.started_at, 0.0))
                if record.retry_after is not None:
                    self._waiting[key] = (first, before + seconds)
                    if len(self._waiting) > Limits.waiting:
                        self._waiting.popitem(last=False)
                    return None
                event = metrics_of(record, first, before + seconds)
            self._take(event)
        return event

    def _take(self, event: EventMetrics) -> None:
        self._all.add(event)
        self._retried += event.attempts > 1
        place = (event.pipeline, template_of(event.task_id), event.event_name)
        sums = self._places.get(place)
        if sums is None:
            if len(self._places) >= Limits.places:
                place = (OTHER, OTHER, OTHER)
            sums = self._places.setdefault(place, _Sums())
        sums.add(event)
        run = self._runs.get(event.run_id)
        if run is None:
            run = self._runs[event.run_id] = (event.pipeline, _Sums())
            if len(self._runs) > Limits.runs:
                self._runs.popitem(last=False)
        run[1].add(event)
        self._recent.append(event)
        self._slowest.add(event.duration_seconds, event)
        if event.status == "failure":
            self._failed.append(event)
            kind = event.error_type or "(returned)"
            if kind not in self._errors and len(self._errors) >= Limits.errors:
                kind = OTHER
            self._errors[kind] = self._errors.get(kind, 0) + 1

    def network(self, record: dict[str, Any]) -> None:
        """Add a network operation."""
        with self._lock:
            key = (record["scheme"], record["host"], record["port"])
            if key not in self._hosts and len(self._hosts) >= Limits.hosts:
                key = (OTHER, OTHER, None)
            sums = self._hosts.setdefault(
                key,
                {
                    "operations": 0,
                    "failed": 0,
                    "bytes_sent": 0,
                    "bytes_received": 0,
                    "total_latency_seconds": 0.0,
                    "max_latency_seconds": 0.0,
                },
            )
            latency = record["latency_seconds"]
            sums["operations"] += 1
            sums["bytes_sent"] += record["bytes_sent"]
            sums["bytes_received"] += record["bytes_received"]
            sums["total_latency_seconds"] += latency
            sums["max_latency_seconds"] = max(sums["max_latency_seconds"], latency)
            self._slowest_ops.add(latency, record)
            if record["status"] == "failure":
                sums["failed"] += 1
                self._failed_ops.append(record)

    def failed(self) -> list[EventMetrics]:
        """The events that failed, the latest last."""
        with self._lock:
            return list(self._failed)

    def slow(self, threshold: float) -> list[EventMetrics]:
        """The events that took longer than `seconds`, the slowest first."""
        with self._lock:
            return self._slowest.above(threshold)

    def failed_network(self) -> list[dict[str, Any]]:
        """The network operations that failed, the latest last."""
        with self._lock:
            return [dict(record) for record in self._failed_ops]

    def slow_network(self, threshold: float) -> list[dict[str, Any]]:
        """The network operations with a longer latency, the slowest first."""
        with self._lock:
            return [dict(record) for record in self._slowest_ops.above(threshold)]

    def retries(self) -> dict[str, Any]:
        """The numbers of retries, in total and by place."""
        with self._lock:
            by_place = [
                {"pipeline": pipeline, "task_id": place, "event_name": event, **_retries(sums)}
                for (pipeline, place, event), sums in self._places.items()
                if sums.retries
            ]
            return {
                "events": self._all.count,
                "retried_events": self._retried,
                "total_retries": self._all.retries,
                "places": by_place,
            }

    def to_json(self) -> dict[str, Any]:
        """Everything in the store as JSON."""
        with self._lock:
            return {
                "format_version": 1,
                "since": iso(self._since),
                "totals": self._all.to_json(),
                "errors": dict(self._errors),
                "places": [
                    {"pipeline": pipeline, "task_id": place, "event_name": event, **sums.to_json()}
                    for (pipeline, place, event), sums in self._places.items()
                ],
                "runs": [
                    {"run_id": run_id, "pipeline": pipeline, **sums.to_json()}
                    for run_id, (pipeline, sums) in self._runs.items()
                ],
                "network": [
                    {"scheme": scheme, "host": host, "port": port, **sums}
                    for (scheme, host, port), sums in self._hosts.items()
                ],
                "events": [event.to_json() for event in self._recent],
            }


def _retries(sums: _Sums) -> dict[str, int]:
    return {
        "events": sums.count,
        "attempts": sums.attempts,
        "retries": sums.retries,
        "failed": sums.failed,
    }

"""Running totals as an OTLP metrics request, in protobuf."""

from __future__ import annotations

import bisect
import os
import socket
import time
import uuid
from typing import Any, Final

from volnux._version import __version__
from volnux.graph.places import template_of
from volnux.telemetry.conventions import DURATION_BUCKETS
from volnux.telemetry.publishers.base import Item
from volnux.telemetry.records import EventMetrics

__all__ = ["Totals"]

Key = tuple[tuple[str, str], ...]

_UNITS: Final = {
    "volnux.events": ("{event}", "Events that have ended."),
    "volnux.event.attempts": ("{attempt}", "Attempts of events that have ended."),
    "volnux.event.retries": ("{retry}", "Attempts after the first."),
    "volnux.event.polls": ("{poll}", 'Calls that said "not yet".'),
    "volnux.event.errors": ("{error}", "Events that failed."),
    "volnux.network.operations": ("{operation}", "Events sent to another machine."),
    "volnux.network.errors": ("{error}", "Failed operations."),
    "volnux.network.sent": ("By", "Bytes sent."),
    "volnux.network.received": ("By", "Bytes received."),
    "volnux.event.duration": ("s", "Duration of an event, without the waits between attempts."),
    "volnux.network.latency": ("s", "Seconds in transit to and from another machine."),
}


class _Histogram:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BUCKETS) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_left(DURATION_BUCKETS, value)] += 1
        self.sum += value


class Totals:
    """Totals since the start, by labels; the same as those of `PrometheusPublisher`.

    Prometheus and similar systems also give them the same names: `volnux.event.duration` in seconds
    becomes `volnux_event_duration_seconds`, and `volnux.events` becomes `volnux_events_total`.
    """

    def __init__(self) -> None:
        self._started = time.time_ns()
        self._sums: dict[str, dict[Key, int]] = {}
        self._histograms: dict[str, dict[Key, _Histogram]] = {}
        self._instance = uuid.uuid4().hex
        self._pid = os.getpid()

    def add(self, item: Item) -> None:
        """Add an item to the totals."""
        if isinstance(item, EventMetrics):
            self._add_event(item)
        else:
            self._add_network(item)

    def request(self, service: str) -> bytes:
        """The totals as an `ExportMetricsServiceRequest`."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )
        from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

        now = time.time_ns()
        message = ExportMetricsServiceRequest()
        resource = message.resource_metrics.add()
        about = {
            "service.name": service,
            "service.instance.id": self._instance,
            "host.name": socket.gethostname(),
        }
        _put(resource.resource.attributes, tuple(about.items()))
        scope = resource.scope_metrics.add()
        scope.scope.name, scope.scope.version = "volnux", __version__
        for name, sums in self._sums.items():
            metric = _metric(scope.metrics, name)
            metric.sum.is_monotonic = True
            metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
            for key, total in sums.items():
                self._point(metric.sum.data_points, key, now).as_int = total
        for name, histograms in self._histograms.items():
            metric = _metric(scope.metrics, name)
            metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
            for key, histogram in histograms.items():
                point = self._point(metric.histogram.data_points, key, now)
                point.bucket_counts.extend(histogram.counts)
                point.explicit_bounds.extend(DURATION_BUCKETS)
                point.count = sum(histogram.counts)
                point.sum = histogram.sum
        return bytes(message.SerializeToString())

    def _point(self, points: Any, key: Key, now: int) -> Any:
        point = points.add()
        _put(point.attributes, key)
        point.start_time_unix_nano = self._started
        point.time_unix_nano = now
        return point

    def _add_event(self, event: EventMetrics) -> None:
        place = (
            ("pipeline", event.pipeline),
            ("place", template_of(event.task_id)),
            ("event", event.event_name),
        )
        self._sum("volnux.events", (*place, ("status", event.status)), 1)
        self._sum("volnux.event.attempts", place, event.attempts)
        self._sum("volnux.event.retries", place, event.retries)
        if event.polls:
            self._sum("volnux.event.polls", place, event.polls)
        if event.status == "failure":
            kind = ("error_type", event.error_type or "returned")
            self._sum("volnux.event.errors", (*place, kind), 1)
        self._observe("volnux.event.duration", place, event.duration_seconds)

    def _add_network(self, record: dict[str, Any]) -> None:
        port = record["port"]
        host = (
            ("scheme", record["scheme"]),
            ("host", record["host"]),
            ("port", "" if port is None else str(port)),
        )
        self._sum("volnux.network.operations", (*host, ("status", record["status"])), 1)
        self._sum("volnux.network.sent", host, record["bytes_sent"])
        self._sum("volnux.network.received", host, record["bytes_received"])
        if record["error_type"]:
            kind = ("error_type", record["error_type"])
            self._sum("volnux.network.errors", (*host, kind), 1)
        self._observe("volnux.network.latency", host, record["latency_seconds"])

    def _sum(self, name: str, key: Key, amount: int) -> None:
        sums = self._sums.setdefault(name, {})
        sums[key] = sums.get(key, 0) + amount

    def _observe(self, name: str, key: Key, value: float) -> None:
        histograms = self._histograms.setdefault(name, {})
        if key not in histograms:
            histograms[key] = _Histogram()
        histograms[key].add(value)


def _metric(metrics: Any, name: str) -> Any:
    metric = metrics.add()
    metric.name = name
    metric.unit, metric.description = _UNITS[name]
    return metric


def _put(attributes: Any, values: Key) -> None:
    for key, value in values:
        attribute = attributes.add()
        attribute.key = key
        attribute.value.string_value = value

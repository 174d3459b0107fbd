"""Telemetry: what ran, how long, how often, and on which machine.

`monitor_events` counts and publishes; traces need nothing but a configured OpenTelemetry SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux.telemetry.logs import RunContextFilter
    from volnux.telemetry.monitor import (
        flush,
        get_failed_events,
        get_failed_network_ops,
        get_metrics,
        get_retry_stats,
        get_slow_events,
        get_slow_network_ops,
        monitor_events,
        reset_metrics,
        stop_monitoring,
    )
    from volnux.telemetry.publishers.base import CompositePublisher, MetricsPublisher
    from volnux.telemetry.publishers.delivery import PublishError
    from volnux.telemetry.publishers.elasticsearch import ElasticsearchPublisher
    from volnux.telemetry.publishers.grafana import GrafanaCloudPublisher
    from volnux.telemetry.publishers.prometheus import PrometheusPublisher
    from volnux.telemetry.records import EventMetrics

__all__ = [
    "CompositePublisher",
    "ElasticsearchPublisher",
    "EventMetrics",
    "GrafanaCloudPublisher",
    "MetricsPublisher",
    "PrometheusPublisher",
    "PublishError",
    "RunContextFilter",
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

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.telemetry.publishers.delivery": ("PublishError",),
        "volnux.telemetry.publishers.elasticsearch": ("ElasticsearchPublisher",),
        "volnux.telemetry.publishers.grafana": ("GrafanaCloudPublisher",),
        "volnux.telemetry.logs": ("RunContextFilter",),
        "volnux.telemetry.monitor": (
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
        ),
        "volnux.telemetry.publishers.prometheus": ("PrometheusPublisher",),
        "volnux.telemetry.publishers.base": ("CompositePublisher", "MetricsPublisher"),
        "volnux.telemetry.records": ("EventMetrics",),
    },
)

"""Telemetry: what ran, how long, how often, and where it went.

`monitor_events` counts and publishes; traces need nothing but a configured OpenTelemetry SDK.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volnux.telemetry.delivery import PublishError
    from volnux.telemetry.elasticsearch import ElasticsearchPublisher
    from volnux.telemetry.grafana import GrafanaCloudPublisher
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
    from volnux.telemetry.prometheus import PrometheusPublisher
    from volnux.telemetry.publisher import CompositePublisher, MetricsPublisher
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

_HOMES = {
    "CompositePublisher": "publisher",
    "ElasticsearchPublisher": "elasticsearch",
    "EventMetrics": "records",
    "GrafanaCloudPublisher": "grafana",
    "MetricsPublisher": "publisher",
    "PrometheusPublisher": "prometheus",
    "PublishError": "delivery",
    "RunContextFilter": "logs",
}


def __getattr__(name: str) -> Any:
    # Fetched at first use: a publisher's client is loaded only by whoever publishes there.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'monitor')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

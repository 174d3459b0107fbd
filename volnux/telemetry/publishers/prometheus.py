"""`PrometheusPublisher`: metrics that a Prometheus server fetches from this process."""

from __future__ import annotations

import importlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from volnux.graph.places import template_of
from volnux.telemetry.conventions import DURATION_BUCKETS
from volnux.telemetry.publishers.base import MetricsPublisher, MissingClientError
from volnux.telemetry.records import EventMetrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["PrometheusPublisher"]

_EVENT: Final = ("pipeline", "place", "event")
_HOST: Final = ("scheme", "host", "port")
_RETURNED: Final = "returned"


class PrometheusPublisher(MetricsPublisher):
    """Serves metrics at `http://<address>:<port>/metrics` from a separate thread.

    For each event, it makes a few additions in memory: nothing waits and nothing is dropped.

    In the multiprocess mode of `prometheus_client` (the environment variable
    `PROMETHEUS_MULTIPROC_DIR` is set to a folder before anything is imported), every process with
    monitoring adds to the same metrics; only one of them needs a port.

    Args:
        port: the port to listen on. 0 means any free port, which the attribute `port` then shows.
            None means that another process, or your own server with `registry`, serves the metrics.
        address: the address to listen on. The default is reachable from this machine only; use
            `0.0.0.0` to allow other machines.
        registry: the registry for the metrics; a new one by default.

    Raises:
        OSError: the port is taken.
        MissingClientError: `prometheus_client` is not installed.
    """

    background = False

    def __init__(
        self,
        port: int | None = 9090,
        *,
        address: str = "127.0.0.1",
        registry: CollectorRegistry | None = None,
    ) -> None:
        try:
            import prometheus_client as client
        except ImportError as error:
            raise MissingClientError("PrometheusPublisher", "prometheus-client") from error
        self.registry = client.CollectorRegistry() if registry is None else registry
        made: Any = {"registry": self.registry}
        buckets = DURATION_BUCKETS
        self._events = client.Counter(
            "volnux_events", "Events that have ended.", (*_EVENT, "status"), **made
        )
        self._seconds = client.Histogram(
            "volnux_event_duration_seconds",
            "Duration of an event, without the waits between attempts.",
            _EVENT, buckets=buckets, **made,
        )  # fmt: skip
        self._attempts = client.Counter(
            "volnux_event_attempts", "Attempts of events that have ended.", _EVENT, **made
        )
        self._retries = client.Counter(
            "volnux_event_retries", "Attempts after the first.", _EVENT, **made
        )
        self._polls = client.Counter(
            "volnux_event_polls", 'Calls that said "not yet".', _EVENT, **made
        )
        self._errors = client.Counter(
            "volnux_event_errors",
            "Events that failed, by exception (`returned` if there was none).",
            (*_EVENT, "error_type"), **made,
        )  # fmt: skip
        self._last = client.Gauge(
            "volnux_event_last_end_timestamp_seconds",
            "Time when an event last ended, in seconds since the epoch.",
            _EVENT, multiprocess_mode="max", **made,
        )  # fmt: skip
        self._operations = client.Counter(
            "volnux_network_operations",
            "Events sent to another machine.",
            (*_HOST, "status"),
            **made,
        )
        self._latency = client.Histogram(
            "volnux_network_latency_seconds",
            "Seconds in transit to and from another machine.",
            _HOST, buckets=buckets, **made,
        )  # fmt: skip
        self._sent = client.Counter("volnux_network_sent_bytes", "Bytes sent.", _HOST, **made)
        self._received = client.Counter(
            "volnux_network_received_bytes", "Bytes received.", _HOST, **made
        )
        self._network_errors = client.Counter(
            "volnux_network_errors", "Failed operations, by exception.",
            (*_HOST, "error_type"), **made,
        )  # fmt: skip
        self._known: dict[tuple[str, str, str], tuple[Any, ...]] = {}
        self._lock = threading.Lock()
        self._server: Any = None
        self._thread: Any = None
        self.port: int | None = None
        if port is not None:
            self._serve(client, port, address)

    def publish_event_metrics(self, metrics: EventMetrics) -> None:
        place = (metrics.pipeline, template_of(metrics.task_id), metrics.event_name)
        known = self._known.get(place)
        if known is None:
            known = self._children(place)
        successes, seconds, attempts, last = known
        if metrics.status == "success":
            successes.inc()
        else:
            self._events.labels(*place, metrics.status).inc()
            self._errors.labels(*place, metrics.error_type or _RETURNED).inc()
        seconds.observe(metrics.duration_seconds)
        attempts.inc(metrics.attempts)
        if metrics.attempts > 1:
            self._retries.labels(*place).inc(metrics.retries)
        if metrics.polls:
            self._polls.labels(*place).inc(metrics.polls)
        last.set(metrics.ended_at)

    def publish_network_metrics(self, metrics: dict[str, Any]) -> None:
        port = metrics["port"]
        host = (metrics["scheme"], metrics["host"], "" if port is None else str(port))
        self._operations.labels(*host, metrics["status"]).inc()
        self._latency.labels(*host).observe(metrics["latency_seconds"])
        self._sent.labels(*host).inc(metrics["bytes_sent"])
        self._received.labels(*host).inc(metrics["bytes_received"])
        if metrics["error_type"]:
            self._network_errors.labels(*host, metrics["error_type"]).inc()

    def close(self) -> None:
        """Stop serving."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()

    def _children(self, place: tuple[str, str, str]) -> tuple[Any, ...]:
        """The counters of a place; looking them up by label each time would take longer."""
        made = (
            self._events.labels(*place, "success"),
            self._seconds.labels(*place),
            self._attempts.labels(*place),
            self._last.labels(*place),
        )
        # Created at the start, so that the first increase is visible in a rate.
        self._events.labels(*place, "failure")
        self._retries.labels(*place)
        self._known[place] = made
        return made

    def _serve(self, client: Any, port: int, address: str) -> None:
        served = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            multiprocess: Any = importlib.import_module("prometheus_client.multiprocess")
            # This registry collects the files of all processes.
            served = client.CollectorRegistry()
            multiprocess.MultiProcessCollector(served)
        self._server, self._thread = client.start_http_server(port, addr=address, registry=served)
        self.port = int(self._server.server_port)

"""Metrics through the OpenTelemetry API; without an SDK for metrics, they are discarded."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from opentelemetry import metrics

from volnux._version import __version__
from volnux.graph.outcome import FAILURE
from volnux.telemetry import conventions as names
from volnux.telemetry.records import AttemptRecord

__all__ = ["Instruments"]


class Instruments:
    """The instruments; they are created once for each meter provider."""

    def __init__(self, provider: metrics.MeterProvider) -> None:
        meter = provider.get_meter("volnux", __version__)
        buckets = names.DURATION_BUCKETS
        self._run = meter.create_histogram(
            names.RUN_DURATION, "s", "Duration of a pipeline run.",
            explicit_bucket_boundaries_advisory=buckets,
        )  # fmt: skip
        self._event = meter.create_histogram(
            names.EVENT_DURATION, "s", "Duration of the last attempt of an event.",
            explicit_bucket_boundaries_advisory=buckets,
        )  # fmt: skip
        self._attempts = meter.create_counter(
            names.EVENT_ATTEMPTS, "{attempt}", "Attempts of events."
        )
        self._polls = meter.create_counter(
            names.EVENT_POLLS, "{poll}", 'Calls of events that said "not yet".'
        )
        self._latency = meter.create_histogram(
            names.NETWORK_LATENCY, "s", "Time in transit to and from another machine.",
            explicit_bucket_boundaries_advisory=buckets,
        )  # fmt: skip
        self._io = meter.create_counter(names.NETWORK_IO, "By", "Bytes sent to other machines.")

    @staticmethod
    def current() -> Instruments:
        """The instruments of the current meter provider."""
        return _instruments(metrics.get_meter_provider())

    def run(self, seconds: float, about: Mapping[str, Any], result: str, error: str | None) -> None:
        """Record a run that has ended."""
        attributes = {**about, names.PIPELINE_RESULT: result, names.PIPELINE_RUN_STATE: "executing"}
        if error is not None:
            attributes[names.ERROR_TYPE] = error
        self._run.record(seconds, attributes)

    def event(self, record: AttemptRecord, about: Mapping[str, Any]) -> None:
        """Record an event that has ended."""
        failed = record.descriptor == FAILURE
        attributes = {
            **about,
            names.TASK_NAME: record.event,
            names.TASK_RUN_RESULT: names.FAILURE if failed else names.SUCCESS,
        }
        if failed:
            failure = record.failure
            attributes[names.ERROR_TYPE] = failure.type if failure else "returned_failure"
        self._event.record(max(0.0, record.ended_at - record.started_at), attributes)
        self._attempts.add(record.attempt, attributes)
        if record.polls:
            self._polls.add(record.polls, attributes)

    def network(self, record: Mapping[str, Any]) -> None:
        """Record a network operation that has ended."""
        about = {names.URL_SCHEME: record["scheme"], names.SERVER_ADDRESS: record["host"]}
        if record["port"] is not None:
            about[names.SERVER_PORT] = record["port"]
        if record["error_type"] is not None:
            self._latency.record(
                record["latency_seconds"], {**about, names.ERROR_TYPE: record["error_type"]}
            )
        else:
            self._latency.record(record["latency_seconds"], about)
        self._io.add(record["bytes_sent"], {**about, names.DIRECTION: "transmit"})
        self._io.add(record["bytes_received"], {**about, names.DIRECTION: "receive"})


@functools.lru_cache(maxsize=4)
def _instruments(provider: metrics.MeterProvider) -> Instruments:
    return Instruments(provider)

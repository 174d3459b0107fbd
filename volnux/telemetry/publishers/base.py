"""The interface of publishers, and a publisher that combines several."""

from __future__ import annotations

import abc
import logging
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from volnux.errors import VolnuxError
from volnux.redaction import is_loopback, redacted
from volnux.telemetry.records import EventMetrics

__all__ = ["CompositePublisher", "Item", "MetricsPublisher", "MissingClientError"]

log = logging.getLogger("volnux.telemetry")

Item = EventMetrics | dict[str, Any]
"""A published item: an event or a network operation."""


class MissingClientError(VolnuxError, ImportError):
    """The client library of a publisher is not installed."""

    def __init__(self, publisher: str, package: str, extra: str = "metrics") -> None:
        from volnux.extras import how_to_install

        super().__init__(f"{publisher} needs the package {package}: {how_to_install(extra)}")


class MetricsPublisher(abc.ABC):
    """Sends metrics to a monitoring system.

    `monitor_events` calls it on a separate thread, one call at a time, so a call may take long. Its
    exceptions are logged, and the call is retried a few times with growing waits. Then the items
    are dropped and counted; a `PublishError` can give details.

    Class attributes:
        background: whether it is called on a separate thread; False for a publisher that never
            blocks.
        batch_size: the maximum number of items for each call of `publish_batch`.
        linger: the seconds for which the first item of a batch may wait for others.
    """

    background: bool = True
    batch_size: int = 1
    linger: float = 0.0

    @abc.abstractmethod
    def publish_event_metrics(self, metrics: EventMetrics) -> None:
        """Publish an event that has ended."""

    def publish_network_metrics(self, metrics: dict[str, Any]) -> None:
        """Publish a network operation: a dict with the keys of `network_operation`."""
        return

    def publish_batch(self, items: Sequence[Item]) -> None:
        """Publish several items at once; the default implementation publishes them one by one."""
        for item in items:
            if isinstance(item, EventMetrics):
                self.publish_event_metrics(item)
            else:
                self.publish_network_metrics(item)

    def close(self) -> None:
        """Called when monitoring has stopped: there will be no further items."""
        return


class CompositePublisher(MetricsPublisher):
    """Several publishers as one; each has a separate queue, and they do not wait for each other."""

    def __init__(self, publishers: Iterable[MetricsPublisher]) -> None:
        self.publishers = tuple(publishers)
        for each in self.publishers:
            if not isinstance(each, MetricsPublisher):
                raise TypeError(f"a publisher must be a MetricsPublisher, found {each!r}")

    def publish_event_metrics(self, metrics: EventMetrics) -> None:
        for each in self.publishers:
            each.publish_event_metrics(metrics)

    def publish_network_metrics(self, metrics: dict[str, Any]) -> None:
        for each in self.publishers:
            each.publish_network_metrics(metrics)

    def close(self) -> None:
        for each in self.publishers:
            each.close()


def warn_of_plain_http(publisher: str, urls: Iterable[str]) -> None:
    """Warn once about a credential that is sent to another machine without encryption."""
    for url in urls:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            continue
        if parts.scheme == "http" and not is_loopback(host):
            log.warning(
                "%s sends its credentials to %s without encryption: use https",
                publisher,
                redacted(url),
            )
            return


def single(publishers: Iterable[MetricsPublisher]) -> list[MetricsPublisher]:
    """The publishers without duplicates, with composite ones replaced by their parts."""
    found: list[MetricsPublisher] = []
    for each in publishers:
        parts = single(each.publishers) if isinstance(each, CompositePublisher) else [each]
        found += [part for part in parts if part not in found]
    return found

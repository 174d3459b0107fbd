"""`GrafanaCloudPublisher`: metrics to Grafana Cloud, by OTLP over HTTP."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from typing import Any, Final

from volnux.redaction import redacted, secrets_of
from volnux.telemetry.publishers.base import (
    Item,
    MetricsPublisher,
    MissingClientError,
    warn_of_plain_http,
)
from volnux.telemetry.publishers.delivery import PublishError
from volnux.telemetry.publishers.otlp import Totals
from volnux.telemetry.records import EventMetrics

__all__ = ["GrafanaCloudPublisher"]

_LATER: Final = frozenset({401, 403, 404, 408, 429, 500, 502, 503, 504})
"""Errors that are retried, even a wrong token or stack: totals lose nothing while waiting."""


class GrafanaCloudPublisher(MetricsPublisher):
    """Sends running totals to the OTLP gateway of a Grafana Cloud stack at regular intervals.

    The stack's page shows the gateway and the user under *OpenTelemetry → Configure*: the zone
    (`prod-eu-west-2`) and the instance id (a number). With only the organisation's slug, both are
    requested from Grafana Cloud, which the token must allow (`stacks:read`).

    Each request has the current totals, so data that the gateway missed while it was unreachable is
        part of the next request.

    Args:
        api_key: a token of an access policy with `metrics:write`.
        org_slug: the organisation's slug.
        zone: the zone of the stack; by default, the environment variable `GRAFANA_CLOUD_ZONE`.
        instance_id: the stack's instance id; by default, `GRAFANA_CLOUD_INSTANCE_ID`.
        stack_slug: the stack to use, if the organisation has several.
        endpoint: the full URL of the gateway, up to `/otlp`, instead of the zone.
        service_name: the `service.name` of the metrics (`job` in Prometheus).
        interval: the seconds between requests.
        timeout: the timeout of a request in seconds.
        api_url: the URL where zone and instance are looked up.

    Raises:
        ValueError: neither zone and instance nor an organisation is given.
        MissingClientError: `requests` or `opentelemetry-proto` is not installed.
    """

    batch_size = 10_000

    def __init__(
        self,
        api_key: str,
        org_slug: str | None = None,
        *,
        zone: str | None = None,
        instance_id: str | int | None = None,
        stack_slug: str | None = None,
        endpoint: str | None = None,
        service_name: str = "volnux",
        interval: float = 15.0,
        timeout: float = 10.0,
        api_url: str = "https://grafana.com/api",
    ) -> None:
        try:
            import requests
            from opentelemetry.proto.metrics.v1 import metrics_pb2
        except ImportError as error:
            package = "requests" if error.name == "requests" else "opentelemetry-proto"
            raise MissingClientError("GrafanaCloudPublisher", package) from error
        # A token that was read from a file has a line break at its end.
        api_key = api_key.strip()
        if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            raise ValueError(
                "api_key must be a token of an access policy of Grafana Cloud: "
                "one word without spaces"
            )
        assert metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
        self.linger = interval
        self._requests = requests
        self._key = api_key
        self._org = org_slug
        self._stack = stack_slug
        zone = zone or os.environ.get("GRAFANA_CLOUD_ZONE")
        known = instance_id or os.environ.get("GRAFANA_CLOUD_INSTANCE_ID")
        self._instance = str(known) if known else None
        if endpoint is None and zone:
            endpoint = f"https://otlp-gateway-{zone}.grafana.net/otlp"
        self._endpoint = endpoint.rstrip("/") if endpoint else None
        if (self._endpoint is None or self._instance is None) and not org_slug:
            raise ValueError(
                "pass zone and instance_id, which the stack's page in Grafana Cloud shows under "
                "OpenTelemetry; or pass org_slug, and they are looked up"
            )
        self._secrets = (api_key, *secrets_of(self._endpoint or ""), *secrets_of(api_url))
        asked = [] if self._endpoint and self._instance else [api_url]
        warn_of_plain_http("GrafanaCloudPublisher", [*filter(None, [self._endpoint]), *asked])
        self._service = service_name
        self._timeout = timeout
        self._api = api_url.rstrip("/")
        self._totals = Totals()
        self._counted: set[int] = set()
        self._session: tuple[int, Any] | None = None

    def publish_event_metrics(self, metrics: EventMetrics) -> None:
        self.publish_batch((metrics,))

    def publish_network_metrics(self, metrics: dict[str, Any]) -> None:
        self.publish_batch((metrics,))

    def publish_batch(self, items: Sequence[Item]) -> None:
        """Add to the totals and send them.

        Raises:
            PublishError: the request failed.
        """
        for item in items:
            if id(item) not in self._counted:
                self._totals.add(item)
        # A repeated batch was already added to the totals.
        self._counted = {id(item) for item in items}
        url, instance = self._where()
        answer = self._ask(
            "POST",
            f"{url}/v1/metrics",
            data=gzip.compress(self._totals.request(self._service)),
            headers={"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"},
            auth=(instance, self._key),
        )
        if answer.status_code in _LATER:
            wait = answer.headers.get("Retry-After", "")
            raise PublishError(
                self._said(answer), retry_after=float(wait) if wait.isdecimal() else None
            )
        if answer.status_code >= 300:
            raise PublishError(self._said(answer), again=(), rejected=len(items))
        self._counted = set()

    def close(self) -> None:
        if self._session is not None:
            self._session[1].close()
            self._session = None

    def _where(self) -> tuple[str, str]:
        """The gateway and the instance; they are looked up once if they were not given."""
        if self._endpoint is None or self._instance is None:
            answer = self._ask(
                "GET",
                f"{self._api}/orgs/{self._org}/instances",
                headers={"Authorization": f"Bearer {self._key}"},
            )
            if answer.status_code >= 300:
                raise PublishError(
                    f"the stacks of {self._org} cannot be looked up: {self._said(answer)}; "
                    "the token needs stacks:read, or pass zone and instance_id"
                )
            stacks = [
                stack
                for stack in answer.json().get("items", [])
                if self._stack in (None, stack.get("slug"))
            ]
            if len(stacks) != 1:
                names = ", ".join(str(stack.get("slug")) for stack in stacks) or "none"
                raise PublishError(f"pass stack_slug: the organisation has the stacks {names}")
            zone = stacks[0]["regionSlug"]
            self._endpoint = self._endpoint or f"https://otlp-gateway-{zone}.grafana.net/otlp"
            self._instance = self._instance or str(stacks[0]["id"])
        return self._endpoint, self._instance

    def _ask(self, method: str, url: str, **arguments: Any) -> Any:
        # A connection does not survive a fork.
        if self._session is None or self._session[0] != os.getpid():
            self._session = (os.getpid(), self._requests.Session())
        try:
            return self._session[1].request(method, url, timeout=self._timeout, **arguments)
        except self._requests.RequestException as error:
            said = redacted(f"{type(error).__name__}: {error}", self._secrets)
            # Without `from error`: it quotes the URL and invalid headers.
            raise PublishError(said) from None

    def _said(self, answer: Any) -> str:
        text = f"{answer.status_code} {answer.reason}: {answer.text[:200]}"
        return redacted(text, self._secrets)

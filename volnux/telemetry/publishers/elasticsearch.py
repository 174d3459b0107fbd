"""`ElasticsearchPublisher`: each event and network operation as a document."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from volnux.redaction import redacted, secrets_of
from volnux.telemetry.publishers.base import (
    Item,
    MetricsPublisher,
    MissingClientError,
    warn_of_plain_http,
)
from volnux.telemetry.publishers.delivery import PublishError
from volnux.telemetry.records import EventMetrics, iso

__all__ = ["FIELDS", "ElasticsearchPublisher"]

_KEYWORD: Final = {"type": "keyword", "ignore_above": 1024}
_VERSIONED: Final = re.compile(r"application/vnd\.elasticsearch\+([\w-]+);\s*compatible-with=\d+")
_LATER: Final = frozenset({408, 429, 502, 503, 504})

FIELDS: Final[dict[str, dict[str, Any]]] = {
    "@timestamp": {"type": "date"},
    "kind": _KEYWORD,
    "event_name": _KEYWORD,
    "task_id": _KEYWORD,
    "run_id": _KEYWORD,
    "pipeline": _KEYWORD,
    "backend": _KEYWORD,
    "status": _KEYWORD,
    "descriptor": {"type": "byte"},
    "started_at": {"type": "date"},
    "ended_at": {"type": "date"},
    "duration_seconds": {"type": "double"},
    "attempts": {"type": "integer"},
    "retries": {"type": "integer"},
    "polls": {"type": "integer"},
    "error_type": _KEYWORD,
    "error_message": {"type": "text"},
    "process_id": {"type": "long"},
    "bypassed": {"type": "boolean"},
    "host_name": _KEYWORD,
    "operation": _KEYWORD,
    "scheme": _KEYWORD,
    "host": _KEYWORD,
    "port": {"type": "integer"},
    "latency_seconds": {"type": "double"},
    "bytes_sent": {"type": "long"},
    "bytes_received": {"type": "long"},
}
"""The fields of the documents; `kind` is `event` or `network`."""


class ElasticsearchPublisher(MetricsPublisher):
    """Writes to indices `<prefix>-events-2026.01.31` and `<prefix>-network-2026.01.31`, one a day.

    Documents are sent in bulk. If the server refuses them (429, 5xx) or is unreachable, they are
    sent again until it accepts them. Each document has an id, so it is stored only once. A wrong
    certificate or password is also retried: it may be fixed on the server.

    Servers of version 8 and later work with every version of the client library: requests do not
    specify a version of the API, because they are the same in all versions.

    Args:
        hosts: hosts such as `localhost:9200`, or URLs; the default scheme is `http`.
        index_prefix: the prefix of the index names, in lower case.
        batch_size: the maximum number of documents in one request.
        linger: the seconds for which the first of them may wait for others.
        timeout: the timeout of a request in seconds.
        **options: arguments of `elasticsearch.Elasticsearch`: `api_key`, `basic_auth`, `ca_certs`,
            …

    Raises:
        MissingClientError: `elasticsearch` is not installed.
    """

    def __init__(
        self,
        hosts: str | Iterable[str] = ("localhost:9200",),
        index_prefix: str = "pipeline-metrics",
        *,
        batch_size: int = 500,
        linger: float = 1.0,
        timeout: float = 10.0,
        **options: Any,
    ) -> None:
        try:
            import elasticsearch
        except ImportError as error:
            raise MissingClientError("ElasticsearchPublisher", "elasticsearch") from error
        if not index_prefix or index_prefix != index_prefix.lower():
            raise ValueError(f"index_prefix must be lower case, found {index_prefix!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, found {batch_size}")
        given = [hosts] if isinstance(hosts, str) else list(hosts)
        self.hosts = [host if "://" in host else f"http://{host}" for host in given]
        self._secrets = _secrets(self.hosts, options)
        if self._secrets:
            warn_of_plain_http("ElasticsearchPublisher", self.hosts)
        self.index_prefix = index_prefix
        self.batch_size = batch_size
        self.linger = linger
        self._host_name = socket.gethostname()
        self._options = {
            "request_timeout": timeout,
            "max_retries": 0,
            "transport_class": _unversioned(),
            **options,
        }
        self._elasticsearch = elasticsearch
        self._made: tuple[int, Any] | None = None
        self._has_template = False
        # The same document has the same id however often it is sent.
        self._ids: dict[int, str] = {}

    def publish_event_metrics(self, metrics: EventMetrics) -> None:
        self.publish_batch((metrics,))

    def publish_network_metrics(self, metrics: dict[str, Any]) -> None:
        self.publish_batch((metrics,))

    def publish_batch(self, items: Sequence[Item]) -> None:
        """Send documents in one request.

        Raises:
            PublishError: some or all documents did not arrive.
        """
        client = self._client()
        self._ids = {id(item): self._ids.get(id(item)) or uuid.uuid4().hex for item in items}
        lines: list[dict[str, Any]] = []
        for item in items:
            document = self._document(item)
            day = document["@timestamp"][:10].replace("-", ".")
            kind = "events" if document["kind"] == "event" else "network"
            index = f"{self.index_prefix}-{kind}-{day}"
            lines += [{"create": {"_index": index, "_id": self._ids[id(item)]}}, document]
        try:
            self._put_template(client)
            answer = client.bulk(operations=lines)
        except self._elasticsearch.ApiError as error:
            status = error.status_code
            wait = error.meta.headers.get("retry-after")
            if status == 413 and len(items) > 1:
                self._halve(items)
                return
            said = redacted(str(error), self._secrets)
            # Without `from error`: errors of clients quote URLs and answers of proxies.
            if status in (400, 413):
                raise PublishError(said, again=(), rejected=len(items)) from None
            raise PublishError(said, retry_after=_seconds(wait)) from None
        except self._elasticsearch.TransportError as error:
            raise PublishError(redacted(_reasons(error), self._secrets)) from None
        self._read(items, answer["items"] if answer["errors"] else ())
        self._ids = {}

    def close(self) -> None:
        if self._made is not None:
            self._made[1].close()
            self._made = None

    def _client(self) -> Any:
        # A connection does not survive a fork.
        if self._made is None or self._made[0] != os.getpid():
            client = self._elasticsearch.Elasticsearch(self.hosts, **self._options)
            self._made = (os.getpid(), client)
        return self._made[1]

    def _put_template(self, client: Any) -> None:
        """Declare the types of the fields, once."""
        if self._has_template:
            return
        client.indices.put_index_template(
            name=self.index_prefix,
            index_patterns=[f"{self.index_prefix}-events-*", f"{self.index_prefix}-network-*"],
            priority=200,
            template={"mappings": {"dynamic": False, "properties": FIELDS}},
        )
        self._has_template = True

    def _halve(self, items: Sequence[Item]) -> None:
        """The request was too large: send it in two."""
        middle = len(items) // 2
        again: list[Item] = []
        rejected = 0
        for half in (items[:middle], items[middle:]):
            try:
                self.publish_batch(half)
            except PublishError as error:
                again += half if error.again is None else error.again
                rejected += error.rejected
        if again or rejected:
            raise PublishError("part of a request that was too large failed", again=again,
                               rejected=rejected)  # fmt: skip

    def _read(self, items: Sequence[Item], answers: Sequence[Any]) -> None:
        """Check the answer for rejected documents.

        Raises:
            PublishError: some documents were rejected.
        """
        again: list[Item] = []
        rejected = 0
        reason = ""
        for item, answer in zip(items, answers, strict=False):
            told = answer["create"]
            # 409: the document is already there, from a request whose answer was lost.
            if told["status"] < 300 or told["status"] == 409:
                continue
            reason = str(told.get("error", {}).get("reason", told["status"]))
            if told["status"] in _LATER:
                again.append(item)
            else:
                rejected += 1
        if again or rejected:
            raise PublishError(f"rejected: {reason}", again=again, rejected=rejected)

    def _document(self, item: Item) -> dict[str, Any]:
        if isinstance(item, EventMetrics):
            document = {"kind": "event", **item.to_json()}
            ended = item.ended_at
        else:
            document = {"kind": "network", **item}
            ended = item["ended_at"]
            for name in ("started_at", "ended_at"):
                document[name] = iso(item[name])
        document["@timestamp"] = iso(ended)
        document["host_name"] = self._host_name
        return document


def _unversioned() -> type[Any]:
    """A transport that requests JSON without a version of the API.

    The client requests its own version (`compatible-with=9`), but a server accepts only its own
    version and the previous one.
    """
    from elastic_transport import Transport

    class Unversioned(Transport):
        def perform_request(self, method: str, target: str, **options: Any) -> Any:
            headers = dict(options.pop("headers", None) or {})
            for name in headers:
                if name.lower() in ("accept", "content-type"):
                    headers[name] = _VERSIONED.sub(r"application/\1", headers[name])
            return super().perform_request(method, target, headers=headers, **options)

    return Unversioned


def _secrets(hosts: Iterable[str], options: Mapping[str, Any]) -> tuple[str, ...]:
    """All passwords and tokens in the arguments of a client."""
    found = [secret for host in hosts for secret in secrets_of(host)]
    for name in ("api_key", "basic_auth", "http_auth", "bearer_auth"):
        given = options.get(name)
        match given:
            case str():
                found += [given, given.partition(":")[2]]
            case tuple() | list():
                found.append(str(given[-1]))
    for name, value in dict(options.get("headers") or {}).items():
        if name.lower() in ("authorization", "proxy-authorization", "x-api-key"):
            found.append(str(value).rpartition(" ")[2])
    return tuple(filter(None, found))


def _reasons(error: BaseException) -> str:
    """The reason of a failed connection, down to the system error."""
    said = [f"{type(error).__name__}: {error}"]
    inner = next(iter(getattr(error, "errors", ())), None) or error.__cause__
    if inner is not None and len(repr(inner)) < 2_000:
        said.append(f"{type(inner).__name__}: {inner}")
    return "; ".join(said)


def _seconds(text: str | None) -> float | None:
    """The seconds in a `Retry-After` header, or None."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    from email.utils import parsedate_to_datetime

    with contextlib.suppress(ValueError, TypeError):
        then = parsedate_to_datetime(text)
        return max(0.0, (then - dt.datetime.now(dt.UTC)).total_seconds())
    return None

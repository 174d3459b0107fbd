"""Servers on free ports of loopback: the bulk part of Elasticsearch, and an OTLP collector."""

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

WORKING = """
    def work():
        with trace.get_tracer("shop").start_as_current_span("work"):
            return True, os.getpid()

    @event
    def First():
        return work()

    class Flaky(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0.0)

        def process(self):
            if self.attempt == 1:
                raise ConnectionError("not yet")
            return work()
"""
"""Events of which each makes a span of its own, the second one in its second attempt."""


class Server:
    """An HTTP server in its own threads. `answers` has the answers that come before the usual one.

    An entry of `answers` is `(status, headers, body)`, or a number: seconds to hang.
    """

    def __init__(self, certificate=None):
        self.requests = []
        self.answers = []
        self.connections = []
        self.let_go = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                owner.connections.append(self.request)
                super().setup()

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                owner.requests.append((self.command, self.path, dict(self.headers), body))
                told = owner.refusal(self.headers)
                if told is None:
                    told = owner.next_answer(self.command, self.path, body)
                status, headers, answer = told
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in {**owner.usual_headers, **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_HEAD = handle_any

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                # A client that hung up, or did not like our certificate.
                pass

        self._make = lambda port: Quiet(("127.0.0.1", port), Handler)
        self._server = None
        self.port = 0
        self._certificate = certificate
        self.start()

    usual_headers: ClassVar = {}

    def refusal(self, headers):
        """The answer to a request with wrong headers; None if they are correct."""
        return

    def start(self):
        """Listen. After `stop`, it uses the same port again."""
        self._server = self._make(self.port)
        self.port = self._server.server_port
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        """Stop listening."""
        if self._server is None:
            return
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server = None

    def next_answer(self, command, path, body):
        if self.answers:
            told = self.answers.pop(0)
            if not isinstance(told, tuple):
                self.let_go.wait(told)
                return 200, {}, b"{}"
            status, headers, answer = told
            return status, headers, answer if isinstance(answer, bytes) else answer.encode()
        return self.answer(command, path, body)

    def answer(self, command, path, body):
        return 200, {"Content-Type": "application/json"}, b"{}"


class Elasticsearch(Server):
    """Accepts index templates and bulk requests. `refuse` rejects single documents.

    Like a real server, it refuses a request for an API version that is neither its own nor the
    previous one, or that is in only one of the two headers.
    """

    usual_headers: ClassVar = {
        "X-Elastic-Product": "Elasticsearch",
        "Content-Type": "application/json",
    }

    def __init__(self, certificate=None, version=9):
        self.version = version
        self.documents = {}
        self.templates = {}
        self.refuse = lambda document: None
        super().__init__(certificate)

    def answer(self, command, path, body):
        if path.startswith("/_index_template/"):
            self.templates[path.rsplit("/", 1)[1]] = json.loads(body)
            return 200, {}, b'{"acknowledged": true}'
        if path.startswith("/_bulk"):
            return 200, {}, json.dumps(self.bulk(body)).encode()
        return 404, {}, b"{}"

    def refusal(self, headers):
        asked = {}
        for name in ("Accept", "Content-Type"):
            value = headers.get(name, "")
            if "compatible-with=" in value:
                asked[name] = int(value.partition("compatible-with=")[2].split(";")[0])
            elif value.partition(";")[0] not in ("", "application/json", "application/x-ndjson"):
                return 406, {}, b'{"error": "no such media type", "status": 406}'
        for name, found in asked.items():
            if found not in (self.version, self.version - 1):
                why = (
                    f"{name} version must be either version {self.version} or {self.version - 1}, "
                    f"but found {found}. {name}={headers[name]}"
                )
                return _media_type_error(asked, why)
        if len(asked) == 1:
            why = "A compatible version is required on both Content-Type and Accept headers"
            return _media_type_error(asked, why)
        return None

    def bulk(self, body):
        lines = [json.loads(line) for line in body.splitlines()]
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            key = (action["create"]["_index"], action["create"]["_id"])
            status = self.refuse(document)
            if status is None:
                status = 409 if key in self.documents else 201
                self.documents.setdefault(key, document)
            item = {"_index": key[0], "_id": key[1], "status": status}
            if status >= 300:
                item["error"] = {"type": "some_error", "reason": f"no: {status}"}
            items.append({"create": item})
        failed = any("error" in item["create"] for item in items)
        return {"took": 1, "errors": failed, "items": items}


def _media_type_error(names, why):
    error = {
        "type": "media_type_header_exception",
        "reason": f"Invalid media-type value on headers [{', '.join(names)}]",
        "caused_by": {"type": "status_exception", "reason": why},
    }
    return 400, {}, json.dumps({"error": error, "status": 400}).encode()


class Collector(Server):
    """An OTLP collector for traces and metrics."""

    usual_headers: ClassVar = {"Content-Type": "application/x-protobuf"}

    def answer(self, command, path, body):
        return 200, {}, b""

    def spans(self):
        """All received spans, as dicts."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        found = []
        for _, path, _, body in self.requests:
            if path != "/v1/traces":
                continue
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += [_span(scope.scope.name, span) for span in scope.spans]
        return found

    def metrics(self):
        """Values in the last metrics request, by name and attributes; for histograms, the count."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )

        bodies = [body for _, path, _, body in self.requests if path.endswith("/v1/metrics")]
        found = {}
        for resource in ExportMetricsServiceRequest.FromString(bodies[-1]).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = metric.sum.data_points or metric.histogram.data_points
                    found[metric.name] = {
                        tuple(_attributes(point).items()): getattr(point, "count", 0)
                        or point.as_int
                        for point in points
                    }
        return found


def _span(scope, span):
    return {
        "scope": scope,
        "name": span.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "links": [link.span_id.hex() for link in span.links],
        "events": [event.name for event in span.events],
        "attributes": _attributes(span),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "status": span.status.code,
    }


def _attributes(thing):
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value")) for item in thing.attributes
    }


def eventually(condition, seconds=60.0):
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def connected(spans):
    """Whether all spans are of one trace, and each but one has its parent among them."""
    ids = {span["id"] for span in spans}
    roots = [span for span in spans if span["parent"] not in ids]
    return len({span["trace"] for span in spans}) == 1 and len(roots) == 1

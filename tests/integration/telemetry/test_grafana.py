"""Grafana Cloud: what is sent to its OTLP gateway, and how zone and instance are found."""

import base64
import json
import logging
import traceback

import pytest
from servers import Server, eventually

from volnux.telemetry import EventMetrics, GrafanaCloudPublisher, PublishError
from volnux.telemetry.publishers.delivery import Delivery

PLACE = (("pipeline", "orders"), ("place", "Load"), ("event", "Load"))


def made(**changes):
    given = {
        "event_name": "Load",
        "task_id": "Load",
        "run_id": "r1",
        "pipeline": "orders",
        "backend": "standalone",
        "status": "success",
        "descriptor": 1,
        "started_at": 1.0,
        "ended_at": 2.0,
        "duration_seconds": 0.7,
        "attempts": 3,
        **changes,
    }
    return EventMetrics(**given)


@pytest.fixture
def publisher(collector):
    made = GrafanaCloudPublisher(
        "secret", instance_id=4711, endpoint=f"http://127.0.0.1:{collector.port}/otlp/", interval=0
    )
    yield made
    made.close()


def test_totals_are_sent_as_whom_they_should(collector, publisher):
    publisher.publish_event_metrics(made(polls=2))
    publisher.publish_event_metrics(made(status="failure", descriptor=0, error_type="ValueError"))
    method, path, headers, _ = collector.requests[-1]
    assert (method, path) == ("POST", "/otlp/v1/metrics")
    assert headers["Content-Type"] == "application/x-protobuf"
    user = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
    assert user == "4711:secret"
    metrics = collector.metrics()
    assert metrics["volnux.events"] == {
        (*PLACE, ("status", "success")): 1,
        (*PLACE, ("status", "failure")): 1,
    }
    assert metrics["volnux.event.attempts"] == {PLACE: 6}
    assert metrics["volnux.event.retries"] == {PLACE: 4}
    assert metrics["volnux.event.polls"] == {PLACE: 2}
    assert metrics["volnux.event.duration"] == {PLACE: 2}
    assert metrics["volnux.event.errors"] == {(*PLACE, ("error_type", "ValueError")): 1}


def test_copies_are_counted_at_one_place(collector, publisher):
    for number in range(3):
        publisher.publish_event_metrics(made(task_id=f"Load[{number}]"))
    assert collector.metrics()["volnux.events"] == {(*PLACE, ("status", "success")): 3}


def test_what_a_dead_gateway_missed_comes_later_and_once(collector, publisher):
    collector.answers = [(503, {}, ""), (429, {"Retry-After": "0"}, ""), (401, {}, "no")]
    sent = Delivery(publisher, first_wait=0.01, longest_wait=0.05)
    for _ in range(5):
        sent.put(made())
    eventually(lambda: sent.published == 5)
    assert collector.metrics()["volnux.events"] == {(*PLACE, ("status", "success")): 5}
    sent.close()


def test_what_the_gateway_cannot_read_is_counted(collector, publisher):
    collector.answers = [(400, {}, "bad")]
    with pytest.raises(PublishError, match="400") as caught:
        publisher.publish_batch([made(), made()])
    assert caught.value.rejected == 2


def test_zone_and_instance_are_looked_up_by_organisation(collector):
    api = Server()
    stacks = [
        {"id": 12, "slug": "shop", "regionSlug": "prod-eu-west-2"},
        {"id": 13, "slug": "lab", "regionSlug": "prod-us-east-0"},
    ]
    api.answer = lambda *_: (200, {}, json.dumps({"items": stacks}).encode())
    address = f"http://127.0.0.1:{api.port}/api"
    try:
        several = GrafanaCloudPublisher("secret", org_slug="acme", api_url=address)
        with pytest.raises(PublishError, match="the organisation has the stacks shop, lab"):
            several.publish_event_metrics(made())
        several.close()
        one = GrafanaCloudPublisher("secret", org_slug="acme", stack_slug="lab", api_url=address)
        assert one._where() == ("https://otlp-gateway-prod-us-east-0.grafana.net/otlp", "13")
        one.close()
        assert api.requests[0][1] == "/api/orgs/acme/instances"
        assert api.requests[0][2]["Authorization"] == "Bearer secret"
        api.answers = [(403, {}, "no")]
        refused = GrafanaCloudPublisher("secret", org_slug="acme", api_url=address)
        with pytest.raises(PublishError, match="the token needs stacks:read"):
            refused.publish_event_metrics(made())
        refused.close()
    finally:
        api.stop()


def test_what_it_cannot_do_without_is_said(monkeypatch):
    with pytest.raises(ValueError, match="zone and instance_id"):
        GrafanaCloudPublisher("secret")
    monkeypatch.setenv("GRAFANA_CLOUD_ZONE", "prod-eu-west-2")
    monkeypatch.setenv("GRAFANA_CLOUD_INSTANCE_ID", "12")
    assert GrafanaCloudPublisher("secret")._where() == (
        "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp",
        "12",
    )


TOKEN = "glc_eyJvIjoiMTIzNDU2IiwibiI6InRlc3QifQ=="


def test_a_token_from_a_file_may_end_with_a_newline(collector):
    collector.answers = [(401, {}, f"no such token: {TOKEN}")]
    address = f"http://127.0.0.1:{collector.port}"
    publisher = GrafanaCloudPublisher(
        f"{TOKEN}\n", instance_id=1, endpoint=f"{address}/otlp", interval=0
    )
    sent = Delivery(publisher, first_wait=0.01)
    sent.put(made())
    eventually(lambda: sent.published == 1)
    assert TOKEN not in json.dumps(sent.to_json())
    user = base64.b64decode(collector.requests[-1][2]["Authorization"].removeprefix("Basic "))
    assert user.decode() == f"1:{TOKEN}"
    sent.close()


@pytest.mark.parametrize("token", ["", " \n", "two words", "a\nb", "a\x00b", "schlüssel"])
def test_what_is_no_token_is_refused_and_not_shown(token):
    with pytest.raises(ValueError, match="must be a token of an access policy") as caught:
        GrafanaCloudPublisher(token, instance_id=1, endpoint="https://otlp.example.org")
    assert not token.strip() or token not in str(caught.value)


@pytest.mark.parametrize("address", ["http://me:PW-1234@127.0.0.1:1", "http://[::1", "http:///x"])
def test_no_error_of_the_client_shows_a_credential(address):
    publisher = GrafanaCloudPublisher(TOKEN, instance_id=1, endpoint=address)
    with pytest.raises(PublishError) as caught:
        publisher.publish_event_metrics(made())
    shown = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in shown
    assert "PW-1234" not in shown
    publisher.close()


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"endpoint": "http://otlp.example.org", "instance_id": 1}, True),
        ({"endpoint": "https://otlp.example.org", "instance_id": 1}, False),
        ({"endpoint": "http://localhost:4318", "instance_id": 1}, False),
        ({"org_slug": "acme", "api_url": "http://grafana.example.org/api"}, True),
        ({"org_slug": "acme"}, False),
    ],
)
def test_a_token_that_everybody_can_read_is_warned_of_once(caplog, options, warned):
    caplog.set_level(logging.WARNING, "volnux.telemetry")
    GrafanaCloudPublisher(TOKEN, **options)
    assert [TOKEN in record.message for record in caplog.records] == [False] * warned

"""The real client of Elasticsearch with a server that fails in several ways."""

import json
import logging
import subprocess
import traceback

import pytest
from servers import Elasticsearch, eventually

from volnux.telemetry import ElasticsearchPublisher, EventMetrics, PublishError
from volnux.telemetry.publishers.delivery import Delivery
from volnux.telemetry.publishers.elasticsearch import FIELDS

TOO_MANY = (429, {"Retry-After": "0"}, '{"error": {"type": "rejected"}, "status": 429}')
BUSY = (503, {}, '{"error": {"type": "unavailable"}, "status": 503}')


def made(number=0, **changes):
    given = {
        "event_name": "Load",
        "task_id": "Load",
        "run_id": f"r{number}",
        "pipeline": "orders",
        "backend": "standalone",
        "status": "success",
        "descriptor": 1,
        "started_at": 1_767_225_600.0,
        "ended_at": 1_767_225_601.0,
        "duration_seconds": 1.0,
        "attempts": 2,
        "process_id": 17,
        **changes,
    }
    return EventMetrics(**given)


OPERATION = {
    "operation": "submit",
    "scheme": "dask",
    "host": "db1",
    "port": 8786,
    "status": "success",
    "started_at": 1_767_225_600.0,
    "ended_at": 1_767_225_601.0,
    "duration_seconds": 1.0,
    "latency_seconds": 0.25,
    "bytes_sent": 300,
    "bytes_received": 40,
    "error_type": None,
    "error_message": None,
    "event_name": "Load",
    "task_id": "Load",
    "run_id": "r1",
}


@pytest.fixture
def publish():
    """A delivery to an Elasticsearch, with many retries but short waits."""
    made = []

    def make(server, **options):
        given = {"hosts": [f"localhost:{server.port}"], "linger": 0.0, "timeout": 0.5, **options}
        publisher = ElasticsearchPublisher(**given)
        made.append(Delivery(publisher, first_wait=0.02, longest_wait=0.1))
        return made[-1]

    yield make
    for each in made:
        each.close(0.2)


def test_documents_arrive_in_bulk_by_day(elasticsearch, publish):
    sent = publish(elasticsearch, index_prefix="pipeline-metrics", linger=0.2)
    for number in range(100):
        sent.put(made(number))
    sent.put(OPERATION)
    eventually(lambda: sent.published == 101)
    indices = {index for index, _ in elasticsearch.documents}
    assert indices == {
        "pipeline-metrics-events-2026.01.01",
        "pipeline-metrics-network-2026.01.01",
    }
    assert [path for _, path, *_ in elasticsearch.requests].count("/_bulk") < 50
    documents = list(elasticsearch.documents.values())
    assert {document["run_id"] for document in documents} == {f"r{n}" for n in range(100)}
    assert documents[0]["@timestamp"] == "2026-01-01T00:00:01.000+00:00"
    assert (documents[0]["retries"], documents[0]["duration_seconds"]) == (1, 1.0)


def test_the_template_knows_every_field(elasticsearch, publish):
    sent = publish(elasticsearch)
    sent.put(made(error_type="ValueError", error_message="no"))
    sent.put(OPERATION)
    eventually(lambda: sent.published == 2)
    template = elasticsearch.templates["pipeline-metrics"]
    assert template["template"]["mappings"]["properties"] == FIELDS
    assert template["index_patterns"] == [
        "pipeline-metrics-events-*",
        "pipeline-metrics-network-*",
    ]
    for document in elasticsearch.documents.values():
        assert document.keys() <= FIELDS.keys()


@pytest.mark.parametrize("answer", [TOO_MANY, BUSY], ids=["429", "503"])
def test_a_server_that_refuses_is_asked_again(elasticsearch, publish, answer):
    elasticsearch.answers = [answer] * 3
    sent = publish(elasticsearch)
    for number in range(10):
        sent.put(made(number))
    eventually(lambda: sent.published == 10)
    assert (len(elasticsearch.documents), sent.dropped) == (10, 0)


def test_a_server_that_hangs_is_given_up_and_asked_again(elasticsearch, publish):
    elasticsearch.answers = [5.0] * 1000
    sent = publish(elasticsearch, timeout=0.2)
    # Returns although nothing can be sent.
    sent.put(made())
    eventually(lambda: sent.to_json()["last_error"])
    assert sent.published == 0
    elasticsearch.answers.clear()
    eventually(lambda: sent.published == 1)
    assert sent.dropped == 0


def test_a_server_that_is_gone_is_waited_for(elasticsearch, publish):
    sent = publish(elasticsearch)
    sent.put(made(1))
    eventually(lambda: sent.published == 1)
    elasticsearch.stop()
    sent.put(made(2))
    eventually(lambda: sent.to_json()["last_error"])
    elasticsearch.start()
    eventually(lambda: sent.published == 2)
    assert len(elasticsearch.documents) == 2


def test_only_what_was_refused_is_sent_again(elasticsearch, publish):
    seen = set()

    def refuse(document):
        if document["run_id"] == "r3":
            return 400
        if document["run_id"] in ("r4", "r5") and document["run_id"] not in seen:
            seen.add(document["run_id"])
            return 429
        return None

    elasticsearch.refuse = refuse
    sent = publish(elasticsearch, linger=0.2)
    for number in range(10):
        sent.put(made(number))
    eventually(lambda: sent.published + sent.dropped == 10)
    assert (sent.published, sent.dropped) == (9, 1)
    assert sorted(document["run_id"] for document in elasticsearch.documents.values()) == [
        f"r{n}" for n in range(10) if n != 3
    ]


def test_an_answer_that_is_lost_stores_nothing_twice(elasticsearch, publish):
    real = elasticsearch.bulk
    lost = []

    def bulk(body):
        answer = real(body)
        if not lost:
            lost.append(True)
            elasticsearch.let_go.wait(1.0)
        return answer

    elasticsearch.bulk = bulk
    sent = publish(elasticsearch, timeout=0.2)
    sent.put(made())
    eventually(lambda: sent.published == 1)
    assert len(elasticsearch.documents) == 1


def test_a_request_that_is_too_large_goes_in_parts(elasticsearch, publish):
    real = elasticsearch.next_answer

    def next_answer(command, path, body):
        if path == "/_bulk" and len(body) > 2_000:
            return 413, {}, b"{}"
        return real(command, path, body)

    elasticsearch.next_answer = next_answer
    sent = publish(elasticsearch, linger=0.2)
    for number in range(20):
        sent.put(made(number))
    eventually(lambda: sent.published + sent.dropped == 20)
    assert len(elasticsearch.documents) == sent.published == 20


def test_a_wrong_certificate_is_said_and_costs_nothing(tmp_path, publish):
    certificate = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=elsewhere", "-keyout", certificate, "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_text(certificate.read_text() + (tmp_path / "cert.pem").read_text())
    server = Elasticsearch(certificate)
    try:
        sent = publish(server, hosts=f"https://localhost:{server.port}")
        sent.put(made())
        error = eventually(lambda: sent.to_json()["last_error"])
        assert "certificate" in error.lower()
        sent.close(0.2)
        assert (sent.published, sent.dropped) == (0, 1)
    finally:
        server.stop()


@pytest.mark.parametrize("version", [8, 9, 10])
def test_servers_of_every_version_take_what_is_sent(publish, version):
    server = Elasticsearch(version=version)
    try:
        sent = publish(server)
        sent.put(made())
        sent.put(OPERATION)
        eventually(lambda: sent.published + sent.dropped == 2)
        assert (sent.published, len(server.documents)) == (2, 2)
        assert list(server.templates) == ["pipeline-metrics"]
    finally:
        server.stop()


@pytest.mark.parametrize("client", [7, 8, 9, 10])
@pytest.mark.parametrize("version", [8, 9])
def test_the_server_refuses_as_a_real_one_does(version, client):
    """What the library sends by itself: the fake server must refuse it like a real one."""
    server = Elasticsearch(version=version)
    try:
        asked = f"application/vnd.elasticsearch+json; compatible-with={client}"
        both = {"Accept": asked, "Content-Type": asked}
        good = client in (version, version - 1)
        assert (server.refusal(both) is None) == good
        assert server.refusal({"Accept": asked, "Content-Type": "application/json"}) is not None
        assert server.refusal({"Accept": "application/json"}) is None
    finally:
        server.stop()


TOKEN = "aWQ6a2V5LXNlY3JldA=="
CREDENTIALS = [
    {"api_key": TOKEN},
    {"api_key": ("id", TOKEN)},
    {"basic_auth": ("elastic", TOKEN)},
    {"bearer_auth": TOKEN},
    {"headers": {"Authorization": f"ApiKey {TOKEN}"}},
    {"hosts": f"http://elastic:{TOKEN}@localhost:1"},
]


@pytest.mark.parametrize("options", CREDENTIALS, ids=lambda options: next(iter(options)))
def test_no_error_shows_a_credential(publish, elasticsearch, options):
    """This also holds for a server that quotes the request, and for one that does not answer."""
    quoted = json.dumps({"error": f"bad header ApiKey {TOKEN} of elastic:{TOKEN}", "status": 401})
    elasticsearch.answers = [(401, {}, quoted)] * 100
    sent = publish(elasticsearch, **options)
    with pytest.raises(PublishError) as caught:
        sent.publisher.publish_batch([made()])
    sent.put(made())
    error = eventually(lambda: sent.to_json()["last_error"])
    shown = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in shown + error + repr(sent.publisher)


@pytest.mark.parametrize(
    ("hosts", "options", "warned"),
    [
        ("http://es.example.org:9200", {"api_key": TOKEN}, True),
        ("es.example.org:9200", {"basic_auth": ("elastic", TOKEN)}, True),
        (f"http://elastic:{TOKEN}@10.0.0.1:9200", {}, True),
        (["https://a.example.org:9200", "http://b.example.org:9200"], {"api_key": TOKEN}, True),
        ("https://es.example.org:9200", {"api_key": TOKEN}, False),
        ("localhost:9200", {"api_key": TOKEN}, False),
        ("http://127.0.0.1:9200", {"api_key": TOKEN}, False),
        ("http://[::1]:9200", {"api_key": TOKEN}, False),
        ("http://es.example.org:9200", {}, False),
    ],
)
def test_a_credential_that_everybody_can_read_is_warned_of_once(caplog, hosts, options, warned):
    caplog.set_level(logging.WARNING, "volnux.telemetry")
    ElasticsearchPublisher(hosts=hosts, **options)
    said = [record.message for record in caplog.records if "without encryption" in record.message]
    assert len(said) == warned
    assert TOKEN not in "".join(said)


def test_hosts_may_lack_a_scheme():
    assert ElasticsearchPublisher(hosts=["localhost:9200", "https://es:9243"]).hosts == [
        "http://localhost:9200",
        "https://es:9243",
    ]
    with pytest.raises(ValueError, match="index_prefix must be lower case"):
        ElasticsearchPublisher(index_prefix="Metrics")

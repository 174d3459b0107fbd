"""A real Prometheus fetches the metrics of a run, and its queries give the right counts."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from textwrap import dedent

import pytest
from servers import eventually
from volnux_standalone import StandaloneBackend

from volnux import telemetry
from volnux.telemetry import PrometheusPublisher
from volnux.telemetry.network import network_operation

EVENTS = """
    from concurrent.futures import ProcessPoolExecutor
    from volnux import EventBase, RetryPolicy, event

    @event
    def Quick():
        return True, 1

    class Flaky(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0.0)

        def process(self):
            if self.attempt < 3:
                raise ConnectionError("not yet")
            return True, self.attempt

    @event
    def Bad():
        return False, "no stock"

    class Away(EventBase):
        executor = ProcessPoolExecutor
        executor_config = {"max_workers": 1}

        def process(self):
            return True, None
"""


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def prometheus(tmp_path):
    """Starts Debian's Prometheus for targets; gives a function that evaluates a query."""
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed: tools/system_program.sh prometheus"
    started = []

    def start(*ports):
        home = tmp_path / "prometheus"
        home.mkdir()
        targets = [f"127.0.0.1:{port}" for port in ports]
        (home / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
                    "scrape_configs": [
                        {"job_name": "volnux", "static_configs": [{"targets": targets}]}
                    ],
                }
            )
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (home / "log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [
                        program,
                        f"--config.file={home / 'prometheus.yml'}",
                        f"--storage.tsdb.path={home / 'data'}",
                        f"--web.listen-address=127.0.0.1:{port}",
                        "--log.level=error",
                    ],
                    cwd=home,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                )
            )

        def query(text):
            url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": text})
            try:
                found = json.loads(fetch(url))["data"]["result"]
            except urllib.error.URLError:
                assert started[-1].poll() is None, (home / "log").read_text()
                return None
            return float(found[0]["value"][1]) if found else None

        return query

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_real_server_counts_a_run(files, prometheus):
    publisher = PrometheusPublisher(port=0)
    telemetry.monitor_events([publisher])
    plan = files("Quick -> Flaky -> Away -> Bad (0 -> Quick)", EVENTS)
    for _ in range(3):
        assert StandaloneBackend().run(plan, {}).status == "success"
    network_operation("dask://db1:8786", started_at=1.0, ended_at=3.0, bytes_sent=700)
    query = prometheus(publisher.port)
    eventually(lambda: query("sum(volnux_events_total)") == 15, 30)
    assert query('sum(volnux_events_total{status="failure"})') == 3
    assert query('sum(volnux_events_total{event="Quick"})') == 6
    assert query('sum(volnux_events_total{place="Quick__2"})') == 3
    assert query('volnux_event_retries_total{place="Flaky"}') == 6
    assert query('volnux_event_attempts_total{place="Flaky"}') == 9
    assert query('volnux_event_errors_total{place="Bad",error_type="returned"}') == 3
    assert query('volnux_event_duration_seconds_count{place="Away"}') == 3
    assert query('sum(volnux_event_duration_seconds_bucket{le="+Inf"})') == 15
    assert query("volnux_network_sent_bytes_total") == 700
    assert query("volnux_network_latency_seconds_sum") == 2


def test_two_publishers_live_in_one_process():
    first, second = PrometheusPublisher(port=0), PrometheusPublisher(port=0)
    try:
        assert first.port != second.port
        assert first.registry is not second.registry
    finally:
        first.close()
        second.close()


def test_a_port_that_is_taken_is_an_error():
    publisher = PrometheusPublisher(port=0)
    try:
        with pytest.raises(OSError, match="in use"):
            PrometheusPublisher(port=publisher.port)
    finally:
        publisher.close()
    # And free again once it is closed.
    PrometheusPublisher(port=publisher.port).close()


def test_every_process_adds_to_the_same_metrics(tmp_path):
    program = tmp_path / "worker.py"
    program.write_text(
        dedent(
            """
            import sys
            from volnux import event, telemetry
            from volnux.events.run import Call, run_event
            from volnux.events.spec import spec_of

            @event
            def Quick():
                return True, 1

            publisher = telemetry.PrometheusPublisher(port=0 if sys.argv[1:] else None)
            telemetry.monitor_events([publisher])
            for number in range(5):
                run_event(spec_of("Quick", Quick), Call("Quick", str(number)))
            if sys.argv[1:]:
                import urllib.request

                url = f"http://127.0.0.1:{publisher.port}/metrics"
                print(urllib.request.urlopen(url, timeout=10).read().decode())
            """
        )
    )
    folder = tmp_path / "shared"
    folder.mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}

    def work(*arguments):
        return subprocess.run(
            [sys.executable, str(program), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    work()
    work()
    shown = work("serve")
    line = 'volnux_events_total{event="Quick",pipeline="",place="Quick",status="success"} 15.0'
    assert line in shown.splitlines()
    assert list(Path(folder).iterdir())

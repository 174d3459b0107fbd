"""A real Prometheus fetches the metrics of a run, and its queries give the right counts."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from prometheus_server import prometheus_server
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
        every = 0.01

        def process(self):
            if self.polls < 2:
                self.not_yet("no file")
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


@pytest.fixture
def prometheus(tmp_path):
    """Starts a Prometheus for a port. Returns a function that evaluates a query."""
    with contextlib.ExitStack() as stack:
        yield lambda port: stack.enter_context(prometheus_server(tmp_path, port))


def test_a_real_server_counts_a_run(files, prometheus):
    publisher = PrometheusPublisher(port=0)
    telemetry.monitor_events([publisher])
    plan = files("Quick -> Flaky -> Away -> Bad (0 -> Quick)", EVENTS)
    for _ in range(3):
        assert StandaloneBackend().run(plan, {}).status == "success"
    network_operation("dask://db1:8786", started_at=1.0, ended_at=3.0, bytes_sent=700)
    query = prometheus(publisher.port)
    wanted = {
        "sum(volnux_events_total)": 15,
        'sum(volnux_events_total{status="failure"})': 3,
        'sum(volnux_events_total{event="Quick"})': 6,
        'sum(volnux_events_total{place="Quick__2"})': 3,
        'volnux_event_retries_total{place="Flaky"}': 6,
        'volnux_event_attempts_total{place="Flaky"}': 9,
        'volnux_event_polls_total{place="Flaky"}': 6,
        'volnux_event_errors_total{place="Bad",error_type="returned"}': 3,
        'volnux_event_duration_seconds_count{place="Away"}': 3,
        'sum(volnux_event_duration_seconds_bucket{le="+Inf"})': 15,
        "volnux_network_sent_bytes_total": 700,
        "volnux_network_latency_seconds_sum": 2,
    }
    found = {}

    def counted():
        # On a busy machine a fetch may come too late, and then there are no values for a moment.
        found.update({text: query(text) for text in wanted})
        return found == wanted

    with contextlib.suppress(AssertionError):
        eventually(counted)
    assert found == wanted


def test_two_publishers_live_in_one_process():
    first, second = PrometheusPublisher(port=0), PrometheusPublisher(port=0)
    try:
        assert first.port != second.port
        assert first.registry is not second.registry
    finally:
        first.close()
        second.close()


def test_copies_are_counted_at_one_place(files):
    publisher = PrometheusPublisher(port=0)
    telemetry.monitor_events([publisher])
    events = """
        from volnux import event

        @event
        def Numbers(): return True, list(range(50))

        @event
        def Copy(): return True, None
    """
    assert StandaloneBackend().run(files("Numbers |-> Copy[each=number]", events), {}).succeeded
    publisher.close()
    (events_total,) = [m for m in publisher.registry.collect() if m.name == "volnux_events"]
    counted = {
        (sample.labels["event"], sample.labels["place"]): sample.value
        for sample in events_total.samples
        if sample.name == "volnux_events_total" and sample.labels["status"] == "success"
    }
    assert counted == {("Numbers", "Numbers"): 1, ("Copy", "Copy"): 50}


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
            from volnux.events import Call, run_event
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

"""One connected trace of a run in Airflow's `dag.test()`, and the metrics of its events."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from servers import WORKING, connected

EVENTS = f"""
    import os
    from concurrent.futures import ProcessPoolExecutor
    from opentelemetry import trace
    from volnux import EventBase, RetryPolicy, event

{WORKING}
    class Away(EventBase):
        executor = ProcessPoolExecutor

        def process(self, previous_result):
            return True, previous_result
"""

PROGRAM = """
    import json
    import sys
    from volnux_airflow import AirflowBackend
    from volnux import telemetry
    from volnux.loading import load_plan

    def main():
        telemetry.monitor_events()
        plan = load_plan("flow.pty")
        backend = AirflowBackend()
        from opentelemetry import trace
        if "own" in sys.argv:
            # A provider of the user's, where Airflow does not trace.
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import SimpleSpanProcessor

            provider = TracerProvider()
            provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
            trace.set_tracer_provider(provider)
        report = backend.run(plan, {})
        assert report.status == "success", report.dumps(indent=1)
        seen = json.loads(telemetry.get_metrics())
        print(seen["totals"]["events"], {e["backend"] for e in seen["events"]})
        trace.get_tracer_provider().shutdown()

    if __name__ == "__main__":
        main()
"""


@pytest.fixture
def traced(collector):
    def traced(*arguments, flow="First -> Flaky |-> Away", **environment):
        Path("flow.pty").write_text(flow)
        Path("flow_events.py").write_text(dedent(EVENTS))
        Path("program.py").write_text(dedent(PROGRAM))
        done = subprocess.run(
            [sys.executable, "program.py", *arguments],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, collector.spans()

    return traced


def check(spans):
    (run,) = [s for s in spans if s["name"] == "RUN flow"]
    events = [s for s in spans if s["scope"] == "volnux" and s is not run]
    assert {s["parent"] for s in events} == {run["id"]}
    assert [s["name"] for s in events] == ["First", "Flaky", "Flaky", "Away"]
    assert [s["attributes"]["volnux.backend"] for s in events] == ["airflow"] * 4
    work = {s["parent"] for s in spans if s["name"] == "work"}
    assert work == {events[0]["id"], events[2]["id"]}
    assert events[1]["status"] == 2
    assert "exception" in events[1]["events"]


@pytest.mark.timeout(300)
def test_below_the_spans_of_airflow(traced):
    told, spans = traced(AIRFLOW__TRACES__OTEL_ON="True", OTEL_TRACES_EXPORTER="otlp_proto_http")
    check(spans)
    # In `dag.test()` Airflow hands no context to its tasks: its own spans are a trace apart.
    assert connected([s for s in spans if s["scope"] in ("volnux", "shop")])
    assert "dag_run.flow" in [s["name"] for s in spans]
    assert "3 {'airflow'}" in told


@pytest.mark.timeout(300)
def test_in_one_trace_where_airflow_does_not_trace(traced):
    _, spans = traced("own")
    check(spans)
    assert connected([s for s in spans if s["scope"] in ("volnux", "shop")])


@pytest.mark.timeout(300)
def test_a_part_of_the_flow_in_one_task(traced):
    told, spans = traced("own", flow="{First -> Flaky |-> Away}[task=all]")
    assert connected([s for s in spans if s["scope"] in ("volnux", "shop")])
    names = sorted(s["name"] for s in spans if s["scope"] == "volnux")
    assert names == ["Away", "First", "Flaky", "RUN flow", "RUN flow"]
    assert "3 {'standalone'}" in told

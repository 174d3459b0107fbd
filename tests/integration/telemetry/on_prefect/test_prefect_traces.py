"""One connected trace of a Prefect flow, through its threads and a process."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from servers import WORKING, connected

from tests.integration.prefect.server import surroundings

EVENTS = f"""
    import os
    from concurrent.futures import ProcessPoolExecutor
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from volnux import EventBase, RetryPolicy, event

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

{WORKING}
    class Away(EventBase):
        executor = ProcessPoolExecutor

        def process(self, previous_result):
            return work()
"""

PROGRAM = """
    import json
    import os
    from volnux import telemetry
    from volnux.loading import load_plan
    from volnux_prefect import load_flow

    def main():
        telemetry.monitor_events()
        flow = load_flow(os.path.abspath("flow.pty"))
        from opentelemetry import trace
        state = flow(return_state=True)
        assert state.is_completed(), state
        seen = json.loads(telemetry.get_metrics())
        events = {e["task_id"]: e for e in seen["events"]}
        print({place: e["attempts"] for place, e in events.items()})
        assert events["Away"]["process_id"] not in (None, os.getpid())
        assert {(e["pipeline"], e["backend"]) for e in events.values()} == {("flow", "prefect")}
        trace.get_tracer_provider().shutdown()

    if __name__ == "__main__":
        main()
"""


def test_one_trace_of_a_flow(server, collector):
    Path("flow.pty").write_text("First -> Flaky |-> Away")
    Path("flow_events.py").write_text(dedent(EVENTS))
    Path("program.py").write_text(dedent(PROGRAM))
    done = subprocess.run(
        [sys.executable, "program.py"],
        env=surroundings(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}"),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "{'First': 1, 'Flaky': 2, 'Away': 1}" in done.stdout
    spans = [s for s in collector.spans() if s["scope"] in ("volnux", "shop")]
    assert connected(spans)
    events = {
        s["attributes"]["volnux.place"]: s for s in spans if "volnux.place" in s["attributes"]
    }
    assert set(events) == {"First", "Flaky", "Away"}
    work = {s["parent"] for s in spans if s["name"] == "work"}
    assert work == {event["id"] for event in events.values()}
    assert events["Away"]["links"] == [events["Flaky"]["id"]]
    assert events["Flaky"]["events"].count("attempt.started") == 2

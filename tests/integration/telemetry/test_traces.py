"""One connected trace of a run, at a collector: through threads, processes, dask and batches."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from servers import connected

EVENTS = """
    import logging
    import os
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from volnux import EventBase, RetryPolicy, event

    # In every process that imports the events: the workers' spans go to the collector as well.
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    metrics.set_meter_provider(MeterProvider([reader]))

    def work():
        with trace.get_tracer("shop").start_as_current_span("work") as span:
            span.set_attribute("pid", os.getpid())
        return True, os.getpid()

    @event
    def Inline():
        return work()

    @event
    async def Later():
        return work()

    class InThread(EventBase):
        executor = ThreadPoolExecutor

        def process(self):
            return work()

    class InProcess(EventBase):
        executor = ProcessPoolExecutor
        executor_config = {"max_workers": 1}

        def process(self):
            return work()

    class Flaky(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0.0)

        def process(self, previous_result):
            if self.attempt == 1:
                raise ConnectionError("not yet")
            return True, previous_result

    class Waits(EventBase):
        every = 0.05

        def process(self):
            if self.polls < 3:
                self.not_yet("no list" if self.polls == 2 else "no file")
            return True, None

    @event
    def Bad():
        return False, "no stock"

    @event
    def Numbers():
        return True, [5, 6]

    @event
    def Pass(previous_result):
        return True, previous_result
"""

PROGRAM = """
    import sys
    from volnux.loading import load_plan
    from volnux_standalone import StandaloneBackend

    def main():
        plan = load_plan("flow.pty")
        from opentelemetry import metrics, trace
        with trace.get_tracer("caller").start_as_current_span("request"):
            report = StandaloneBackend().run(plan, {})
        print(report.run_id)
        trace.get_tracer_provider().shutdown()
        metrics.get_meter_provider().shutdown()

    if __name__ == "__main__":
        main()
"""


@pytest.fixture
def traced(collector):
    """Run a flow in a separate process; its events set up the SDK. Returns run id and spans."""

    def traced(flow, program=PROGRAM):
        Path("flow.pty").write_text(flow)
        Path("flow_events.py").write_text(dedent(EVENTS))
        Path("program.py").write_text(dedent(program))
        done = subprocess.run(
            [sys.executable, "program.py"],
            env={
                "PATH": "/usr/bin:/bin",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
                "OTEL_SERVICE_NAME": "shop",
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), collector.spans()

    return traced


def by_place(spans):
    return {s["attributes"]["volnux.place"]: s for s in spans if s["scope"] == "volnux"
            and "volnux.place" in s["attributes"]}  # fmt: skip


def test_one_trace_through_threads_processes_and_dask(traced, collector):
    run_id, spans = traced(
        "Inline || Later || InThread || InProcess "
        '|-> Flaky -> InThread [executor="dask://?processes=1"]'
    )
    assert connected(spans)
    (request,) = [s for s in spans if s["name"] == "request"]
    (run,) = [s for s in spans if s["name"] == "RUN flow"]
    assert run["parent"] == request["id"]
    assert run["attributes"]["cicd.pipeline.run.id"] == run_id
    assert run["attributes"]["cicd.pipeline.result"] == "success"
    events = by_place(spans)
    assert set(events) == {"Inline", "Later", "InThread", "InProcess", "Flaky", "InThread__2"}
    assert {event["parent"] for event in events.values()} == {run["id"]}

    # What the events' own code traced lies below their spans, in whatever process it was.
    work = {s["parent"]: s["attributes"]["pid"] for s in spans if s["name"] == "work"}
    pids = {place: work[events[place]["id"]] for place in events if place != "Flaky"}
    assert pids["Inline"] == pids["Later"] == pids["InThread"]
    assert len({pids["Inline"], pids["InProcess"], pids["InThread__2"]}) == 3
    for place, pid in pids.items():
        assert events[place]["attributes"]["process.pid"] == pid

    # A piped result links to its sources, and attempts are events of the span.
    sources = {events[place]["id"] for place in ("Inline", "Later", "InThread", "InProcess")}
    assert set(events["Flaky"]["links"]) == sources
    assert events["Flaky"]["events"] == [
        "attempt.started", "exception", "attempt.ended", "attempt.started", "attempt.ended",
    ]  # fmt: skip
    away = events["InThread__2"]["attributes"]
    assert (away["url.scheme"], away["server.address"]) == ("dask", "localhost")

    metrics = collector.metrics()
    assert sum(metrics["volnux.event.duration"].values()) == 6
    assert sum(metrics["volnux.event.attempts"].values()) == 7
    assert sum(metrics["cicd.pipeline.run.duration"].values()) == 1
    assert sum(metrics["volnux.network.latency"].values()) == 1
    assert all(value > 0 for value in metrics["volnux.network.io"].values())


def test_copies_have_the_name_of_their_event_and_their_own_place(traced, collector):
    _, spans = traced("Numbers |-> {Pass |-> Pass}[each=number] |-> Pass")
    events = by_place(spans)
    copies = ["Pass[0]", "Pass[1]", "Pass__2[0]", "Pass__2[1]"]
    assert sorted(events) == ["Numbers", *copies, "Pass__3"]
    assert {events[place]["name"] for place in copies} == {"Pass"}
    assert {place: links(events, place) for place in events} == {
        "Numbers": [],
        "Pass[0]": ["Numbers"],
        "Pass[1]": ["Numbers"],
        "Pass__2[0]": ["Pass[0]"],
        "Pass__2[1]": ["Pass[1]"],
        "Pass__3": ["Pass__2[0]", "Pass__2[1]"],
    }
    # No label of a metric has a place.
    assert sorted(collector.metrics()["volnux.event.attempts"].values()) == [1, 5]


def test_an_event_that_waits_has_one_span(traced, collector):
    _, spans = traced("Waits -> Waits[executor=process, within=0.0001] (0 -> Bad)")
    events = by_place(spans)
    assert events["Waits"]["events"] == ["poll", "poll", "attempt.started", "attempt.ended"]
    assert events["Waits"]["attributes"]["volnux.polls"] == 3
    assert events["Waits__2"]["attributes"]["error.type"] == "NotYetError"
    assert sorted(collector.metrics()["volnux.event.polls"].values()) == [1, 3]


def links(events, place):
    names = {event["id"]: name for name, event in events.items()}
    return [names[link] for link in events[place]["links"]]


def test_a_failed_run_says_so(traced):
    _, spans = traced("Inline -> Bad -> Inline")
    events = by_place(spans)
    (run,) = [s for s in spans if s["name"] == "RUN flow"]
    assert set(events) == {"Inline", "Bad"}
    assert (run["status"], run["attributes"]["cicd.pipeline.result"]) == (2, "failure")
    assert events["Bad"]["status"] == 2
    assert events["Bad"]["attributes"]["error.type"] == "returned_failure"
    assert events["Bad"]["attributes"]["cicd.pipeline.task.run.result"] == "failure"


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_batches_are_part_of_the_trace_that_starts_them(traced, executor):
    program = f"""
        from volnux import InputDataField, Pipeline
        from volnux.pipeline import BatchPipeline
        import flow_events
        from flow_events import Inline

        class Names(Pipeline):
            names = InputDataField(data_type=list, batch_size=2)

            class Meta:
                pointy = "Inline"

        class AllNames(BatchPipeline):
            pipeline_template = Names

        def main():
            from opentelemetry import trace
            with trace.get_tracer("caller").start_as_current_span("request"):
                report = AllNames(names=list("abcdef")).execute(
                    executor={executor!r}, max_workers=2
                )
            report.raise_for_status()
            trace.get_tracer_provider().shutdown()

        if __name__ == "__main__":
            main()
    """
    _, spans = traced("Inline", program)
    assert connected(spans)
    assert sum(s["name"].startswith("RUN ") for s in spans) == 3
    assert sum(s["name"] == "work" for s in spans) == 3


def test_events_of_batches_in_processes_are_counted(traced):
    program = """
        import json
        from volnux import InputDataField, Pipeline, event, telemetry
        from volnux.pipeline import BatchPipeline

        @event(retry_policy={"max_attempts": 2, "backoff_factor": 0.0})
        def Twice(self):
            if self.attempt == 1:
                raise ValueError("once")
            return True, None

        class Names(Pipeline):
            names = InputDataField(data_type=list, batch_size=2)

            class Meta:
                pointy = "Twice"

        class AllNames(BatchPipeline):
            pipeline_template = Names
            executor = "process"
            max_workers = 2

        def main():
            import os
            telemetry.monitor_events()
            AllNames(names=list("abcdef")).execute().raise_for_status()
            seen = json.loads(telemetry.get_metrics())
            assert os.getpid() not in {e["process_id"] for e in seen["events"]}
            print(seen["totals"]["events"], seen["totals"]["retries"], len(seen["runs"]))

        if __name__ == "__main__":
            main()
    """
    told, _ = traced("Inline", program)
    assert told == "3 3 3"


def test_without_an_sdk_nothing_is_sent_and_nothing_loaded(collector):
    program = """
        import sys
        from volnux import event
        from volnux.loading import load_plan
        from volnux_standalone import StandaloneBackend
        print(StandaloneBackend().run(load_plan("flow.pty"), {}).status)
        print([name for name in sys.modules if name.startswith("opentelemetry")])
    """
    Path("flow.pty").write_text("A -> A")
    Path("flow_events.py").write_text(
        "from volnux import event\n@event\ndef A():\n    return True, 1\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["success", "[]"]

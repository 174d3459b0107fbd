"""The cost of telemetry for an event that does nothing, and the cost of a dead server.

`never` has no telemetry in the process; `off` had telemetry and stopped it. Each is a chain of
events on the embedded backend, measured in turn. The results are ratios to `off`, and of `off` to
`never`.
"""

import contextlib
import gc
import resource
import statistics
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from measure import arguments, interleaved, show
from volnux_standalone import StandaloneBackend

from volnux import EventBase
from volnux.backends import RunOptions
from volnux.events import Lookup, Plan, link
from volnux.graph import compile
from volnux.pointy import parse

EVENTS = 3_000
SOAK = 200_000


class Nothing(EventBase):
    def process(self) -> tuple[bool, Any]:
        return True, None


def plan_of(count: int) -> Plan:
    module = types.ModuleType("events")
    vars(module)["Nothing"] = Nothing
    return link(compile(parse(" -> ".join(["Nothing"] * count))), Lookup(extra=[module]))


def run(plan: Plan) -> None:
    report = StandaloneBackend().run(plan, {}, RunOptions(workers=2))
    assert report.status == "success"


def costs(rounds: int) -> dict[str, float]:
    """Microseconds per event with each kind of telemetry."""
    plan = plan_of(EVENTS)
    run(plan)

    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    from volnux import telemetry
    from volnux.telemetry.records import attempt_ended, network_ended
    from volnux.telemetry.tracing import spans

    class Nowhere(SpanExporter):
        def export(self, batch: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    class Drain(telemetry.MetricsPublisher):
        batch_size = 500

        def publish_event_metrics(self, metrics: telemetry.EventMetrics) -> None:
            pass

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))

    def monitored(*publishers: telemetry.MetricsPublisher) -> None:
        telemetry.monitor_events(publishers)
        try:
            run(plan)
        finally:
            telemetry.stop_monitoring()

    # Fetching the metrics is not included: it happens every few seconds, not for each event.
    publisher = telemetry.PrometheusPublisher(port=None)

    def prometheus() -> None:
        monitored(publisher)

    def traced() -> None:
        from opentelemetry import trace

        real = trace.get_tracer_provider
        trace.get_tracer_provider = lambda: provider
        try:
            run(plan)
        finally:
            trace.get_tracer_provider = real
            attempt_ended.disconnect(spans._attempt_ended)
            network_ended.disconnect(spans._network_ended)

    works: dict[str, Callable[[], object]] = {
        "off": lambda: run(plan),
        "on": monitored,
        "on, with a publisher in the background": lambda: monitored(Drain()),
        "on, with Prometheus": prometheus,
        "OpenTelemetry": traced,
    }
    taken = interleaved(works, rounds)
    provider.shutdown()
    return taken


@contextlib.contextmanager
def never_loaded() -> Iterator[None]:
    """Act as if this process had never imported signals, telemetry and OpenTelemetry."""
    names = [
        name
        for name in sys.modules
        if name.startswith(("volnux.signal", "volnux.telemetry.", "opentelemetry"))
        and name != "volnux.telemetry.watch"
    ]
    hidden = {name: sys.modules.pop(name) for name in names}
    try:
        yield
    finally:
        sys.modules.update(hidden)


def off_against_never(rounds: int) -> list[float]:
    """Pairs of short runs in turn, in processor time, which excludes other load on the machine."""
    plan = plan_of(1_000)
    ratios = []
    for number in range(rounds * 20):
        taken: dict[str, float] = {}
        for kind in ("never", "off") if number % 2 else ("off", "never"):
            gc.collect()
            with never_loaded() if kind == "never" else contextlib.nullcontext():
                began = time.process_time()
                run(plan)
                taken[kind] = time.process_time() - began
        ratios.append(taken["off"] / taken["never"])
    return statistics.quantiles(ratios, n=4)


def soak() -> list[list[object]]:
    """Run many events while the publisher's server stops and restarts."""
    from volnux import telemetry
    from volnux.telemetry import monitor

    class Server(telemetry.MetricsPublisher):
        batch_size = 500

        def __init__(self) -> None:
            self.up = threading.Event()
            self.arrived = 0

        def publish_event_metrics(self, metrics: telemetry.EventMetrics) -> None:
            self.publish_batch((metrics,))

        def publish_batch(self, items: Sequence[Any]) -> None:
            if not self.up.is_set():
                raise telemetry.PublishError("no connection")
            self.arrived += len(items)

    server = Server()
    telemetry.monitor_events([server])
    plan = plan_of(2_000)
    rows: list[list[object]] = []
    done = 0
    while done < SOAK:
        # The server is up for a tenth of the events, down for the next tenth, and so on. It is up
        # at the end.
        if (done // (SOAK // 10)) % 2 or done + 2_000 >= SOAK:
            server.up.set()
        else:
            server.up.clear()
        run(plan)
        done += 2_000
        if done % (SOAK // 5) == 0:
            gc.collect()
            (delivery,) = monitor._deliveries
            rows.append(
                [
                    done,
                    _resident(),
                    delivery.published,
                    delivery.dropped,
                    delivery.waiting,
                ]
            )
    telemetry.flush(60)
    (delivery,) = monitor._deliveries
    rows.append(["end", _resident(), delivery.published, delivery.dropped, delivery.waiting])
    assert delivery.published == server.arrived
    assert delivery.published + delivery.dropped == SOAK, "records were lost without being counted"
    telemetry.stop_monitoring()
    return rows


def _resident() -> float:
    """The current memory of this process in MiB if the system reports it, otherwise the peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    options = arguments((__doc__ or "").partition("\n")[0])
    taken = costs(options.rounds)
    rows = [
        [name, 1e6 * seconds / EVENTS, seconds / taken["off"]] for name, seconds in taken.items()
    ]
    show(
        f"A chain of {EVENTS} events", ["telemetry", "µs per event", "ratio"], rows,
        as_json=options.json,
    )  # fmt: skip
    quarter, middle, three_quarters = off_against_never(options.rounds)
    show(
        "Off against never",
        ["median ratio", "from", "to (half of the pairs)"],
        [[f"{middle:.3f}", f"{quarter:.3f}", f"{three_quarters:.3f}"]],
        as_json=options.json,
    )
    show(
        f"{SOAK} events, with a server that stops and restarts",
        ["events", "MiB", "published", "dropped", "waiting"],
        soak(),
        as_json=options.json,
    )


if __name__ == "__main__":
    main()

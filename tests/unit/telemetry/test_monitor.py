"""What is recorded, and what can be read from it."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from volnux import EventBase, RetryPolicy, event, telemetry
from volnux.events import Call, run_event
from volnux.events.spec import spec_of
from volnux.telemetry.network import network_operation
from volnux.telemetry.store import Limits, Store


@event
def Quick():
    return True, 1


@event
def Slow():
    time.sleep(0.05)
    return True, None


@event
def Bad():
    return False, "no stock"


@event
def Boom():
    raise ValueError("broken " + "x" * 5_000)


class Flaky(EventBase):
    retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0.0)

    def process(self):
        if self.attempt < 3:
            raise ConnectionError("not yet")
        return True, self.attempt


def metrics():
    return json.loads(telemetry.get_metrics())


@event
def Word():
    return True, "a"


@event
def Count(previous_result: int):
    return True, previous_result


def test_an_event_that_is_not_started_has_no_attempts_and_no_retries(run):
    telemetry.monitor_events()
    report = run("Flaky -> Word |-> Count (0 -> Quick)", Flaky, Word, Count, Quick)
    assert report.places["Count"].attempts == 0
    seen = {item["task_id"]: (item["attempts"], item["retries"]) for item in metrics()["events"]}
    assert seen == {"Flaky": (3, 2), "Word": (1, 0), "Count": (0, 0), "Quick": (1, 0)}
    assert (metrics()["totals"]["attempts"], metrics()["totals"]["retries"]) == (5, 2)
    assert telemetry.get_retry_stats()["total_retries"] == 2


def test_a_run_is_recorded_by_place(run):
    telemetry.monitor_events()
    report = run("Quick -> Flaky -> Bad (0 -> Quick)", Quick, Flaky, Bad)
    seen = {item["task_id"]: item for item in metrics()["events"]}
    assert list(seen) == ["Quick", "Flaky", "Bad", "Quick__2"]
    assert {item["run_id"] for item in seen.values()} == {report.run_id}
    assert {item["pipeline"] for item in seen.values()} == {"flow"}
    assert {item["backend"] for item in seen.values()} == {"standalone"}
    assert {item["process_id"] for item in seen.values()} == {os.getpid()}
    assert seen["Quick__2"]["event_name"] == "Quick"
    assert (seen["Flaky"]["status"], seen["Flaky"]["attempts"]) == ("success", 3)
    assert (seen["Bad"]["status"], seen["Bad"]["descriptor"]) == ("failure", 0)


def test_copies_are_counted_at_one_place(run):
    @event
    def Numbers():
        return True, list(range(100))

    telemetry.monitor_events()
    run("Numbers |-> Quick[each=number]", Numbers, Quick)
    seen = metrics()
    assert [(p["task_id"], p["events"]) for p in seen["places"]] == [("Numbers", 1), ("Quick", 100)]
    assert {item["task_id"] for item in seen["events"]} == {
        "Numbers",
        *[f"Quick[{number}]" for number in range(100)],
    }


def test_totals_places_and_runs_agree(run):
    telemetry.monitor_events()
    for _ in range(3):
        run("Quick -> Flaky", Quick, Flaky)
    seen = metrics()
    assert (seen["totals"]["events"], seen["totals"]["attempts"]) == (6, 12)
    assert [(p["task_id"], p["events"], p["retries"]) for p in seen["places"]] == [
        ("Quick", 3, 0),
        ("Flaky", 3, 6),
    ]
    assert [r["events"] for r in seen["runs"]] == [2, 2, 2]
    assert seen["totals"]["min_seconds"] <= seen["totals"]["max_seconds"]


def test_failures_say_why_in_bounded_length(run):
    telemetry.monitor_events()
    run("Bad || Boom", Bad, Boom)
    failed = {each.event_name: each for each in telemetry.get_failed_events()}
    assert failed["Bad"].error_type is None
    assert failed["Boom"].error_type == "ValueError"
    assert failed["Boom"].error_message.startswith("broken")
    assert len(failed["Boom"].error_message) < 2_100
    assert metrics()["errors"] == {"(returned)": 1, "ValueError": 1}


def test_slow_events_come_slowest_first(run):
    telemetry.monitor_events()
    run("Quick -> Slow", Quick, Slow)
    assert [each.event_name for each in telemetry.get_slow_events(threshold_seconds=0.04)] == [
        "Slow"
    ]
    assert [each.event_name for each in telemetry.get_slow_events(threshold_seconds=-1)] == [
        "Slow",
        "Quick",
    ]


def test_retry_statistics(run):
    telemetry.monitor_events()
    run("Quick -> Flaky", Quick, Flaky)
    stats = telemetry.get_retry_stats()
    assert (stats["events"], stats["retried_events"], stats["total_retries"]) == (2, 1, 2)
    assert stats["places"] == [
        {
            "pipeline": "flow",
            "task_id": "Flaky",
            "event_name": "Flaky",
            "events": 1,
            "attempts": 3,
            "retries": 2,
            "failed": 0,
        }
    ]


def test_waits_between_attempts_do_not_count():
    class Waits(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0.2)

        def process(self):
            if self.attempt == 1:
                raise ValueError("once")
            return True, None

    telemetry.monitor_events()
    run_event(spec_of("Waits", Waits), Call("Waits", "r1"))
    seen = metrics()["events"][0]
    assert seen["duration_seconds"] < 0.1
    assert seen["ended_at"] > seen["started_at"]


class Waits(EventBase):
    retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0.0)
    every = 0.2

    def process(self):
        if self.polls < self.attempt:
            self.not_yet("no file")
        if self.attempt == 1:
            raise ValueError("once")
        return True, None


def test_an_event_that_waits_is_recorded_once_with_its_polls(run):
    telemetry.monitor_events()
    report = run("Waits -> Waits[within=0.0001] (0 -> Quick)", Waits, Quick)
    seen = {item["task_id"]: item for item in metrics()["events"]}
    assert {place: (item["attempts"], item["polls"]) for place, item in seen.items()} == {
        "Waits": (2, 2),
        "Waits__2": (1, 1),
        "Quick": (1, 0),
    }
    assert seen["Waits"]["duration_seconds"] < 0.1
    assert seen["Waits__2"]["error_type"] == "NotYetError"
    lasted = report.places["Waits"].ended_at - report.places["Waits"].started_at
    assert lasted.total_seconds() >= 0.4
    assert metrics()["totals"]["polls"] == 3


def test_nothing_is_recorded_before_and_after(run):
    run("Quick", Quick)
    telemetry.monitor_events()
    run("Quick", Quick)
    telemetry.stop_monitoring()
    run("Quick", Quick)
    assert metrics()["totals"]["events"] == 1


def test_monitoring_twice_counts_once(run):
    telemetry.monitor_events()
    telemetry.monitor_events()
    run("Quick", Quick)
    assert metrics()["totals"]["events"] == 1


def test_a_run_of_many_threads_is_counted_exactly(run):
    class Pooled(EventBase):
        executor = ThreadPoolExecutor

        def process(self):
            return True, None

    telemetry.monitor_events()
    run(" || ".join(["Quick", "Pooled"] * 200), Quick, Pooled)
    assert metrics()["totals"]["events"] == 400


def test_memory_is_bounded(monkeypatch, event_metrics):
    for name in ("recent", "failed", "slowest", "places", "runs", "errors"):
        monkeypatch.setattr(Limits, name, 10)
    store = Store()
    for number in range(1_000):
        store._take(
            event_metrics(
                task_id=f"Place{number}",
                run_id=f"run{number}",
                status="failure",
                descriptor=0,
                error_type=f"Error{number}",
                duration_seconds=float(number),
            )
        )
    seen = store.to_json()
    assert seen["totals"]["events"] == 1_000
    assert len(seen["events"]) == len(store.failed()) == len(seen["runs"]) == 10
    assert len(seen["places"]) == len(seen["errors"]) == 11
    assert sum(place["events"] for place in seen["places"]) == 1_000
    assert [slow.duration_seconds for slow in store.slow(990.5)] == list(
        map(float, range(999, 990, -1))
    )


def test_network_operations():
    telemetry.monitor_events()
    network_operation(
        "dask://user:secret@db1:8786",
        started_at=100.0,
        ended_at=104.0,
        executed_seconds=1.0,
        bytes_sent=300,
        bytes_received=20,
        event="Load",
        task_id="Load__2",
        run_id="r1",
    )
    network_operation(
        "dask://db1:8786", started_at=100.0, ended_at=100.5, error=ConnectionError("gone")
    )
    (slow,) = telemetry.get_slow_network_ops(threshold_seconds=1.0)
    assert (slow["host"], slow["port"], slow["latency_seconds"]) == ("db1", 8786, 3.0)
    (failed,) = telemetry.get_failed_network_ops()
    assert (failed["error_type"], failed["error_message"]) == ("ConnectionError", "gone")
    (host,) = metrics()["network"]
    assert (host["operations"], host["failed"]) == (2, 1)
    assert (host["bytes_sent"], host["bytes_received"]) == (300, 20)
    assert "secret" not in telemetry.get_metrics()


def test_publishers_are_checked():
    with pytest.raises(
        TypeError, match="a publisher must be a MetricsPublisher, found 'prometheus'"
    ):
        telemetry.monitor_events(["prometheus"])


def test_importing_volnux_loads_none_of_it():
    code = (
        "import sys, volnux; from volnux import EventBase, Pipeline; import volnux_standalone;"
        "print([m for m in sys.modules if m.startswith('opentelemetry') or "
        "m in ('prometheus_client', 'elasticsearch', 'requests', '"
        "volnux.telemetry.tracing.spans')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

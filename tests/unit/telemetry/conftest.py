"""Plans of events in memory, and telemetry that starts and ends with each test."""

import types

import pytest
from volnux_standalone import StandaloneBackend

from volnux import telemetry
from volnux.backends import RunOptions
from volnux.events import Lookup, link
from volnux.graph import compile
from volnux.pointy import parse


@pytest.fixture(autouse=True)
def quiet():
    """Monitoring is off, and nothing is recorded, before and after each test."""
    telemetry.reset_metrics()
    yield
    telemetry.stop_monitoring()
    telemetry.reset_metrics()


@pytest.fixture
def run():
    """Run a flow of the events that it names."""

    def run(text, *events, inputs=None, **options):
        module = types.ModuleType("made")
        for event in events:
            setattr(module, event.__name__, event)
        plan = link(compile(parse(text, filename="flow.pty")), Lookup(extra=[module]))
        return StandaloneBackend().run(plan, inputs or {}, RunOptions(**options))

    return run


def made(**changes):
    """An event's metrics."""
    given = {
        "event_name": "Load",
        "task_id": "Load__2",
        "run_id": "r1",
        "pipeline": "orders",
        "backend": "standalone",
        "status": "success",
        "descriptor": 1,
        "started_at": 1_800_000_000.0,
        "ended_at": 1_800_000_002.0,
        "duration_seconds": 1.5,
        "attempts": 2,
        "process_id": 17,
        **changes,
    }
    return telemetry.EventMetrics(**given)


def away(**changes):
    """A network operation."""
    return {
        "operation": "submit",
        "scheme": "dask",
        "host": "db1",
        "port": 8786,
        "status": "success",
        "started_at": 1_800_000_000.0,
        "ended_at": 1_800_000_001.0,
        "duration_seconds": 1.0,
        "latency_seconds": 0.25,
        "bytes_sent": 300,
        "bytes_received": 40,
        "error_type": None,
        "error_message": None,
        "event_name": "Load",
        "task_id": "Load",
        "run_id": "r1",
        **changes,
    }


@pytest.fixture
def event_metrics():
    return made


@pytest.fixture
def operation():
    return away

"""Servers and telemetry that end with their test."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from servers import Collector, Elasticsearch

from volnux import telemetry

# The sessions `airflow` and `prefect` of noxfile.py run these; the core has neither of them.
collect_ignore = [
    f"on_{host}" for host in ("airflow", "prefect") if importlib.util.find_spec(host) is None
]


@pytest.fixture(autouse=True)
def quiet():
    """Monitoring is off, and nothing is recorded, before and after each test."""
    telemetry.reset_metrics()
    yield
    telemetry.stop_monitoring(timeout=0.5)
    telemetry.reset_metrics()


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.stop()


@pytest.fixture
def elasticsearch():
    server = Elasticsearch()
    yield server
    server.stop()

"""Prometheus of the metrics stack, which asks a process on this machine for its metrics."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import pytest

from tests.docker.stacks import ROOT, free_port, gone_afterwards, stacks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PUBLISHES = """
import sys
import time

from volnux import event
from volnux.backends import get_backend
from volnux.loading import load_plan
from volnux.telemetry import PrometheusPublisher, monitor_events

monitor_events([PrometheusPublisher(port=int(sys.argv[1]), address="0.0.0.0")])
plan = load_plan("flow.pty")
while True:
    get_backend("standalone").run(plan, {})
    time.sleep(1)
"""

EVENTS = """
from volnux import event


@event
def Good():
    return True, 1


@event
def Bad():
    raise ValueError("no way")
"""


@pytest.fixture
def prometheus(docker_engine, tmp_path):
    """The stack, and the file with its targets."""
    project = f"volnux-test-metrics-{uuid.uuid4().hex[:6]}"
    targets = tmp_path / "targets.json"
    target, port = free_port(), free_port()
    targets.write_text(json.dumps([{"targets": [f"host.docker.internal:{target}"]}]))
    targets.chmod(0o644)
    settings = tmp_path / "settings"
    chosen = {
        "COMPOSE_PROJECT_NAME": project,
        "PROMETHEUS_PORT": str(port),
        "PROMETHEUS_TARGETS": str(targets),
    }
    stacks.write_settings("metrics", settings, chosen)
    with gone_afterwards(project):
        stacks.up("metrics", local=True, settings=settings)
        yield f"http://127.0.0.1:{port}", target
        stacks.down("metrics", settings=settings, volumes=True)


def test_it_reads_the_metrics_of_the_dashboard(prometheus, tmp_path):
    url, port = prometheus
    folder = Path(tmp_path, "flow")
    folder.mkdir()
    (folder / "flow.pty").write_text("Good || Bad * 2 (0 -> Good)\n")
    (folder / "events.py").write_text(EVENTS)

    def ask(expression):
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=20) as answer:
            return json.load(answer)["data"]["result"]

    process = subprocess.Popen([sys.executable, "-c", PUBLISHES, str(port)], cwd=folder)
    try:
        until = time.monotonic() + 90
        # A rate needs two readings.
        while not ask('rate(volnux_events_total{event="Bad"}[1m]) > 0'):
            assert time.monotonic() < until
            time.sleep(1)
        text = (ROOT / "examples/telemetry/prometheus_dashboard.json").read_text()
        panels = json.loads(text)["panels"]
        asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
        asked = [each for each in asked if "volnux_network" not in each]
        assert len(asked) > 10
        for expression in asked:
            ready = expression.replace("$__rate_interval", "1m").replace("$__range", "5m")
            assert ask(re.sub(r"\$\{?\w+\}?", ".*", ready)), expression
    finally:
        process.terminate()
        process.wait(30)

"""A run as Prefect's web page shows it, in a headless browser."""

import shutil
import subprocess

import pytest

from tests.conformance.cases import EVENTS
from tests.integration.prefect.server import prefect_api
from tests.integration.prefect.states import flow_run_of, task_runs

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


def test_the_page_of_a_run(run, tmp_path):
    if BROWSER is None:
        pytest.skip("there is no Chromium: install the system's package chromium")
    report = run("@tags: shop\nBad (0 -> B, 1 -> C) -> F", EVENTS)
    task_runs(flow_run_of(report), ["Bad", "B", "C", "F"])
    picture = tmp_path / "page.png"
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'browser'}",
            "--virtual-time-budget=30000",
            f"--screenshot={picture}",
            "--dump-dom",
            f"{prefect_api().removesuffix('/api')}/runs/flow-run/{report.run_id}",
        ],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert picture.stat().st_size > 10_000, done.stderr
    assert "4 Task runs" in " ".join(done.stdout.split())
    assert "Completed" in done.stdout
    assert "shop" in done.stdout

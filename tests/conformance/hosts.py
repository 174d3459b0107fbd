"""What the hosts of backends need around them in tests."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PREFECT_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}

_OLD_WAYS = {
    "airflow": (
        "ignore::DeprecationWarning",
        "ignore::PendingDeprecationWarning",
        "ignore::ResourceWarning",
        "ignore::UserWarning:airflow",
        "ignore::FutureWarning:airflow",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
    "prefect": (
        "ignore::DeprecationWarning",
        "ignore::ResourceWarning",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
}
"""Warnings that are the host's own: old ways of other packages, and files left to the collector."""


def settle(name: str) -> tuple[str, ...]:
    """Set what a host reads when it is imported; filters for its warnings.

    Args:
        name: the backend's.
    """
    if name == "prefect" and "PREFECT_API_URL" not in os.environ:
        home = tempfile.mkdtemp(prefix="volnux-prefect-")
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        api = f"http://127.0.0.1:{port}/api"
        os.environ.update(PREFECT_SETTINGS, PREFECT_HOME=home, PREFECT_API_URL=api)
    return _OLD_WAYS.get(name, ())


@contextlib.contextmanager
def prefect_server() -> Iterator[None]:
    """A Prefect server of our own on SQLite, unless one answers already where Prefect looks."""
    with _without_heartbeats(), _server():
        yield


def _without_heartbeats() -> contextlib.AbstractContextManager[object]:
    """Prefect waits up to a second at the end of each flow run for the thread of its heartbeats."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


@contextlib.contextmanager
def _server() -> Iterator[None]:
    api = os.environ["PREFECT_API_URL"]
    if _healthy(api):
        yield
        return
    home = Path(os.environ["PREFECT_HOME"])
    port = api.rpartition(":")[2].partition("/")[0]
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", port],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + 110
        while not _healthy(api):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server does not answer:\n{log.read_text()}")
            time.sleep(0.3)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

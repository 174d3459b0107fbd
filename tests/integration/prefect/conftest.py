"""A real Prefect server for the tests of this folder, and flows to run on it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

# The session `prefect` of noxfile.py runs these tests; in the core's environment there is none.
collect_ignore_glob = [] if importlib.util.find_spec("prefect") else ["test_*.py"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


HOME = tempfile.mkdtemp(prefix="volnux-prefect-")
API = f"http://127.0.0.1:{_free_port()}/api"

# Prefect reads its settings when it is imported.
os.environ.update(
    PREFECT_HOME=HOME,
    PREFECT_API_URL=API,
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_LEVEL="WARNING",
    PREFECT_CLI_COLORS="false",
    DO_NOT_TRACK="1",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        # Old ways of other packages, which Prefect and its own dependencies use.
        "ignore::DeprecationWarning:prefect",
        "ignore::DeprecationWarning:websockets",
        "ignore::DeprecationWarning:pydantic_settings",
        "ignore::DeprecationWarning:starlette",
        "ignore::DeprecationWarning:fastapi",
        "ignore::DeprecationWarning:distributed",
        # Connections that Prefect's clients leave to the garbage collector.
        "ignore:Exception ignored in. <(socket|ssl|_Selector|function BaseEventLoop):"
        "pytest.PytestUnraisableExceptionWarning",
    ):
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a Prefect server on SQLite; ended by its process id."""
    log = Path(HOME, "server.log")
    port = API.rsplit(":", 1)[1].partition("/")[0]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", port],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_healthy(process, log)
        yield API
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_healthy(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 110
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{API}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the server does not answer:\n{log.read_text()}")


PREFECT = [sys.executable, "-m", "prefect"]


@pytest.fixture
def prefect(server: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Prefect's command line tool."""

    def call(*arguments: str, check: bool = True, **options: Any) -> Any:
        done = subprocess.run(
            [*PREFECT, *arguments], capture_output=True, text=True, timeout=110, **options
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    return call


@pytest.fixture
def write() -> Callable[[str, str], Path]:
    """Write a file below the test's folder; its path."""

    def write(name: str, text: str) -> Path:
        path = Path(name).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run(server: str, write: Callable[[str, str], Path]) -> Callable[..., Any]:
    """Run a text with events on the Prefect backend; the run report."""
    from volnux.backends import RunOptions, get_backend
    from volnux.loading import load_plan

    def run(text: str, events: str, /, *, options: RunOptions | None = None, **inputs: Any) -> Any:
        path = write("flow.pty", text)
        write("flow_events.py", events)
        plan = load_plan(path)
        return get_backend("prefect").run(plan, plan.bind(inputs), options)

    return run

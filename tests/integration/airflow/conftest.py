"""Airflow for the tests of this folder: a home for the whole session, and a running Airflow."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.airflow.server import Server

_ROOT = Path(__file__).parents[3]

# The session `airflow` of noxfile.py runs these tests; in the core's environment there is none.
collect_ignore_glob = [] if importlib.util.find_spec("airflow") else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        # Old ways of other packages, which Airflow and its own dependencies use, and connections
        # that it leaves to the garbage collector.
        "ignore::DeprecationWarning",
        "ignore::PendingDeprecationWarning",
        "ignore::FutureWarning",
        "ignore::ResourceWarning",
        "ignore::UserWarning:airflow",
        "ignore::UserWarning:starlette",
        "ignore:Using `httpx`",
        "ignore::pytest.PytestUnraisableExceptionWarning",
        "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    ):
        config.addinivalue_line("filterwarnings", line)
    if importlib.util.find_spec("airflow"):
        from volnux_airflow.home import enter_own_home

        enter_own_home()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes files into the test's folder: `folder(**{"a.pty": "Ok"})`; the folder."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return tmp_path

    return write


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs a flow with the events of a module's text on `dag.test()`; the report."""

    def run_flow(flow: str, events: str, **inputs: Any) -> Any:
        from volnux_airflow import AirflowBackend

        from volnux.loading import load_plan

        (tmp_path / "events.py").write_text("from volnux import *\n" + dedent(events))
        (tmp_path / "flow.pty").write_text(dedent(flow))
        plan = load_plan(tmp_path / "flow.pty")
        return AirflowBackend().run(plan, plan.bind(inputs))

    return run_flow


@pytest.fixture
def parse(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Parses files in turn, and returns the result of each."""
    environment = {
        **{name: value for name, value in os.environ.items() if "AIRFLOW" not in name},
        "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(tmp_path),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "40",
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.integration.airflow.parsing"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def ask(file: Path, root: Path) -> Any:
        request = {"file": str(file), "root": str(root), "seconds": 100}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        yield ask
    finally:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(60) == 0
        # What the modules have started and left behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    """A real Airflow with a loader in its dags folder, and a bundle or importer for `more`.

    `VOLNUX_AIRFLOW_DATABASE` names an empty database for it, as a URL of SQLAlchemy.
    """
    from tests.integration.airflow import server as servers

    database = os.environ.get("VOLNUX_AIRFLOW_DATABASE")
    settings = {servers.DATABASE: database} if database else None
    with tempfile.TemporaryDirectory(prefix="volnux-airflow-server-") as home:
        running = servers.Server(Path(home) / "home", settings)
        servers.furnish(running)
        try:
            running.start()
            yield running
        finally:
            running.stop()

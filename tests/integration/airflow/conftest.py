"""Airflow for the tests of this folder: a home for the whole session, and a running Airflow."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.airflow.server import Server

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

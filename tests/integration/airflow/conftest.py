"""Airflow for the tests of this folder: a home for the whole session, and a running Airflow."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.airflow.quick import shorten_pauses

if TYPE_CHECKING:
    from tests.integration.airflow.server import Server

_ROOT = Path(__file__).parents[3]
_NUMBERS = itertools.count()

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
        shorten_pauses()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests with a server first.

    They take longest. With `--dist worksteal` they stay on one worker, so that one server is
    started, and the other worker takes over what comes after them.
    """
    items.sort(key=lambda item: not _needs_server(item))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the server when no more tests need it: it keeps a processor busy."""
    if _needs_server(item) and not _needs_server(nextitem):
        from tests.integration.airflow.server import stopped

        stopped(item.session)


def _needs_server(item: pytest.Item | None) -> bool:
    return "server" in getattr(item, "fixturenames", ())


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A folder that no other test had: older versions of pytest use one again if a test has passed,
    and modules that were imported from there are known by their paths."""
    own = tmp_path / str(next(_NUMBERS))
    own.mkdir()
    return own


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


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    """A real Airflow with a loader in its dags folder, and a bundle or importer for `more`."""
    from tests.integration.airflow.server import started

    return started(request.session)

"""A real Prefect server for the tests of this folder, and flows to run on it."""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.integration.prefect.server import (
    PREFECT,
    WARNINGS,
    own_server,
    started,
    surroundings,
)

# The session `prefect` of noxfile.py runs these tests; in the core's environment there is none.
collect_ignore_glob = [] if importlib.util.find_spec("prefect") else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    if importlib.util.find_spec("prefect"):
        own_server(config)
        # Prefect is imported once for all processes that read files, not anew by each of them.
        multiprocessing.set_forkserver_preload(["__main__", "volnux_prefect.flow"])
        for line in WARNINGS:
            config.addinivalue_line("filterwarnings", line)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the server before the first test, because the time of a test is limited."""
    if any("server" in getattr(item, "fixturenames", ()) for item in session.items):
        started()


@pytest.fixture(scope="session")
def server() -> str:
    """The address of a Prefect server on SQLite."""
    return started()


@pytest.fixture
def pool(server: str) -> None:
    """A work pool for processes, with the name `default`."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    with get_client(sync_client=True) as client:
        template = ProcessWorker.get_default_base_job_template()
        wanted = WorkPoolCreate(name="default", type="process", base_job_template=template)
        client.create_work_pool(wanted, overwrite=True)


@pytest.fixture
def prefect(server: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Prefect's command line tool."""

    def call(*arguments: str, check: bool = True, **options: Any) -> Any:
        done = subprocess.run(
            [*PREFECT, *arguments],
            capture_output=True,
            text=True,
            timeout=240,
            env=surroundings(),
            **options,
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    return call


@pytest.fixture
def write() -> Callable[[str, str], Path]:
    """Write a file below the test's folder, and return its path."""

    def write(name: str, text: str) -> Path:
        path = Path(name).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run(server: str, write: Callable[[str, str], Path]) -> Callable[..., Any]:
    """Run a text with events on the Prefect backend, and return the report."""
    from volnux.backends import RunOptions, get_backend
    from volnux.loading import load_plan

    def run(text: str, events: str, /, *, options: RunOptions | None = None, **inputs: Any) -> Any:
        path = write("flow.pty", text)
        write("flow_events.py", events)
        plan = load_plan(path)
        return get_backend("prefect").run(plan, plan.bind(inputs), options)

    return run


@pytest.fixture
def printed(
    server: str, write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run the Python text of a flow with events, and return the final state of the flow run."""
    from volnux_prefect.codegen import source_of

    def run(text: str, events: str, /, *, hides: str | None = None, **inputs: Any) -> Any:
        path = write("flow.pty", text)
        write("flow_events.py", events)
        source = source_of(path)
        assert hides is None or hides not in source
        monkeypatch.syspath_prepend(str(path.parent))
        monkeypatch.delitem(sys.modules, "flow_events", raising=False)
        module = path.with_name("plain_flow.py")
        module.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("plain_flow", module)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "plain_flow", made)
        spec.loader.exec_module(made)
        return asyncio.run(made.flow_flow(return_state=True, **inputs))

    return run

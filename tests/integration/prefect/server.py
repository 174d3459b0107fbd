"""A Prefect server on SQLite for one process of the tests: its settings, its start and its stop."""

from __future__ import annotations

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
from typing import Any

import pytest

__all__ = [
    "PREFECT",
    "SETTINGS",
    "WARNINGS",
    "end",
    "own_server",
    "prefect_api",
    "start",
    "started",
    "surroundings",
]

PREFECT = [sys.executable, "-m", "prefect"]

WARNINGS = (
    # Old ways of other packages, which Prefect and its own dependencies use.
    "ignore::DeprecationWarning:prefect",
    "ignore::DeprecationWarning:websockets",
    "ignore::DeprecationWarning:pydantic_settings",
    "ignore::DeprecationWarning:starlette",
    "ignore::DeprecationWarning:fastapi",
    "ignore::DeprecationWarning:distributed",
    # Connections that Prefect's clients leave to the garbage collector.
    "ignore:Exception ignored in. <(function )?(socket|ssl|_Selector|BaseEventLoop):"
    "pytest.PytestUnraisableExceptionWarning",
)
"""Filters for the warnings that are not ours."""

SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_COLORS": "false",
    # The server answers 503 where SQLite was written to between the read and the write of a
    # request, and the client then waits two seconds or more. So: write seldom, much at once.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    # Workers look for flow runs each second, not each tenth.
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    # Those who look at logs turn this on.
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}

_RUNNING = contextlib.ExitStack()
_HEALTHY: list[bool] = []


def own_server(config: pytest.Config) -> None:
    """Give Prefect a home and a port that no other process uses, before it is imported.

    Each process of pytest-xdist has its own, because they would wait for each other's database.

    Args:
        config: of this process; in the end it ends the server and removes its home.
    """
    if os.environ.get("VOLNUX_PREFECT_OF") == str(os.getpid()):
        return
    home = tempfile.mkdtemp(prefix="volnux-prefect-")
    config.pluginmanager.register(_Ending(home))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ.update(
        SETTINGS,
        VOLNUX_PREFECT_OF=str(os.getpid()),
        PREFECT_HOME=home,
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        DASK_TEMPORARY_DIRECTORY=home,
    )


class _Ending:
    """Stops the server at the end of the session: pytest-xdist kills a process that runs longer."""

    def __init__(self, home: str) -> None:
        self._home = home

    def pytest_sessionfinish(self) -> None:
        _RUNNING.close()
        shutil.rmtree(self._home, ignore_errors=True)


def prefect_api() -> str:
    """The address of the API that `own_server` chose."""
    return os.environ["PREFECT_API_URL"]


def surroundings(**more: str) -> dict[str, str]:
    """The environment of a Prefect program. Its temporary files are removed with the home."""
    temporary = Path(os.environ["PREFECT_HOME"], "tmp")
    temporary.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(temporary), **more}


def started() -> str:
    """The address of the server's API. The first call in a process starts the server."""
    if not _HEALTHY:
        _RUNNING.enter_context(_server())
        _RUNNING.enter_context(_quick())
        _HEALTHY.append(True)
    return prefect_api()


def start(*arguments: str, output: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a Prefect program that runs until `end` is called. Its output goes to a file."""
    with output.open("wb") as file:
        return subprocess.Popen(
            [*PREFECT, *arguments],
            stdout=file,
            stderr=subprocess.STDOUT,
            **options,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its child processes, by their process ids."""
    from psutil import NoSuchProcess, Process

    # A worker starts each flow run in a session of its own.
    below = Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    # Now and then a worker that got its signal does not end.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()
    for child in below:
        with contextlib.suppress(NoSuchProcess):
            child.kill()


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    """Run flows without slow features that do not matter for the tests."""
    from prefect.context import SyncClientContext
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with contextlib.ExitStack() as stack:
        # At its end a flow run waits up to a second for the thread of its heartbeats.
        stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        # One client for all of them: each new one reads the system's certificates.
        stack.enter_context(SyncClientContext.get_or_create())
        yield


@contextlib.contextmanager
def _server() -> Iterator[None]:
    log = Path(os.environ["PREFECT_HOME"], "server.log")
    port = prefect_api().rpartition(":")[2].partition("/")[0]
    arguments = ("server", "start", "--host", "127.0.0.1", "--port", port)
    process = start(*arguments, output=log, env=surroundings())
    try:
        until = time.monotonic() + 300
        while not _healthy():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server does not answer:\n{log.read_text()}")
            time.sleep(0.3)
        yield
    finally:
        end(process)


def _healthy() -> bool:
    try:
        with urllib.request.urlopen(f"{prefect_api()}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

"""A real Airflow: API server, scheduler and DAG processor as processes, on SQLite by default."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from volnux_airflow import compat
from volnux_airflow.home import template

from tests.conformance.cases import CASES, EVENTS
from tests.integration.airflow.runs import Runs

PROCESSES = (
    "api-server",
    "scheduler",
    "dag-processor",
    # Before Airflow 3.3, a task that asks a person waits in the triggerer.
    *([] if compat.HAS_STATE_STORE else ["triggerer"]),
)

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"

LOCAL_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"


class Server(Runs):
    """An Airflow with its own home. `dags` is its dags folder."""

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.dags = home / "dags"
        self.dags.mkdir(parents=True)
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token: str | None = None
        self._asked = itertools.count(1)
        port = self.url.rpartition(":")[2]
        self.environment = {
            **{name: value for name, value in os.environ.items() if "AIRFLOW" not in name},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            DATABASE: f"sqlite:///{home / 'airflow.db'}?timeout=60",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            # The tests ask for all DAGs at once.
            "AIRFLOW__API__MAXIMUM_PAGE_LIMIT": "500",
            "AIRFLOW__API__SECRET_KEY": "for-tests",
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-tests-and-long-enough-for-the-algorithm-here!",
            # A busy machine answers late.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            # Parsing takes half a processor. `until_parsed` does not wait for it.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
            "AIRFLOW__DAG_PROCESSOR__PARSING_CLEANUP_INTERVAL": "2",
            "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "1",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
            "PYTHONPATH": str(home / "python"),
            "PYTHONDONTWRITEBYTECODE": "",
            **(settings or {}),
        }

    @property
    def database(self) -> str:
        """The URL of the database for SQLAlchemy."""
        return self.environment[DATABASE]

    def start(self) -> None:
        """Start all three, and wait until they report that they are healthy."""
        self._make_database()
        for name in PROCESSES:
            log = (self.home / f"{name}.log").open("wb")
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", name],
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            log.close()
            self._processes.append(process)
        self.until("Airflow is well", self._is_well)

    def stop(self) -> None:
        """Stop all of them, and all processes that they started."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes = []

    def call(self, *arguments: str) -> str:
        """Run the `airflow` command."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, path: str) -> Any:
        """Ask the REST API."""
        return self._ask("GET", path, None)

    def post(self, path: str, data: Any) -> Any:
        """Send to the REST API."""
        return self._ask("POST", path, data)

    def put(self, path: str) -> Any:
        """Do something to what is there, through the REST API."""
        return self._ask("PUT", path, {})

    def patch(self, path: str, data: Any) -> Any:
        """Change something through the REST API."""
        return self._ask("PATCH", path, data)

    def until(self, what: str, done: Callable[[], Any], *, seconds: float = 150) -> Any:
        """Wait until a condition holds, and return the value."""
        end = time.monotonic() + seconds
        while True:
            for process in self._processes:
                assert process.poll() is None, f"{process.args} ended:\n{self.logs()}"
            found = None
            with contextlib.suppress(urllib.error.HTTPError, OSError):
                found = done()
            if found:
                return found
            assert time.monotonic() < end, f"not within {seconds} s: {what}\n{self.logs()}"
            time.sleep(0.3)

    def until_parsed(self, what: str, done: Callable[[], Any]) -> Any:
        """Wait until Airflow has parsed a change of a folder, and return the value."""

        def look() -> Any:
            # Airflow parses a Python file at once if it has changed: here, the loader, and what our
            # bundle made for a `.pty` that was changed lately.
            makers = [self.dags / "pty_dags.py"]
            for made in self.home.glob("bundles/more/**/*.pty.py"):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - (self.home / "more" / made.stem).stat().st_mtime < 60:
                        makers.append(made)
            for maker in makers:
                with contextlib.suppress(FileNotFoundError):
                    os.utime(maker)
            return done()

        return self.until(what, look)

    def import_errors(self) -> dict[str, str]:
        """The import errors, by file."""
        found = self.get("/importErrors?limit=500")["import_errors"]
        return {item["filename"]: item["stack_trace"] for item in found}

    def trigger(
        self, dag_id: str, conf: Mapping[str, Any] | None = None, *, at: str | None = None
    ) -> str:
        """Start a run, for a logical date or without one, and return its id.

        If the server is busy, ask again.
        """
        run_id = f"asked_{next(self._asked)}"
        data = {"dag_run_id": run_id, "logical_date": at, "conf": dict(conf or {})}

        def asked() -> Any:
            try:
                return self.post(f"/dags/{dag_id}/dagRuns", data)
            except urllib.error.HTTPError as error:
                # 404: Airflow before 3.3 lists a DAG before it can start it; 500 and 503: SQLite is
                # locked; 409: an earlier time has worked after all.
                return None if error.code in (404, 500, 503) else error

        said = self.until(f"{dag_id} is triggered", asked)
        if isinstance(said, urllib.error.HTTPError) and said.code != 409:
            raise said
        return run_id

    def logs(self) -> str:
        """The last output of the processes."""
        parts = []
        for name in PROCESSES:
            log = self.home / f"{name}.log"
            if log.is_file():
                parts.append(f"--- {name}\n" + log.read_text(errors="replace")[-3000:])
        return "\n".join(parts)

    def _make_database(self) -> None:
        """A migrated database: that of the tests' own home, which was made with this Airflow."""
        if not self.database.startswith("sqlite"):
            self.call("db", "migrate")
            return
        database = self.home / "airflow.db"
        try:
            shutil.copyfile(template(), database)
        except OSError:
            self.call("db", "migrate")
        with contextlib.closing(sqlite3.connect(database)) as connection:
            # So that who reads does not wait for who writes.
            connection.execute("pragma journal_mode=wal")

    def _is_well(self) -> bool:
        health = self.get("/monitor/health")
        return all(health[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))

    def _ask(self, method: str, path: str, data: Any) -> Any:
        if self._token is None:
            with urllib.request.urlopen(f"{self.url}/auth/token", timeout=20) as answer:
                self._token = json.loads(answer.read())["access_token"]
        request = urllib.request.Request(
            f"{self.url}/api/v2{path}",
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
        )
        # Longer than the database waits for a lock: a request that goes on is not to be made again.
        with urllib.request.urlopen(request, timeout=90) as answer:
            body = answer.read()
        return json.loads(body) if body else None


_STARTED = pytest.StashKey[Server]()


def started(session: pytest.Session) -> Server:
    """The Airflow of a session of tests. The first call starts it; it ends with the session.

    `VOLNUX_AIRFLOW_DATABASE` names an empty database for it, as a URL of SQLAlchemy.
    """
    if _STARTED not in session.stash:
        database = os.environ.get("VOLNUX_AIRFLOW_DATABASE")
        home = Path(tempfile.mkdtemp(prefix="volnux-airflow-server-"))
        session.addfinalizer(lambda: shutil.rmtree(home, ignore_errors=True))
        server = Server(home / "home", {DATABASE: database} if database else None)
        session.addfinalizer(server.stop)
        _furnish(server)
        server.start()
        session.stash[_STARTED] = server
    return session.stash[_STARTED]


def stopped(session: pytest.Session) -> None:
    """Stop the Airflow of a session if one was started."""
    if _STARTED in session.stash:
        session.stash[_STARTED].stop()
        del session.stash[_STARTED]


def _furnish(server: Server) -> None:
    """Give a server the cases in two ways, and the files that the other tests need.

    Even cases lie in the dags folder, with a loader; odd ones in `more`, which is a bundle of our
    class, or from Airflow 3.4 on one with our importer. The bundle `conformance` is empty.
    """
    more = server.home / "more"
    conformance = server.home / "conformance"
    (server.home / "python").mkdir()
    (server.home / "plugins").mkdir()
    conformance.mkdir()
    for folder in (server.dags, more):
        folder.mkdir(exist_ok=True)
        (folder / "events.py").write_text(EVENTS)
    (server.dags / "pty_dags.py").write_text(LOADER)
    for case in CASES:
        folder = more if case.number % 2 else server.dags
        (folder / f"case_{case.number}.pty").write_text(case.text)
    (server.home / "plugins" / "hearing.py").write_text(PLUGIN)
    bundle: dict[str, Any] = {
        "name": "more",
        "classpath": "volnux_airflow.bundle.PtyDagBundle",
        "kwargs": {"path": str(more), "refresh_interval": 2},
    }
    if NEW:
        bundle["classpath"] = LOCAL_BUNDLE
        bundle["importers"] = ["volnux_airflow.importer.PtyDagImporter"]
    bundles = [
        {"name": "dags-folder", "classpath": LOCAL_BUNDLE, "kwargs": {}},
        bundle,
        {"name": "conformance", "classpath": LOCAL_BUNDLE, "kwargs": {"path": str(conformance)}},
    ]
    server.environment.update(
        {
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(server.home / "plugins"),
            "AIRFLOW__VOLNUX__RUN_SIGNALS": "True",
            "AIRFLOW__CORE__XCOM_BACKEND": (
                "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"
            ),
            "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH": f"file://{server.home / 'xcom'}",
            "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "2000",
            "AIRFLOW_CONN_DISK": "file://",
            "VOLNUX_VALUES": f"file://disk@{server.home / 'values'}",
            "HEARD": str(server.home / "heard"),
        }
    )


NEW = tuple(map(int, version("apache-airflow-core").split(".")[:2])) >= (3, 4)
"""Whether this Airflow has importers."""

LOADER = """\
from volnux_airflow import load_dags

load_dags(__file__)  # airflow, dag
"""

PLUGIN = """\
import os

from airflow.plugins_manager import AirflowPlugin

from volnux.signal import signals


def hear(name):
    def listener(sender, **data):
        with open(os.environ["HEARD"], "a") as file:
            about = data.get("task_id") or getattr(data.get("execution_context"), "status", "")
            file.write(f"{name} {getattr(sender, '__name__', sender)} {about}\\n")

    return listener


LISTENERS = {
    name: hear(name)
    for name in ("pipeline_execution_start", "pipeline_execution_end", "task_completed")
}
for name, listener in LISTENERS.items():
    getattr(signals, name).connect(listener)


class HearingPlugin(AirflowPlugin):
    name = "hearing"
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

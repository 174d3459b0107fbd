"""A stack of containers for tests: starts it, calls its API, breaks parts of it, and removes it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pytest_docker.plugin import get_docker_services

from tests.integration.airflow.runs import Runs

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docker"))

import engine  # noqa: E402 - the folder of the stacks is no package
import images  # noqa: E402 - the same
import stack as stacks  # noqa: E402 - the same

HERE = Path(__file__).parent

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Stack:
    """A running stack.

    Attributes:
        marks: a folder on this machine that the workers write to.
    """

    name: ClassVar[str]
    settings: ClassVar[dict[str, str]]

    def __init__(self, project: str, port: int, secrets: Mapping[str, str], marks: Path) -> None:
        self.project = project
        self.url = f"http://127.0.0.1:{port}"
        self.secrets = secrets
        self.marks = marks

    def until(self, what: str, done: Callable[[], Any], *, seconds: float = 180) -> Any:
        """Wait until a condition holds, and return the value."""
        end = time.monotonic() + seconds
        while True:
            found = None
            with contextlib.suppress(OSError):
                found = done()
            if found:
                return found
            assert time.monotonic() < end, f"not within {seconds} s: {what}\n{self.logs()}"
            time.sleep(1)

    def containers(self, service: str) -> list[str]:
        """The running containers of a service."""
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{k}={v}" for k, v in labels.items()]
        return engine.docker("ps", "--quiet", *filters).split()

    def well(self) -> None:
        """Wait until every part is healthy."""
        stacks.wait(self.project, seconds=240)

    def whole_again(self) -> None:
        """Start what was killed."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        killed = engine.docker("ps", "--all", "--quiet", "--filter=exited=137", label).split()
        if killed:
            engine.docker("start", *killed)
            self.well()

    def marked(self, key: str) -> list[dict[str, Any]]:
        """What events with that key have written so far, in order."""
        path = self.marks / key
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def count(self, key: str, what: str, place: str) -> int:
        """How often an event with that key wrote something."""
        return sum(m["what"] == what and m["place"] == place for m in self.marked(key))

    def spans(self, least: int) -> list[dict[str, Any]]:
        """The spans of the run that has an event `First`, once there are so many."""
        path = self.marks / "spans"
        lines = path.read_text().splitlines() if path.exists() else []
        spans = [json.loads(line) for line in lines]
        traces = {s["context"]["trace_id"] for s in spans if s["name"] == "First"}
        # Prefect makes spans of its own where there is an SDK.
        found = [
            span
            for span in spans
            if span["context"]["trace_id"] in traces
            and not any(name.startswith("prefect.") for name in span["attributes"])
        ]
        return found if len(found) >= least else []

    def host_of(self, key: str, place: str) -> str:
        """The container in which an event has begun, as soon as it has."""

        def look() -> str | None:
            begun = [m for m in self.marked(key) if (m["what"], m["place"]) == ("begin", place)]
            return begun[-1]["host"] if begun else None

        host: str = self.until(f"{place} begins", look)
        return host

    @contextlib.contextmanager
    def cut_off(self, container: str) -> Iterator[None]:
        """Disconnect a container from the network for a while."""
        network = f"{self.project}_default"
        engine.docker("network", "disconnect", network, container)
        try:
            yield
        finally:
            engine.docker("network", "connect", network, container)

    def logs(self) -> str:
        """The last output of each container."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        parts = []
        for name in engine.docker("ps", "--all", "--format={{.Names}}", label).split():
            done = subprocess.run(
                ["docker", "logs", "--tail=25", name], capture_output=True, text=True, check=False
            )
            parts.append(f"--- {name}\n{(done.stdout + done.stderr)[-3000:]}")
        return "\n".join(parts)

    def get(self, path: str) -> Any:
        """Ask the API."""
        return self.ask("GET", path, None)

    def post(self, path: str, data: Any) -> Any:
        """Send to the API."""
        return self.ask("POST", path, data)

    def headers(self) -> dict[str, str]:
        """The headers with our credentials."""
        raise NotImplementedError

    def ask(self, method: str, path: str, data: Any) -> Any:
        """One request."""
        return self._send(method, path, data, self.headers())

    def _send(self, method: str, path: str, data: Any, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={**headers, "Content-Type": "application/json", "Accept": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None


class Airflow(Stack, Runs):
    """Airflow with Celery workers."""

    name = "airflow"
    settings: ClassVar[dict[str, str]] = {
        "AIRFLOW_PAUSED": "False",
        "AIRFLOW_REFRESH": "5",
        "AIRFLOW_LOST_AFTER": "40",
        "AIRFLOW_LOST_LOOK": "5",
        "AIRFLOW_WORKER_CONCURRENCY": "2",
    }
    _token: str | None = None

    def headers(self) -> dict[str, str]:
        if self._token is None:
            who = {"username": "admin", "password": self.secrets["AIRFLOW_ADMIN_PASSWORD"]}
            self._token = self._send("POST", "/auth/token", who, {})["access_token"]
        return {"Authorization": f"Bearer {self._token}"}

    def ask(self, method: str, path: str, data: Any) -> Any:
        return super().ask(method, f"/api/v2{path}", data)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run, and return its id."""
        data = {"logical_date": None, "conf": dict(conf or {})}
        run_id: str = self.post(f"/dags/{dag_id}/dagRuns", data)["dag_run_id"]
        return run_id


class Prefect(Stack):
    """A Prefect server with process workers."""

    name = "prefect"
    settings: ClassVar[dict[str, str]] = {
        "PREFECT_QUERY_SECONDS": "2",
        "PREFECT_LOST_AFTER": "60",
        "PREFECT_START_WITHIN": "90",
        "PREFECT_WORKER_LIMIT": "2",
    }

    def headers(self) -> dict[str, str]:
        who = f"admin:{self.secrets['PREFECT_ADMIN_PASSWORD']}".encode()
        return {"Authorization": f"Basic {b64encode(who).decode()}"}

    def ask(self, method: str, path: str, data: Any) -> Any:
        return super().ask(method, f"/api{path}", data)

    def trigger(self, name: str, parameters: Mapping[str, Any] | None = None) -> str:
        """Start a run of a deployment, and return its id."""
        found = self.get(f"/deployments/name/{name}/{name}")
        path = f"/deployments/{found['id']}/create_flow_run"
        run_id: str = self.post(path, {"parameters": dict(parameters or {})})["id"]
        return run_id

    def state(self, run_id: str) -> dict[str, Any]:
        """The state of a flow run."""
        state: dict[str, Any] = self.get(f"/flow_runs/{run_id}")["state"]
        return state

    def ended(self, run_id: str, *, seconds: float = 240) -> str:
        """The type of the state of a flow run that has ended."""

        def look() -> str | None:
            found = self.state(run_id)["type"]
            return found if found in ENDED else None

        state: str = self.until(f"flow run {run_id} ends", look, seconds=seconds)
        return state

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        """The latest task run of each name in a flow run."""
        asked = {
            "flow_runs": {"id": {"any_": [run_id]}},
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 200,
        }
        return {item["name"]: item for item in self.post("/task_runs/filter", asked)}

    def shown(self, run_id: str, wanted: Mapping[str, Any]) -> dict[str, tuple[str, str, int]]:
        """The task runs as the page shows them, once they are as expected or after a timeout."""
        found: dict[str, tuple[str, str, int]] = {}
        until = time.monotonic() + 40
        while found != wanted and time.monotonic() < until:
            found = {
                name: (
                    each["state"]["type"],
                    each["state"]["name"],
                    0 if each["state"]["name"] == "Skipped" else each["run_count"],
                )
                for name, each in self.tasks(run_id).items()
            }
            time.sleep(0.5)
        return found

    def log(self, run_id: str) -> str:
        """What a flow run and its task runs logged."""
        asked = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
        return "\n".join(item["message"] for item in self.post("/logs/filter", asked))


class Dask(Stack):
    """A dask scheduler with two workers, and a container to call `volnux` in."""

    name = "dask"
    settings: ClassVar[dict[str, str]] = {}


STACKS = {"airflow": Airflow, "prefect": Prefect, "dask": Dask}


@contextlib.contextmanager
def running(name: str, furnish: Callable[[Path], None], workers: int = 2) -> Iterator[Any]:
    """A stack on locally built images, with pipelines. Everything is removed afterwards.

    Args:
        name: `airflow`, `prefect` or `dask`.
        furnish: writes pipelines into a folder.
        workers: how many worker containers.
    """
    kind = STACKS[name]
    # dask comes with Prefect's image.
    host = "prefect" if name == "dask" else name
    made = images.build(host, local=True, requirements=stacks.EXAMPLES)
    with tempfile.TemporaryDirectory(prefix=f"volnux-docker-{name}-") as folder:
        home = Path(folder)
        pipelines, marks, settings = home / "pipelines", home / "marks", home / "settings"
        pipelines.mkdir()
        marks.mkdir()
        # The workers are somebody else.
        for path in (home, marks):
            path.chmod(0o777)
        furnish(pipelines)
        project = f"volnux-test-{name}-{uuid.uuid4().hex[:6]}"
        port = free_port()
        chosen = {
            **made,
            **kind.settings,
            "COMPOSE_PROJECT_NAME": project,
            "VOLNUX_PIPELINES": str(pipelines),
            "VOLNUX_MARKS": str(marks),
            f"{name.upper()}_PORT": str(port),
        }
        stacks.write_settings(name, settings, chosen)
        command = " ".join([*(engine.compose_command() or ()), f'--env-file "{settings}"'])
        files = [str(ROOT / "docker" / name / "compose.yaml"), str(HERE / "marks.yaml")]
        if name == "dask":
            files = [str(HERE / "dask.yaml")]
        with (
            gone_afterwards(project),
            get_docker_services(
                command,
                files,
                project,
                [f"up --detach --scale worker={workers}"],
                ["down --volumes"],
            ),
        ):
            stack = kind(project, port, stacks.read_settings(settings), marks)
            stack.well()
            yield stack
            # The workers' files belong to them.
            for worker in stack.containers("worker"):
                engine.docker("exec", worker, "sh", "-c", "rm -rf /marks/*", check=False)


@contextlib.contextmanager
def gone_afterwards(project: str) -> Iterator[None]:
    """Remove what is left of a project, even if its start failed half way."""
    try:
        yield
    finally:
        label = f"label=com.docker.compose.project={project}"
        for kind, asked, remove in (
            ("container", ("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
            ("network", ("network", "ls", "--quiet"), ("network", "rm")),
            ("volume", ("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
        ):
            found = engine.docker(*asked, f"--filter={label}").split()
            if found:
                engine.docker(*remove, *found)
            assert not engine.docker(*asked, f"--filter={label}").split(), f"a {kind} is left"


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

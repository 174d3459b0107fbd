"""Start and stop the stacks: `python docker/stack.py up airflow`.

`up` builds the images, writes the secrets into `docker/NAME/.env` the first time, starts the stack
and waits until all its parts are healthy. With `--local`, it uses images that are built here, for
machines that cannot reach an image registry. It also installs and starts a container engine if
there is none.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import engine
import images

__all__ = ["EXAMPLES", "down", "up", "wait"]

HERE = Path(__file__).resolve().parent

_SECRETS = {
    "airflow": (
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
        "AIRFLOW_ADMIN_PASSWORD",
        "AIRFLOW_SECRET_KEY",
        "AIRFLOW_JWT_SECRET",
        "AIRFLOW_FERNET_KEY",
    ),
    "prefect": ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "PREFECT_ADMIN_PASSWORD"),
    "metrics": ("GRAFANA_ADMIN_PASSWORD",),
}

EXAMPLES = "matplotlib vega_datasets"
"""The packages that the events of the examples need."""


def up(stack: str, *, local: bool, settings: Path) -> None:
    """Start a stack and wait until it is healthy.

    Args:
        stack: `airflow`, `prefect` or `metrics`.
        local: whether to use images that are built here.
        settings: the file with variables for Compose. Missing ones are added.

    Raises:
        EngineError: there is no engine, an image is not available, or a part does not become
            healthy.
    """
    if local:
        engine.start()
    requirements = read_settings(settings).get("REQUIREMENTS", EXAMPLES)
    names = images.build(stack, local=local, requirements=requirements)
    write_settings(stack, settings, names)
    if stack == "metrics":
        write_dashboard()
    project = read_settings(settings)["COMPOSE_PROJECT_NAME"]
    command = [*compose(stack, settings), "up", "--detach"]
    if local and stack == "metrics":
        command.append("prometheus")
    if subprocess.run(command, check=False).returncode:
        raise engine.EngineError(f"{stack} did not start")
    wait(project)


def down(stack: str, *, settings: Path, volumes: bool) -> None:
    """Stop a stack. With `volumes`, also delete its data."""
    more = ["--volumes"] if volumes else []
    subprocess.run([*compose(stack, settings), "down", "--remove-orphans", *more], check=False)


def compose(stack: str, settings: Path) -> list[str]:
    """The compose command for a stack."""
    file = HERE / stack / "compose.yaml"
    project = read_settings(settings)["COMPOSE_PROJECT_NAME"]
    return [
        *(engine.compose_command() or ()),
        f"--project-name={project}",
        f"--env-file={settings}",
        f"--file={file}",
    ]


def wait(project: str, seconds: float = 300) -> None:
    """Wait until every container of a project is healthy, or has finished its job.

    Raises:
        EngineError: a container has failed or takes too long. The message has its last output.
    """
    label = f"--filter=label=com.docker.compose.project={project}"
    health = "{{with .State.Health}}{{.Status}}{{end}}"
    form = f"{{{{.Name}}}} {{{{.State.Status}}}} {{{{.State.ExitCode}}}} {health}"
    until = time.monotonic() + seconds
    while True:
        ids = engine.docker("ps", "--all", "--quiet", label).split()
        waiting = []
        for line in engine.docker("inspect", f"--format={form}", *ids).splitlines() if ids else ():
            name, state, code, health = f"{line} ".split(" ")[:4]
            if state == "exited" and code != "0":
                said = engine.docker("logs", "--tail=30", name.lstrip("/"))
                raise engine.EngineError(f"{name.lstrip('/')} ended with {code}:\n{said}")
            if state not in ("exited", "running") or health not in ("", "healthy"):
                waiting.append(name.lstrip("/"))
        if ids and not waiting:
            return
        if time.monotonic() > until:
            raise engine.EngineError(f"not healthy after {seconds:.0f} s: {', '.join(waiting)}")
        time.sleep(1)


def write_settings(stack: str, path: Path, names: Mapping[str, str]) -> None:
    """Write a file of variables for Compose: the images, and new secrets if there are none."""
    found = read_settings(path)
    for name in _SECRETS.get(stack, ()):
        if not found.get(name):
            random = secrets.token_bytes(32)
            text = base64.urlsafe_b64encode(random).decode()
            found[name] = text if name.endswith("FERNET_KEY") else text.rstrip("=")
    found.setdefault("COMPOSE_PROJECT_NAME", f"volnux-{stack}")
    found.update(names)
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in found.items()))


def write_dashboard() -> None:
    """Write the dashboard in the form that Grafana loads from a folder, with a data source."""
    text = (HERE.parent / "examples/telemetry/prometheus_dashboard.json").read_text()
    dashboard = json.loads(text.replace("${DS_PROMETHEUS}", "volnux-prometheus"))
    for name in ("__inputs", "__requires"):
        dashboard.pop(name, None)
    folder = HERE / "metrics" / "dashboards"
    folder.mkdir(exist_ok=True)
    (folder / "volnux.json").write_text(json.dumps(dashboard, indent=1))


def read_settings(path: Path) -> dict[str, str]:
    """Read the variables of a file."""
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Start and stop the stacks in containers.")
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("stack", choices=("airflow", "prefect", "metrics"))
    parser.add_argument("--local", action="store_true", help="use images that are built here")
    parser.add_argument("--volumes", action="store_true", help="with down: also delete the data")
    given = parser.parse_args()
    settings = HERE / given.stack / ".env"
    try:
        if given.action == "up":
            local = given.local or bool(os.environ.get("LOCAL"))
            up(given.stack, local=local, settings=settings)
            where = _PROMETHEUS if local and given.stack == "metrics" else _WHERE[given.stack]
            print(where.format(**{**_PORTS, **read_settings(settings)}))
        elif settings.exists():
            down(given.stack, settings=settings, volumes=given.volumes)
            engine.stop()
    except engine.EngineError as error:
        sys.exit(f"error: {error}")


_PORTS = {
    "AIRFLOW_PORT": "8080",
    "PREFECT_PORT": "4200",
    "GRAFANA_PORT": "3000",
    "PROMETHEUS_PORT": "9090",
}

_ADMIN = "user admin, whose password is in docker/"

_PROMETHEUS = "Prometheus: http://localhost:{PROMETHEUS_PORT}"

_WHERE = {
    "airflow": f"http://localhost:{{AIRFLOW_PORT}}, {_ADMIN}airflow/.env",
    "prefect": f"http://localhost:{{PREFECT_PORT}}, {_ADMIN}prefect/.env",
    "metrics": f"http://localhost:{{GRAFANA_PORT}}, {_ADMIN}metrics/.env; {_PROMETHEUS}",
}

if __name__ == "__main__":
    main()

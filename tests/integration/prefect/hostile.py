"""Files that must not hide the others of their folder; as a script, 300 good files beside them.

    python -m tests.integration.prefect.hostile --good 300

deploys such a folder to a server of its own, and has a worker run every deployment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["HOSTILE", "write_hostile"]

EVENTS = """
from volnux import event

@event
def A():
    return True, 1
"""

HOSTILE: dict[str, tuple[str, str, str]] = {
    "syntax": ("A =>", "", "syntax.pty:1:3: error"),
    "value": (
        "@input: n: int = 18446744073709551616\nA",
        "",
        "value.pty:1:1: error: prefect's server",
    ),
    "raises": ("A", "1 / 0", "ZeroDivisionError"),
    "exits": ("A", "exit(3)", "SystemExit: 3"),
    "ends": ("A", "import os; os._exit(3)", "its import ended the process with exit code 3"),
    "crashes": (
        "A",
        "import ctypes; ctypes.string_at(0)",
        "its import ended the process with SIGSEGV, at crashes_events.py:1",
    ),
    "hangs": (
        "A",
        "import threading; threading.Event().wait()",
        "its import took longer than",
    ),
    "names": ("@input: model_config: dict = {}\nA", "", "names.pty:1:1: error: the input"),
    "forks": ("A", "import os, threading; os.fork() or threading.Event().wait()", ""),
    "loud": ("A", "import sys; [sys.stdout.write('x' * 2**20) for _ in range(2**10)]", ""),
}
"""Of each kind: the text, what its module of events begins with, and what is said; "" if nothing."""


def write_hostile(folder: Path, *kinds: str) -> None:
    """Write a file of each kind, or of these."""
    for kind in kinds or HOSTILE:
        text, code, _ = HOSTILE[kind]
        (folder / f"{kind}.pty").write_text(f"{text}\n")
        (folder / f"{kind}_events.py").write_text(f"{code}\n{EVENTS}")


def _settings(home: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }


def main() -> int:
    """Deploy and run everything; 0 if each good file ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--port", type=int, default=4299)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="volnux-hostile-") as name:
        home, folder = Path(name, "home"), Path(name, "shop")
        folder.mkdir()
        for number in range(options.good):
            (folder / f"good{number:03}.pty").write_text("@events: good_events\nA\n")
        (folder / "good_events.py").write_text(EVENTS)
        write_hostile(folder)
        settings = _settings(home, options.port)
        os.environ.update(settings)
        prefect = [sys.executable, "-m", "prefect"]
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": settings}
        port = str(options.port)
        address = ("--host", "127.0.0.1", "--port", port)
        started = [subprocess.Popen([*prefect, "server", "start", *address], **quiet)]
        try:
            return _deploy_and_run(options, folder, prefect, quiet, started)
        finally:
            from tests.integration.prefect.server import end

            for process in reversed(started):
                end(process)


def _deploy_and_run(
    options: argparse.Namespace,
    folder: Path,
    prefect: list[str],
    quiet: Any,
    started: list[subprocess.Popen[bytes]],
) -> int:
    from prefect.client.orchestration import get_client

    pool = [*prefect, "work-pool", "create", "default", "--type", "process"]
    while subprocess.run(pool, **quiet).returncode:
        time.sleep(1)
    began = time.monotonic()
    command = [sys.executable, "-m", "volnux.cli", "prefect", "deploy", ".", "--yes", "--json"]
    done = subprocess.run(
        [*command, "--load-timeout", "20"], cwd=folder, env=quiet["env"], capture_output=True
    )
    answer = json.loads(done.stdout)
    deployed = [each["deployment"] for each in answer["deployments"] if not each["error"]]
    good = [name for name in deployed if name.startswith("good")]
    said = {Path(each["file"]).name for each in answer["diagnostics"]}
    print(f"{len(good)} good files deployed in {time.monotonic() - began:.0f} s; {sorted(said)}")
    started.append(
        subprocess.Popen(
            [*prefect, "worker", "start", "--pool", "default", "--limit", str(options.at_once)],
            cwd=folder.parent,
            **quiet,
        )
    )
    began = time.monotonic()
    with get_client(sync_client=True) as client:
        runs = [
            client.create_flow_run_from_deployment(client.read_deployment_by_name(name).id).id
            for name in good
        ]
        states: dict[Any, str] = {}
        while len(states) < len(runs):
            time.sleep(5)
            for run in runs:
                if run not in states:
                    state = client.read_flow_run(run).state
                    if state is not None and state.is_final():
                        states[run] = state.name
    ran = sum(state == "Completed" for state in states.values())
    print(f"{ran} of {options.good} ran in {time.monotonic() - began:.0f} s")
    return 0 if ran == len(good) == options.good else 1


if __name__ == "__main__":
    sys.exit(main())

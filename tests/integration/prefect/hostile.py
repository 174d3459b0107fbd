"""Files that must not hide the others of their folder; as a script, 300 good files beside them.

    python -m tests.integration.prefect.hostile --good 300

deploys such a folder to a server of its own, and has a worker run every deployment. With `--fork`,
each flow run is a fork of one process that has already imported Prefect. The fork loads and runs
the flow as the child of a worker does. This takes a twentieth of the time.
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
"""Of each kind: the text, the first line of its events, and what is said of it; "" if nothing."""


def write_hostile(folder: Path, *kinds: str) -> None:
    """Write a file of each kind, or of these."""
    for kind in kinds or HOSTILE:
        text, code, _ = HOSTILE[kind]
        (folder / f"{kind}.pty").write_text(f"{text}\n")
        (folder / f"{kind}_events.py").write_text(f"{code}\n{EVENTS}")


def _settings(home: Path, port: int) -> dict[str, str]:
    from tests.integration.prefect.server import SETTINGS

    where = {"PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    return {**os.environ, **SETTINGS, **where}


def main() -> int:
    """Deploy and run everything. Returns 0 if each good file ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--fork", action="store_true")
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
    _say(f"{len(good)} good files deployed in {time.monotonic() - began:.0f} s; {sorted(said)}")
    if not options.fork:
        limit = str(options.at_once)
        worker = [*prefect, "worker", "start", "--pool", "default", "--limit", limit]
        started.append(subprocess.Popen(worker, cwd=folder.parent, **quiet))
    began = time.monotonic()
    with get_client(sync_client=True) as client:
        ids = [client.read_deployment_by_name(name).id for name in good]
        runs = [_insist(lambda id=id: client.create_flow_run_from_deployment(id).id) for id in ids]
        if options.fork:
            engine = [sys.executable, "-c", _ENGINE, str(options.at_once), *map(str, runs)]
            subprocess.run(engine, cwd=folder.parent, check=True, **quiet)
        states: dict[Any, str] = {}
        while len(states) < len(runs):
            time.sleep(5)
            for run in runs:
                if run not in states:
                    state = _insist(lambda run=run: client.read_flow_run(run).state)
                    if state is not None and state.is_final():
                        states[run] = state.name
    ran = sum(state == "Completed" for state in states.values())
    _say(f"{ran} of {options.good} ran in {time.monotonic() - began:.0f} s")
    return 0 if ran == len(good) == options.good else 1


_ENGINE = """
import os, runpy, sys
import prefect.engine, volnux_prefect.flow
at_once, runs, running = int(sys.argv[1]), sys.argv[2:], 0
for run in runs:
    if running == at_once:
        os.wait()
        running -= 1
    if os.fork() == 0:
        os.environ["PREFECT__FLOW_RUN_ID"] = run
        sys.argv[1:] = [run]
        try:
            runpy.run_module("prefect.engine", run_name="__main__")
        finally:
            os._exit(0)
    running += 1
while running:
    os.wait()
    running -= 1
"""


def _insist(ask: Any) -> Any:
    """Ask a server that may be busy until it answers."""
    from prefect.exceptions import PrefectHTTPStatusError

    while True:
        try:
            return ask()
        except PrefectHTTPStatusError:
            time.sleep(1)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

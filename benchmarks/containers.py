"""Throughput of 1, 2 and 4 worker processes on sleeping events, and a group of many events.

On Airflow with Celery, Prefect and dask, the workers are containers, which are started as in
`tests/docker`; standalone has a pool of processes. Each event sleeps, and the result is the
throughput relative to one worker. The result for a group of N events that do nothing is a time,
which is only useful in comparison with the other backends.

    nox -s docker-bench -- [airflow] [prefect] [dask] [standalone] [--events 8] [--group 1000]

Airflow needs about one second of processor time for each task, so with few processors, more workers
only share that time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import show

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "docker")]

WORKERS = (1, 2, 4)

EVENTS = """\
import time
from concurrent.futures import ProcessPoolExecutor

from volnux import EventBase


class Sleep(EventBase):
    def process(self, seconds):
        time.sleep(seconds)
        return True, None


class Nothing(EventBase):
    def process(self):
        return True, None
"""


def write(folder: Path, events: int, group: int, option: str = "") -> None:
    """Write the pipelines: one sleeping event, several at once, and a large group."""
    (folder / "events.py").write_text(EVENTS)
    head = "@input: seconds: float = 1\n"
    (folder / "one.pty").write_text(f"{head}Sleep\n")
    (folder / "several.pty").write_text(head + " || ".join([f"Sleep{option}"] * events) + "\n")
    (folder / "group.pty").write_text(" || ".join([f"Nothing{option}"] * group) + "\n")


def on_airflow(given: Any) -> tuple[list[float], float]:
    from tests.docker.stacks import Airflow, running

    settings = {**Airflow.settings, "AIRFLOW_WORKER_CONCURRENCY": "1"}
    Airflow.settings = settings
    taken = []

    def run(stack: Any, name: str, conf: dict[str, Any]) -> float:
        run_id = stack.trigger(name, conf)
        assert stack.ended(name, run_id, seconds=5400) == "success"
        found = stack.get(f"/dags/{name}/dagRuns/{run_id}")
        first, last = (dt.datetime.fromisoformat(found[k]) for k in ("start_date", "end_date"))
        return (last - first).total_seconds()

    group = 0.0
    for workers in WORKERS:
        with running("airflow", lambda f: write(f, given.events, given.group), workers) as stack:
            stack.until("the DAGs", lambda s=stack: {"several", "group"} <= s.dag_ids())
            run(stack, "one", {"seconds": 0})
            taken.append(run(stack, "several", {"seconds": given.seconds}))
            if workers == WORKERS[-1] and given.group:
                group = run(stack, "group", {})
    return taken, group


def on_prefect(given: Any) -> tuple[list[float], float]:
    from tests.docker.stacks import Prefect, running

    Prefect.settings = {**Prefect.settings, "PREFECT_WORKER_LIMIT": "1"}
    taken, group = [], 0.0
    for workers in WORKERS:
        with running("prefect", lambda f: write(f, given.events, given.group), workers) as stack:
            began = time.monotonic()
            # A Prefect worker executes flow runs, so there is one flow run for each event here.
            runs = [stack.trigger("one", {"seconds": given.seconds}) for _ in range(given.events)]
            assert {stack.ended(run, seconds=1800) for run in runs} == {"COMPLETED"}
            taken.append(time.monotonic() - began)
            if workers == WORKERS[-1] and given.group:
                run = stack.trigger("group")
                assert stack.ended(run, seconds=1800) == "COMPLETED"
                group = stack.get(f"/flow_runs/{run}")["total_run_time"]
    return taken, group


def on_dask(given: Any) -> tuple[list[float], float]:
    from tests.docker.stacks import running

    option = '[executor="dask://scheduler:8786"]'
    taken, group = [], 0.0
    for workers in WORKERS:
        with running(
            "dask", lambda f: write(f, given.events, given.group, option), workers
        ) as stack:
            (caller,) = stack.containers("caller")
            volnux = ["docker", "exec", caller, "volnux"]
            run(volnux, "/pipelines/several.pty", 0)
            taken.append(run(volnux, "/pipelines/several.pty", given.seconds))
            if workers == WORKERS[-1] and given.group:
                group = run(volnux, "/pipelines/group.pty", None)
    return taken, group


def on_standalone(given: Any) -> tuple[list[float], float]:
    volnux = [str(Path(sys.executable).with_name("volnux"))]
    taken = []
    with tempfile.TemporaryDirectory() as name:
        for workers in WORKERS:
            write(Path(name), given.events, given.group, "[executor=process]")
            events = EVENTS + (
                "\n\nfrom volnux import ExecutorInitializerConfig\n\n"
                f"Sleep.executor_config = ExecutorInitializerConfig(max_workers={workers})\n"
            )
            (Path(name) / "events.py").write_text(events)
            taken.append(run(volnux, f"{name}/several.pty", given.seconds))
        group = run(volnux, f"{name}/group.pty", None) if given.group else 0.0
    return taken, group


def run(volnux: list[str], file: str, seconds: float | None) -> float:
    """Run a file with the command line tool. Returns how long the run itself took."""
    more = [] if seconds is None else [f"--input=seconds={seconds}"]
    done = subprocess.run(
        [*volnux, "run", "--json", file, *more], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    first, last = (dt.datetime.fromisoformat(found[k]) for k in ("started_at", "ended_at"))
    return (last - first).total_seconds()


ENGINES: dict[str, Callable[[Any], tuple[list[float], float]]] = {
    "standalone": on_standalone,
    "dask": on_dask,
    "prefect": on_prefect,
    "airflow": on_airflow,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engines", nargs="*", choices=(*ENGINES, []), default=list(ENGINES))
    parser.add_argument("--events", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--group", type=int, default=1000, help="0: without that part")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    import engine

    rows = []
    with engine.used():
        for name in given.engines or ENGINES:
            taken, group = ENGINES[name](given)
            row = [name, f"{taken[0]:.1f} s", *(f"{taken[0] / each:.2f}" for each in taken[1:])]
            rows.append([*row, f"{group:.1f} s" if group else "-"])
            print(*rows[-1], flush=True)
    head = ["engine", "1 worker", "2 workers", "4 workers", f"{given.group} events"]
    title = f"{given.events} events that sleep {given.seconds:g} s"
    show(title, head, rows, as_json=given.json)


if __name__ == "__main__":
    main()

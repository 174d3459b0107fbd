"""Airflow: how long it takes to build the DAGs of 1,000 files, and only one DAG in a worker.

The same 1,000 DAGs (five tasks, a branch, a join, retries) as `.pty` files with a loader, as Python
files written by hand, and as dag-factory's YAML with a loader, each built by Airflow's own `DagBag`
in a separate process. Run it in an environment with Airflow, and with dag-factory to include that
in the comparison: `python benchmarks/bench_airflow.py [--files 1000] [--json]`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EVENTS = """\
from volnux import event


def _plain(name):
    def plain(previous_result=None):
        return True, name

    plain.__name__ = plain.__qualname__ = name
    return event(plain)


Extract, Check, Load, Reject, Tidy = map(
    _plain, ["Extract", "Check", "Load", "Reject", "Tidy"]
)
"""

POINTY = """\
@description: file {number}
@schedule: "0 6 * * *"
@tags: bench
Extract * 3 |-> Check (0 |-> Reject, 1 |-> Load) -> Tidy
"""

LOADER = """\
from volnux_airflow import load_dags

load_dags(__file__)  # airflow dag
"""

FUNCTIONS = """\
def extract():
    return "Extract"


def check():
    return "load"


def load():
    return "Load"


def reject():
    return "Reject"


def tidy():
    return "Tidy"
"""

BY_HAND = """\
import datetime as dt

from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import DAG
try:
    from airflow.sdk import CronTriggerTimetable
except ImportError:
    from airflow.timetables.trigger import CronTriggerTimetable

from functions import check, extract, load, reject, tidy

with DAG(
    "bench_{number}",
    description="file {number}",
    schedule=CronTriggerTimetable("0 6 * * *", timezone="UTC"),
    start_date=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    catchup=False,
    tags=["bench"],
):
    extracted = PythonOperator(task_id="Extract", python_callable=extract, retries=2)
    checked = BranchPythonOperator(task_id="Check", python_callable=check)
    rejected = PythonOperator(task_id="Reject", python_callable=reject)
    loaded = PythonOperator(task_id="Load", python_callable=load)
    tidied = PythonOperator(
        task_id="Tidy", python_callable=tidy, trigger_rule="none_failed_min_one_success"
    )
    extracted >> checked >> [rejected, loaded] >> tidied
"""

FACTORY = """\
from pathlib import Path

from airflow import DAG  # airflow dag
from dagfactory import load_yaml_dags

load_yaml_dags(globals_dict=globals(), dags_folder=str(Path(__file__).parent))
"""

YAML = """\
bench_{number}:
  description: "file {number}"
  default_args:
    start_date: "2020-01-01"
    owner: bench
  schedule: "0 6 * * *"
  catchup: false
  tags: [bench]
  tasks:
    - task_id: Extract
      operator: airflow.providers.standard.operators.python.PythonOperator
      python_callable: functions.extract
      retries: 2
    - task_id: Check
      operator: airflow.providers.standard.operators.python.BranchPythonOperator
      python_callable: functions.check
      dependencies: [Extract]
    - task_id: Reject
      operator: airflow.providers.standard.operators.python.PythonOperator
      python_callable: functions.reject
      dependencies: [Check]
    - task_id: Load
      operator: airflow.providers.standard.operators.python.PythonOperator
      python_callable: functions.load
      dependencies: [Check]
    - task_id: Tidy
      operator: airflow.providers.standard.operators.python.PythonOperator
      python_callable: functions.tidy
      trigger_rule: none_failed_min_one_success
      dependencies: [Reject, Load]
"""

MEASURE = """\
import json, os, sys, time
folder, wanted = sys.argv[1], sys.argv[2]
from volnux_airflow.home import enter_own_home
enter_own_home()
sys.path.insert(0, folder)
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
import airflow.providers.standard.operators.python
try:
    from airflow.sdk import CronTriggerTimetable
except ImportError:
    from airflow.timetables.trigger import CronTriggerTimetable
if wanted:
    os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = wanted
    os.environ["_AIRFLOW_PARSING_CONTEXT_TASK_ID"] = "Extract"
begun = time.perf_counter()
bag = DagBag(folder, safe_mode=True)
taken = time.perf_counter() - begun
assert not bag.import_errors, bag.import_errors
print(json.dumps({"seconds": taken, "dags": len(bag.dags)}))
"""


def write(folder: Path, ways: list[str], files: int) -> None:
    for way in ways:
        (folder / way).mkdir()
    for number in range(files):
        if "volnux" in ways:
            path = folder / "volnux" / f"bench_{number}.pty"
            path.write_text(POINTY.format(number=number))
        if "by hand" in ways:
            path = folder / "by hand" / f"bench_{number}.py"
            path.write_text(BY_HAND.format(number=number))
        if "dag-factory" in ways:
            path = folder / "dag-factory" / f"bench_{number}.yml"
            path.write_text(YAML.format(number=number))
    (folder / "volnux" / "events.py").write_text(EVENTS)
    (folder / "volnux" / "pty_dags.py").write_text(LOADER)
    for way in set(ways) - {"volnux"}:
        (folder / way / "functions.py").write_text(FUNCTIONS)
    if "dag-factory" in ways:
        (folder / "dag-factory" / "loader.py").write_text(FACTORY)


def measure(folder: Path, wanted: str = "") -> tuple[float, int]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURE, str(folder), wanted],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"},
    )
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["dags"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ways = ["volnux", "by hand"]
    if importlib.util.find_spec("dagfactory"):
        ways.append("dag-factory")
    times: dict[str, list[float]] = {way: [] for way in ways}
    workers: list[float] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(folder, ways, arguments.files)
        # In turn, so that other load on the machine affects all of them.
        for _ in range(arguments.rounds):
            for way in ways:
                seconds, dags = measure(folder / way)
                assert dags == arguments.files, (way, dags)
                times[way].append(seconds)
            seconds, dags = measure(folder / "volnux", f"bench_{arguments.files // 2}")
            assert dags == 1, dags
            workers.append(seconds)
    medians = {way: statistics.median(found) for way, found in times.items()}
    report = {
        "files": arguments.files,
        "seconds": medians,
        "ratio": {way: medians["volnux"] / medians[way] for way in ways if way != "volnux"},
        "worker seconds": statistics.median(workers),
    }
    if arguments.json:
        print(json.dumps(report))
        return
    for way, seconds in medians.items():
        print(f"{way:12} {seconds:6.2f} s for {arguments.files} DAGs")
    for way, ratio in report["ratio"].items():
        print(f"volnux / {way}: {ratio:.2f}")
    print(f"a worker builds one of them in {report['worker seconds'] * 1000:.0f} ms")


if __name__ == "__main__":
    main()

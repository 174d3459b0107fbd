"""`volnux run --backend airflow` and `volnux airflow …`, as a person calls them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from volnux_airflow.initialize import IMPORTER, LOADER, SetupError, set_up

from tests.conformance.cases import EVENTS
from tests.integration.airflow.server import NEW


def clean():
    return {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}


def volnux(*arguments, folder, **environment):
    return subprocess.run(
        [sys.executable, "-m", "volnux", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**clean(), **environment},
    )


def test_run_prints_the_report_and_nothing_else(folder):
    here = folder(**{"events.py": EVENTS, "flow.pty": "Boom (0 |-> A) -> Bad -> F"})
    (here / "cache").mkdir()
    done = volnux(
        *("run", "flow.pty", "--backend", "airflow", "--json"),
        folder=here,
        XDG_CACHE_HOME=str(here / "cache"),
    )
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert (report["backend"], report["status"]) == ("airflow", "failed")
    assert [item["state"] for item in report["places"].values()] == [
        "done",
        "done",
        "failed",
        "failed",
    ]
    # Progress is ours; of Airflow there is nothing.
    assert all(line.startswith("[") for line in done.stderr.splitlines()), done.stderr
    # The empty database is kept for the next time, and nothing else.
    (kept,) = (here / "cache" / "volnux").iterdir()
    assert kept.name.startswith("airflow-")


WAITS = """
import pathlib
import time

from volnux import event


@event
def Waits():
    pathlib.Path("begun").touch()
    time.sleep(100)
    return True, None
"""


def test_sigterm_ends_a_run(folder):
    here = folder(**{"events.py": WAITS, "flow.pty": "Waits"})
    command = [sys.executable, "-m", "volnux", "run", "flow.pty", "--backend", "airflow"]
    (here / "temporary").mkdir()
    process = subprocess.Popen(
        command,
        cwd=here,
        env={**clean(), "TMPDIR": str(here / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while not (here / "begun").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.terminate()
        # What runs may go on for a while; then the event's worker is given up.
        assert process.wait(60) == 128 + signal.SIGTERM
        assert list((here / "temporary").iterdir()) == []
    finally:
        process.kill()
        process.communicate()


def test_dag_prints_a_file(folder):
    here = folder(**{"events.py": EVENTS, "flow.pty": "A |-> B"})
    done = volnux("airflow", "dag", "flow.pty", folder=here)
    assert done.returncode == 0, done.stderr
    assert 'b = VolnuxEventOperator(task_id="B", event=B, receives="A")' in done.stdout
    wrong = volnux("airflow", "dag", "none.pty", folder=here)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "there is no such file" in wrong.stderr


def test_init_writes_a_loader(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "nowhere"))
    monkeypatch.delenv("AIRFLOW_CONFIG", raising=False)
    lines = set_up(tmp_path)
    assert "every .pty in" in lines[0]
    assert (tmp_path / "pty_dags.py").read_text() == LOADER
    assert set_up(tmp_path) == [f"{tmp_path / 'pty_dags.py'} is there already: nothing to do"]
    with pytest.raises(SetupError, match="is no folder"):
        set_up(tmp_path / "nowhere")


CONFIG = """\
# mine
[core]
executor = LocalExecutor

[dag_processor]
# dag_importer_configs =
refresh_interval = 5
"""


def test_init_writes_the_importer(tmp_path, monkeypatch):
    config = tmp_path / "airflow.cfg"
    config.write_text(CONFIG)
    monkeypatch.setenv("AIRFLOW_CONFIG", str(config))
    lines = set_up(tmp_path)
    if not NEW:
        assert config.read_text() == CONFIG
        assert Path(tmp_path / "pty_dags.py").is_file()
        return
    assert lines[0].startswith("wrote dag_importer_configs")
    line = f'dag_importer_configs = ["{IMPORTER}"]\n'
    assert config.read_text() == CONFIG.replace("[dag_processor]\n", f"[dag_processor]\n{line}")
    assert "nothing to do" in set_up(tmp_path)[0]


INSTALLED = """\
import json
import sys

from volnux_airflow.home import enter_own_home

enter_own_home()
from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners.listener import get_listener_manager
from airflow.plugins_manager import AirflowPlugin
from airflow.providers_manager import ProvidersManager
from volnux_airflow.plugin import VolnuxPlugin
from volnux_airflow.provider import get_provider_info

bag = DagBag("dags", safe_mode=True)
print(json.dumps({
    "provider": sorted(get_provider_info()),
    "is known": "volnux" in ProvidersManager().providers,
    "plugin": {
        name: len(value)
        for name in dir(AirflowPlugin)
        if isinstance(value := getattr(VolnuxPlugin, name), list) and value
    },
    "is loaded": "volnux" in {plugin["name"] for plugin in plugins_manager.get_plugin_info()},
    "listens": get_listener_manager().has_listeners,
    "errors": bag.import_errors,
    "tasks": sorted(bag.dags["by_hand"].task_ids) if bag.dags else [],
    "patched": [each.__module__ for each in (exit.__class__.__call__, __import__)],
}))
"""

BY_HAND = """\
import datetime as dt

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, Asset, task
from airflow.timetables.interval import CronDataIntervalTimetable


def called(context):
    pass


with DAG(
    "by_hand",
    schedule=CronDataIntervalTimetable("0 6 * * *", "Europe/Berlin"),
    start_date=dt.datetime(2026, 1, 1),
    on_success_callback=called,
    default_args={"on_failure_callback": called},
):
    waits = TimeDeltaSensor(
        task_id="waits",
        delta=dt.timedelta(seconds=1),
        deferrable=True,
        end_from_trigger=True,
    )

    @task(outlets=[Asset("file:///out")])
    def mapped(number):
        return number

    waits >> mapped.expand(number=[1, 2])
"""


@pytest.mark.parametrize("asked", [False, True])
def test_installing_changes_nothing_until_it_is_asked_for(folder, asked):
    here = folder(**{"script.py": INSTALLED, "dags/by_hand.py": BY_HAND})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py"],
        cwd=here,
        env={**clean(), "AIRFLOW__VOLNUX__RUN_SIGNALS": str(asked)} if asked else clean(),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    # What can disturb others is all that is listed: a new entry here needs a good reason.
    assert found["provider"] == ["description", "name", "package-name"]
    assert found["plugin"] == {"timetables": 1, **({"listeners": 1} if asked else {})}
    assert found["is known"]
    assert found["is loaded"]
    assert found["listens"] is asked
    assert found["patched"] == ["_sitebuiltins", "builtins"]
    if asked:
        (error,) = found["errors"].values()
        assert "end_from_trigger=True" in error
    else:
        assert found["errors"] == {}
        assert found["tasks"] == ["mapped", "waits"]

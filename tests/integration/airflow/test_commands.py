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


def test_airflow_knows_the_provider_and_the_plugin(folder):
    script = """
    from volnux_airflow.home import enter_own_home
    enter_own_home()
    from airflow import plugins_manager
    from airflow.providers_manager import ProvidersManager
    assert "volnux" in ProvidersManager().providers
    find = getattr(plugins_manager, "get_plugin_info", None)
    assert "volnux" in {plugin["name"] for plugin in find()}
    """
    here = folder(**{"script.py": script})
    done = subprocess.run([sys.executable, "script.py"], cwd=here, check=False)
    assert done.returncode == 0

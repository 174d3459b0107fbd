"""`volnux run --backend airflow` and `volnux airflow …`, as a user calls them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from volnux_airflow.initialize import BUNDLE, IMPORTER, LOADER, SetupError, set_up

from tests.conformance.cases import EVENTS


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


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The path of an `airflow.cfg` that does not exist yet. No setting comes from elsewhere."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
        monkeypatch.delenv(name)
    file = tmp_path / "airflow.cfg"
    monkeypatch.setenv("AIRFLOW_CONFIG", str(file))
    (tmp_path / "dags").mkdir()
    return file


def test_init_writes_a_loader_where_there_is_no_configuration(config, tmp_path):
    dags = tmp_path / "dags"
    lines = set_up(dags)
    assert "every .pty in" in lines[0]
    assert f"there is no {config}" in lines[1]
    assert (dags / "pty_dags.py").read_text() == LOADER
    assert set_up(dags)[0] == f"{dags / 'pty_dags.py'} already exists: nothing to do"
    with pytest.raises(SetupError, match="is not a folder"):
        set_up(tmp_path / "nowhere")


CONFIG = """\
# mine
[core]
executor = LocalExecutor

[dag_processor]
# dag_importer_configs =
refresh_interval = 5
"""


def test_init_writes_the_importer(config, tmp_path):
    config.write_text(CONFIG)
    lines = set_up(tmp_path / "dags", (3, 4))
    assert lines[0].startswith("wrote dag_importer_configs")
    line = f'dag_importer_configs = ["{IMPORTER}"]\n'
    assert config.read_text() == CONFIG.replace("[dag_processor]\n", f"[dag_processor]\n{line}")
    assert "nothing to do" in set_up(tmp_path / "dags", (3, 4))[0]


MINE = {"name": "mine", "classpath": "my.Bundle", "kwargs": {"path": "/50%"}}
SPREAD = json.dumps([MINE], indent=2).replace("\n", "\n  ").replace("%", "%%")
DEFAULT = {
    "name": "dags-folder",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {},
}


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("", [DEFAULT]),
        (CONFIG, [DEFAULT]),
        ("[dag_processor]\ndag_bundle_config_list =\n", [DEFAULT]),
        (f"[dag_processor]\ndag_bundle_config_list = {SPREAD}\nother = 1", [MINE]),
        (
            '[dag_processor]\ndag_bundle_config_list = [\n\n; one\n    {"name": "a"},\n  # two\n'
            '    {"name": "b"}\n\n  ]\n\n# of the next\nnext = 1\n',
            [{"name": "a"}, {"name": "b"}],
        ),
        (
            '[dag_processor]\ndag_bundle_config_list = [{"name": "pty"}]\n[z]\na = 1\n',
            [{"name": "pty"}],
        ),
    ],
)
def test_init_adds_the_bundle_to_those_that_are_there(config, tmp_path, before, kept):
    from airflow.configuration import AirflowConfigParser

    def settings():
        parser = AirflowConfigParser()
        parser.read(config)
        return parser

    config.write_text(before)
    config.chmod(0o640)
    values = {
        name: dict(settings()[name])
        for name in ("core", "dag_processor", "z")
        if settings().has_section(name)
    }
    lines = set_up(tmp_path / "dags", (3, 3))
    bundles = settings().getjson("dag_processor", "dag_bundle_config_list")
    assert bundles[:-1] == kept
    name = "pty-2" if {"name": "pty"} in kept else "pty"
    kwargs = {"path": str(tmp_path / "dags")}
    assert bundles[-1] == {"name": name, "classpath": BUNDLE, "kwargs": kwargs}
    assert f"added the bundle '{name}'" in lines[0]
    for section, items in values.items():
        items.pop("dag_bundle_config_list", None)
        assert items.items() <= dict(settings()[section]).items()
    after = config.read_text()
    assert all(line in after for line in before.splitlines() if line[:1] == "#")
    assert config.stat().st_mode & 0o777 == 0o640
    assert {each.name for each in tmp_path.iterdir()} == {"airflow.cfg", "dags"}
    assert "nothing to do" in set_up(tmp_path / "dags", (3, 3))[0]
    assert config.read_text() == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[dag_processor]\ndag_bundle_config_list = [1", "is not JSON"),
        ("[dag_processor]\ndag_bundle_config_list = 1", "is not a list of bundles"),
        ("no section", "cannot be read"),
        (
            '[dag_processor]\n  dag_bundle_config_list = [{"name": "a"}]\n',
            "in a way that init cannot change: set dag_bundle_config_list in .* to ",
        ),
    ],
)
def test_init_leaves_a_configuration_that_it_does_not_understand(config, tmp_path, text, message):
    config.write_text(text)
    with pytest.raises(SetupError, match=message):
        set_up(tmp_path / "dags", (3, 3))
    assert config.read_text() == text
    assert list((tmp_path / "dags").iterdir()) == []


def test_init_says_what_to_do_where_the_environment_hides_the_file(config, tmp_path, monkeypatch):
    config.write_text(CONFIG)
    variable = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
    monkeypatch.setenv(variable, json.dumps([MINE]))
    with pytest.raises(
        SetupError, match=f"{variable} is set and overrides .* set it to .*mine.*pty"
    ):
        set_up(tmp_path / "dags", (3, 3))
    assert config.read_text() == CONFIG


def test_init_keeps_airflow_from_reading_events_as_dags(config, tmp_path, folder):
    from airflow.utils.file import list_py_file_paths

    dags = tmp_path / "dags"
    set_up(dags)
    looks_like_a_dag = "# airflow dag\nfrom .common import x\n"
    names = ("events.py", "a_events.py", "below/b_events.py", "mine.py")
    folder(**{f"dags/{name}": looks_like_a_dag for name in names})
    folder(**{"dags/a.pty": "A", "dags/below/b.pty": "A"})
    found = {Path(path).name for path in list_py_file_paths(str(dags))}
    assert found == {"mine.py", "pty_dags.py"}
    # What is there is left as it is.
    ignore = dags / ".airflowignore"
    ignore.write_text("mine.py\nevents.py\n")
    assert set_up(dags)[-1] == f"add to {ignore}, which was left as it is: *_events.py"
    assert ignore.read_text() == "mine.py\nevents.py\n"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"a.pty": "A", "a_events.py": "", "b/c.d.pty": "A", "b/c.d_events.py": ""}, None),
        ({"a.pty": "A", "sync_events.py": ""}, "sync_events.py"),
        ({"a.pty": "A", "a_events.py": "with DAG('a'): pass"}, "a_events.py"),
        ({"a.pty": "A", "b/events.py": "@task\ndef a(): pass"}, "b/events.py"),
    ],
)
def test_init_hides_nothing_that_may_be_a_dag(config, tmp_path, folder, files, named):
    dags = tmp_path / "dags"
    folder(**{f"dags/{name}": text for name, text in files.items()})
    said = set_up(dags)[-1]
    assert (dags / ".airflowignore").exists() == (named is None)
    if named is not None:
        assert f"{dags / named} may be a DAG file" in said
        assert "add events.py and *_events.py" in said


INSTALLED = """\
import json
import sys

from volnux_airflow.home import enter_own_home

enter_own_home()
from airflow import plugins_manager
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
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


def test_installing_changes_nothing(folder):
    here = folder(**{"script.py": INSTALLED, "dags/by_hand.py": BY_HAND})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py"],
        cwd=here,
        env=clean(),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    # What can disturb others is all that is listed: a new entry here needs a good reason.
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "provider": ["description", "name", "package-name"],
        "is known": True,
        "plugin": {"timetables": 1},
        "is loaded": True,
        "listens": False,
        "errors": {},
        "tasks": ["mapped", "waits"],
        "patched": ["_sitebuiltins", "builtins"],
    }

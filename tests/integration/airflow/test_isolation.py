"""One file never hides another: hostile files beside good ones, parsed as by Airflow."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from volnux_airflow.bundle import PtyDagBundle

from tests.integration.airflow.hostile import KINDS, write
from tests.integration.airflow.server import LOADER

ROOT = Path(__file__).parents[3]


# The trial of the second parse takes a large part of Airflow's time limit.
@pytest.mark.timeout(300)
def test_a_loader_keeps_the_good_files_whatever_the_others_do(parse, tmp_path):
    folder = tmp_path / "dags"
    folder.mkdir()
    ids = write(folder, KINDS, good=3)
    loader = folder / "pty_dags.py"
    loader.write_text(LOADER)
    # The first time Airflow gets no result, so that it keeps what it has.
    assert not parse(loader, folder)["came back"]
    found = parse(loader, folder)
    assert set(found["dags"]) == ids
    assert_shown(found["errors"], {kind.name: kind.shown for kind in KINDS if kind.shown})
    # And when the files have been corrected, a parse is again like any other.
    for kind in KINDS:
        if kind.shown:
            (folder / f"{kind.name}.pty").unlink()
    found = parse(loader, folder)
    assert (set(found["dags"]), found["errors"]) == (ids, {})
    (marks,) = tmp_path.glob("volnux-airflow-*/bundles/_volnux")
    assert list(marks.iterdir()) == []


def test_a_bundle_shows_each_fault_with_its_file(parse, tmp_path, monkeypatch):
    names = ("exits", "leaves", "crashes", "raises", "twice", "twice_too")
    kinds = [kind for kind in KINDS if kind.name in names]
    folder = tmp_path / "dags"
    folder.mkdir()
    ids = write(folder, kinds, good=1)
    bundle = bundle_of(folder, tmp_path, monkeypatch)
    errors, dags = {}, []
    for shim in sorted(bundle.path.rglob("*.pty.py")):
        found = parse(shim, bundle.path)
        if not found["came back"]:
            assert next(kind for kind in kinds if shim.name == f"{kind.name}.pty.py").ends_parse
            found = parse(shim, bundle.path)
        errors.update(found["errors"])
        dags += found["dags"]
    assert sorted(dags) == sorted(ids)
    assert_shown(errors, {kind.name: kind.shown for kind in kinds if kind.shown})


ORPHAN = """\
import os
import signal

from volnux_airflow.trial import try_out


def kills_its_parent_and_hangs():
    os.kill(os.getppid(), signal.SIGKILL)
    while True:
        try:
            signal.pause()
        except BaseException:
            pass


try_out({"it": kills_its_parent_and_hangs}, 0.5)
"""


def test_a_trial_ends_when_nobody_waits_for_it():
    here, there = os.pipe()
    done = subprocess.run([sys.executable, "-c", ORPHAN], pass_fds=[there], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    os.close(there)
    # The end of the pipe: nobody has its other end open any more.
    assert os.read(here, 1) == b""
    os.close(here)


MARKS = """\
import os
import signal

from volnux_airflow.home import enter_own_home

enter_own_home()
from volnux_airflow.guard import guarded

os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
signal.signal(signal.SIGALRM, signal.SIG_IGN)


def hangs():
    while True:
        signal.pause()


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def lost():
    if os.fork() == 0:
        with guarded("file"):
            os._exit(1)
    os.wait()


def parsed(make):
    with guarded("file") as guard:
        signal.setitimer(signal.ITIMER_REAL, 3)
        found = guard.faults({"it": make})
        signal.setitimer(signal.ITIMER_REAL, 0)
        return "careful: " + found.get("it", "fine")[:10] if guard.careful else "as ever"


for make in (print, hangs, is_killed):
    said = []
    for _ in range(2):
        lost()
        said += [parsed(make), parsed(make)]
    print(*said, sep=", ")
"""


def test_an_import_that_was_late_once_is_made_again():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MARKS],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
    )
    fine = "careful: fine, as ever"
    late = "careful: its import"
    assert done.stdout.splitlines() == [
        f"{fine}, {fine}",
        f"{late}, as ever, {late}, as ever",
        f"{late}, {late}, {late}, {late}",
    ]


def test_a_bundle_takes_any_name_and_keeps_its_files(tmp_path, monkeypatch):
    folder = tmp_path / "dags"
    folder.mkdir()
    names = ["good", "x" * 250, "é" * 120, os.fsdecode(b"\xc6" * 60)]
    for name in names:
        (folder / f"{name}.pty").write_text("Ok")
    bundle = bundle_of(folder, tmp_path, monkeypatch)
    made = {path.name: path.read_text() for path in bundle.path.rglob("*.py")}
    assert len(made) == len(names)
    assert sum("dag_of(" in text for text in made.values()) == len(names) - 1
    # As when a network drive is away.
    folder.rename(tmp_path / "away")
    bundle.refresh()
    assert {path.name: path.read_text() for path in bundle.path.rglob("*.py")} == made


def bundle_of(folder, storage, monkeypatch, **kwargs):
    monkeypatch.setattr(
        "airflow.dag_processing.bundles.base.get_bundle_base_folder",
        lambda bundle_name: storage / "storage",
    )
    bundle = PtyDagBundle(name="pty", path=str(folder), **kwargs)
    bundle.initialize()
    return bundle


def assert_shown(errors, expected):
    """Each error is shown once, with its file, and without Airflow's long traceback."""
    assert {Path(name).name.partition(".")[0] for name in errors} == set(expected)
    for name, text in errors.items():
        shown = expected[Path(name).name.partition(".")[0]]
        assert shown in text, text
        assert text.count(": error: ") == 1, text
        assert len(text.splitlines()) < 25, text

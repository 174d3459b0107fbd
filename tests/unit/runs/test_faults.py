"""What goes wrong with a store never fails a run: one sentence, and the run goes on unkept."""

import contextlib
import os
import queue
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import volnux
from volnux import event
from volnux.events.answers import Question
from volnux.runs import RunStoreError, Store
from volnux.runs.answers import StoreAnswers

ME = [sys.modules[__name__]]
FLOW = " -> ".join(["Much"] * 20)


@event
def Much():
    return True, "x" * 50_000


def mounted(*options):
    """A small disk at `disk`; the caller unmounts it."""
    Path("disk").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", "disk"]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("nothing can be mounted here")


def full():
    """A disk that is full after a part of the run."""
    mounted("size=400k")
    return Path("disk/runs.db")


def full_at_once():
    """A disk without any room."""
    mounted("size=8k")
    return Path("disk/.volnux/runs.db")


def read_only():
    """A disk on which nothing can be written, without a store."""
    mounted("ro")
    return Path("disk/.volnux/runs.db")


def read_only_store():
    """A store that can only be read."""
    mounted("size=1m")
    Store.open("disk/runs.db").close()
    subprocess.run(["mount", "-o", "remount,ro", "disk"], check=True)
    return Path("disk/runs.db")


def no_folder():
    """A file in place of the folder."""
    Path("file").write_text("")
    return Path("file/runs.db")


def a_folder():
    """A folder in place of the file."""
    Path("runs.db").mkdir()
    return Path("runs.db")


def garbage():
    """A file that is not a database."""
    Path("runs.db").write_bytes(b"not a database, " * 1000)
    return Path("runs.db")


def damaged():
    """A database with garbage in all pages but the first one."""
    Store.open("runs.db").close()
    with Path("runs.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\x55" * (Path("runs.db").stat().st_size - 4096))
    return Path("runs.db")


def foreign():
    """The database of another program."""
    with contextlib.closing(sqlite3.connect("runs.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (id)")
    return Path("runs.db")


def later():
    """A store of a later version."""
    with contextlib.closing(Store("runs.db").connect()) as connection:
        connection.execute("PRAGMA user_version = 99")
    return Path("runs.db")


def two_names():
    """A file with two names, which SQLite would damage."""
    Store.open("runs.db").close()
    os.link("runs.db", "other.db")
    return Path("runs.db")


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect("runs.db", isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locker():
    """Another process that locks a store until the test has ended."""
    Store.open("runs.db").close()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", LOCKER], **pipes) as process:
        assert process.stdout.readline() == b"locked\n"
        yield process
        process.stdin.close()


@pytest.fixture(autouse=True)
def disk():
    yield
    if os.path.ismount("disk"):
        # Not lazily: nothing may have a file on it open.
        subprocess.run(["umount", "disk"], check=True)


FAULTS = {
    full: "runs.db cannot be written: the disk is full",
    full_at_once: "the disk is full",
    read_only: "disk/.volnux cannot be written: Read-only file system",
    read_only_store: "runs.db cannot be written: its folder or file is read-only",
    no_folder: "file cannot be written: File exists",
    a_folder: "runs.db is not a file",
    garbage: "runs.db is damaged, or not a store of runs: move it away, or name another file",
    damaged: "runs.db is damaged, or not a store of runs: move it away, or name another file",
    foreign: "runs.db is not a store of runs: name another file",
    later: "was written by a later version of volnux (format 99, this one knows 2): update volnux",
    two_names: "has 2 names (hard links)",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_run_goes_on_unkept(fault):
    path = fault()
    warned = []
    report = volnux.run(text=FLOW, events=ME, store=Store(path, warn=warned.append))
    assert report.status == "success"
    assert [len(each.result) for each in report.places.values()] == [50_000] * 20
    assert len(warned) == 1, warned
    assert warned[0].startswith("this run is not kept: ")
    assert FAULTS[fault] in warned[0]
    assert "\n" not in warned[0]


def test_a_locked_store(locker):
    warned = []
    store = Store("runs.db", warn=warned.append, patience=0.2)
    assert volnux.run(text=FLOW, events=ME, store=store).status == "success"
    *waits, said = warned  # it also warns that it waits if the run takes longer than that
    assert len(waits) <= 1
    assert said.startswith("this run is not kept: ")
    assert "runs.db is locked: another program has been writing to it for too long" in said


def test_a_store_that_is_unlocked_before_the_run_ends(locker):
    warned = queue.SimpleQueue()

    @event
    def Unlocks():
        said = warned.get(timeout=60)
        locker.communicate()
        return True, said

    store = Store("runs.db", warn=warned.put, patience=0.01)
    report = volnux.run(text="Much -> Unlocks", events=[*ME, Unlocks], store=store, run_id="one")
    assert report.places["Unlocks"].result.startswith(
        "this run is kept as soon as the store can be written: "
    )
    assert warned.empty()
    assert store.run("one").status == "success"
    assert [place.place for place in store.places("one")] == ["Much", "Unlocks"]


def test_a_question_of_a_run_that_is_not_kept():
    warned = []
    answers = StoreAnswers(Store("runs.db", warn=warned.append, patience=0))
    question = Question("unknown", "Approve", "Ship it?", ("yes",), time.time() + 60)
    answers.asked(question)
    assert answers.answer(question) is None
    assert answers.answer(question) is None
    answers.closed(question)
    (said,) = warned
    assert said.startswith("'volnux answer' cannot answer Approve, because this run is not kept: ")


def test_an_id_that_is_taken():
    warned = []
    with Store("runs.db", warn=warned.append) as store:
        for text in ("Much", "Much -> Much"):
            volnux.run(text=text, events=ME, store=store, run_id="one")
        assert [place.place for place in store.places("one")] == ["Much"]
    assert warned == [
        f"this run is not kept: {Path('runs.db').absolute()} has a run with the id one already"
    ]


def test_the_warning_is_logged_if_nobody_takes_it(caplog):
    volnux.run(text=FLOW, events=ME, store=no_folder())
    (record,) = (each for each in caplog.records if each.name == "volnux.runs")
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("this run is not kept: ")


@pytest.mark.parametrize(
    "fault", [garbage, damaged, foreign, later, no_folder], ids=lambda fault: fault.__name__
)
def test_who_reads_is_told_the_same(fault):
    path = fault()
    with pytest.raises(RunStoreError) as caught:
        Store.open(path).list()
    assert FAULTS[fault].partition("runs.db ")[2] in str(caught.value)


def test_a_store_that_cannot_be_written_can_be_read():
    mounted("size=1m")
    volnux.run(text="Much", events=ME, store="disk/runs.db", run_id="kept")
    subprocess.run(["mount", "-o", "remount,ro", "disk"], check=True)
    with Store.open("disk/runs.db", create=False) as store:
        assert store.run("kept").status == "success"
        assert len(store.places("kept")) == 1


def test_changes_that_only_the_journal_has_are_not_left_out():
    mounted("size=1m")
    with Store.open("runs.db") as store:
        volnux.run(text="Much", events=ME, store=store)
        for path in ("runs.db", "runs.db-wal"):
            shutil.copy(path, "disk")
    subprocess.run(["mount", "-o", "remount,ro", "disk"], check=True)
    with pytest.raises(RunStoreError, match="copy both files to a folder that can be written"):
        Store.open("disk/runs.db", create=False)


RUNNER = """
import sys
import volnux
from volnux import event

@event
def Item(previous_result=None):
    return True, sys.argv[1]

for number in range(10):
    report = volnux.run(text=" -> ".join(["Item"] * 50), events=[sys.modules["__main__"]],
                        store="runs.db", run_id=f"{sys.argv[1]}-{number}")
    assert report.status == "success"
"""


def test_several_processes_write_to_one_store_that_none_of_them_finds():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RUNNER, name], stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in "abc"
    ]
    for process in processes:
        assert process.communicate() == (b"", b"")
        assert process.returncode == 0
    with Store.open("runs.db", create=False) as store:
        runs = store.list()
        assert {run.id for run in runs} == {f"{name}-{n}" for name in "abc" for n in range(10)}
        assert {run.status for run in runs} == {"success"}
        for run in runs:
            assert [place.result for place in store.places(run.id)] == [f'"{run.id[0]}"'] * 50


KILLED = """
import os, signal, sys
import volnux
from volnux import event
from volnux.runs import Store

@event
def First():
    return True, [1, 2]

@event
def Stays():
    store = Store.open("runs.db", create=False)
    while not [each for each in store.places("killed") if each.place == "Stays"]:
        pass
    os.kill(os.getpid(), signal.SIGKILL)

volnux.run(text="First -> Stays -> First", events=[sys.modules["__main__"]],
           store="runs.db", run_id="killed")
"""


def test_a_killed_run_is_found():
    before = time.time()
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True)
    assert done.returncode < 0
    with Store.open("runs.db", create=False) as store:
        run = store.run("killed")
        assert run.status == "lost"
        assert run.ended.timestamp() > before
        first, stays = store.places("killed")
        assert (first.place, first.state, first.result) == ("First", "done", "[1,2]")
        assert (stays.place, stays.state, stays.ended, stays.attempts) == ("Stays", None, None, 1)
        assert store.last(unsuccessful=True) == run
        assert store.list(status="lost") == [run_without_text(run)]
        assert store.list(status="running") == []


def run_without_text(run):
    import dataclasses

    return dataclasses.replace(run, source="", used={})


def test_a_store_that_is_deleted_is_made_anew():
    store = Store("runs.db")
    volnux.run(text="Much", events=ME, store=store, run_id="one")
    for path in Path().glob("runs.db*"):
        path.unlink()
    volnux.run(text="Much", events=ME, store=store, run_id="two")
    assert [run.id for run in Store("runs.db").list()] == ["two"]


def test_a_store_is_for_its_owner_and_not_for_version_control():
    volnux.run(text="Much", events=ME, store=".volnux/runs.db")
    assert Path(".volnux/runs.db").stat().st_mode & 0o777 == 0o600
    assert Path(".volnux/.gitignore").read_text() == "*\n"
    if shutil.which("git"):
        subprocess.run(["git", "init", "-q"], check=True)
        status = ["git", "status", "--porcelain", "--untracked-files=all"]
        assert subprocess.run(status, capture_output=True, check=True).stdout == b""

"""Retrying a flow run: what it has done is not done again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.filesystems import LocalFileSystem
from prefect.flow_engine import run_flow, run_flow_in_subprocess
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings
from prefect.states import AwaitingRetry
from volnux_prefect import flow as flow_module
from volnux_prefect import load_flow

from tests.integration.prefect.server import end, start, surroundings
from tests.integration.prefect.states import task_runs, wait_for_flow_run
from volnux.cli.start import start as volnux

TEN = """
@input: day: date = scheduled - 1d
List |-> Fetch[each=n, at_once=1] |-> Sum (3 |-> Odd, 1 -> Even) |-> Fails (0 -> Mend)
-> {First |-> Second}[task=tidy] |-> Late -> Last(day=day)
"""

EVENTS = """
import os
import time
from pathlib import Path

from volnux import event

HERE = Path(__file__).parent
STORAGE = Path(os.environ["PREFECT_HOME"], "storage")


def ran(name):
    with (HERE / "ran.txt").open("a") as file:
        print(name, file=file)
    broken = HERE / f"{name}.broken"
    if broken.exists():
        if broken.read_text() == "once":
            broken.unlink()
        if broken.read_text() == "hangs":
            (HERE / "pid.txt").write_text(str(os.getpid()))
            time.sleep(300)
        if broken.read_text() == "killed":
            while not any('"Second", "state"' in each.read_text() for each in STORAGE.glob("*/*")):
                pass
            os._exit(9)
        raise ValueError("broken")


@event
def List():
    ran("List")
    return True, [(1, "a"), (2, "b")]


@event
def Fetch(n):
    ran(f"Fetch{n[0]}")
    return True, n[0]


@event
def Sum(previous_result):
    ran("Sum")
    return 3, sum(previous_result)


@event
def Odd(previous_result):
    ran("Odd")
    return True, {"odd": previous_result}


@event
def Even():
    ran("Even")


@event
def Fails(previous_result):
    ran("Fails")
    raise OSError("no")


@event
def Mend():
    ran("Mend")
    return True, "mended"


@event
def First():
    ran("First")
    return True, b"first"


@event
def Second(previous_result):
    ran("Second")
    return True, previous_result * 2


@event
def Late(previous_result):
    ran("Late")
    return True, previous_result


@event
def Last(day):
    ran("Last")
    return True, day
"""

STORAGE = Path(os.environ.get("PREFECT_HOME", ""), "storage")
BEFORE = {"List", "Fetch1", "Fetch2", "Sum", "Odd", "Fails", "Mend"}


@pytest.fixture
def ten(server, write, monkeypatch):
    """The path of a flow whose events append their names to a file."""
    write("ten_events.py", EVENTS)
    # The same in this process, which may have read its settings earlier, and in its programs.
    monkeypatch.setenv("PREFECT_LOCAL_STORAGE_PATH", str(STORAGE))
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: STORAGE}):
        yield write("ten.pty", TEN)


@pytest.fixture
def reports(monkeypatch):
    """The reports of the flow runs in this process."""
    found = []
    state_of = flow_module.state_of

    def told(drive, report):
        found.append(report)
        return state_of(drive, report)

    monkeypatch.setattr(flow_module, "state_of", told)
    return found


def ran():
    """The events that have run since the last call."""
    path = Path("ran.txt")
    names = path.read_text().split()
    path.unlink()
    assert len(names) == len({*names})
    return {*names}


def stored(storage=STORAGE):
    """The folders of flow runs in a result storage."""
    return {each.name for each in storage.glob("volnux-run-*")}


def press_retry(id, *, force):
    """What the button *Retry* of the page does: that of the older page without force."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(id, AwaitingRetry(message="Retry from the UI"), force=force)


def retry(flow, id):
    """Retry a flow run as the page does, in this process. Returns its state."""
    press_retry(id, force=True)
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(id)
    return run_flow(flow, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")


def outcomes(report):
    return {
        name: (place.state, place.descriptor, place.result, str(place.failure), place.handled)
        for name, place in report.places.items()
    }


def test_the_command_runs_only_what_was_not_done(ten, write, prefect):
    write("flows.py", 'from volnux_prefect import load_flow\nten = load_flow("ten.pty")\n')
    broken = write("Late.broken", "")
    state = load_flow(ten)(return_state=True)
    assert state.message == "Late failed: ValueError: broken"
    assert ran() == BEFORE | {"First", "Second", "Late"}
    id = state.state_details.flow_run_id
    assert f"volnux-run-{id}" in stored()
    broken.unlink()
    done = prefect("flow-run", "retry", str(id), "--entrypoint", "flows.py:ten")
    assert "completed successfully" in done.stdout
    assert ran() == {"Late", "Last"}
    assert f"volnux-run-{id}" not in stored()
    # On the page, the task runs of both attempts are one graph, and nothing else is there twice.
    found = task_runs(id, ["Last", "Even", "tidy"])
    (late,) = found["Last"].task_inputs["upstream"]
    with get_client(sync_client=True) as client:
        late = client.read_task_run(late.id)
        in_run = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[id]))
        names = Counter(each.name for each in client.read_task_runs(task_run_filter=in_run))
    assert late.state.is_completed()
    assert [each.id for each in late.task_inputs["upstream"]] == [found["tidy"].id]
    assert names == {**dict.fromkeys(found, 1), "Late": 2}


def test_each_retry_goes_on_where_the_last_one_ended(ten, write, reports, caplog):
    flow = load_flow(ten)
    flow()
    assert ran() == BEFORE | {
        "First",
        "Second",
        "Late",
        "Last",
    }
    (whole,) = reports
    second, late, fetch = (write(f"{name}.broken", "") for name in ("Second", "Late", "Fetch2"))
    state = flow(return_state=True)
    id = state.state_details.flow_run_id
    assert ran() == {"List", "Fetch1", "Fetch2"}
    fetch.unlink()
    assert retry(flow, id).message == "Second failed: ValueError: broken"
    assert ran() == {"Fetch2", *BEFORE - {"List", "Fetch1"}, "First", "Second"}
    second.unlink()
    assert retry(flow, id).message == "Late failed: ValueError: broken"
    assert ran() == {"Second", "Late"}
    late.unlink()
    assert retry(flow, id).is_completed()
    assert ran() == {"Late", "Last"}
    assert outcomes(reports[-1]) == outcomes(whole)
    assert reports[-1].places["Sum"].reused
    assert "all events run" not in caplog.text
    # A success is not resumed.
    assert retry(flow, id).is_completed()
    assert f"all events run: the result storage (LocalFileSystem {STORAGE}) has noth" in caplog.text
    assert ran() == BEFORE | {"First", "Second", "Late", "Last"}


def test_retries_of_the_flow(ten, write):
    write("Late.broken", "once")
    state = load_flow(ten, retries=1)(return_state=True)
    assert state.is_completed()
    names = Path("ran.txt").read_text().split()
    assert names[-3:] == ["Late", "Late", "Last"]
    assert names.count("Sum") == 1


def test_a_killed_attempt(ten, write):
    killed = write("Late.broken", "killed")
    flow = load_flow(ten)
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(flow)
    process = run_flow_in_subprocess(flow, flow_run=flow_run)
    process.join()
    assert process.exitcode == 9
    assert ran() == BEFORE | {"First", "Second", "Late"}
    killed.unlink()
    assert retry(flow, flow_run.id).is_completed()
    assert ran() == {"Late", "Last"}


@contextlib.contextmanager
def worker(folder):
    """A worker that has a folder of its own, and keeps results in a common one."""
    folder.mkdir()
    process = start(
        *("worker", "start", "--pool", "default", "--type", "process"),
        output=folder / "worker.log",
        cwd=folder,
        env=surroundings(
            PREFECT_LOCAL_STORAGE_PATH=str(folder / "storage"),
            PREFECT_DEFAULT_RESULT_STORAGE_BLOCK="local-file-system/common",
        ),
    )
    try:
        yield
    finally:
        end(process)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_retry_a_deployed_run(ten, write, prefect, pool, tmp_path):
    """Its process is killed among the items, and then place 9 of 10 fails."""
    common = tmp_path / "common"
    LocalFileSystem(basepath=str(common)).save("common", overwrite=True)
    fetch, pid = write("Fetch2.broken", "hangs"), write("pid.txt", "")
    late = "def Late(previous_result):\n"
    write("ten_events.py", EVENTS.replace(late, f"{late}    ran('Late')\n    raise ValueError\n"))
    with worker(tmp_path / "one"):
        assert volnux(["prefect", "deploy", ".", "--yes"]) == 0
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name("ten/ten")
            id = client.create_flow_run_from_deployment(deployment.id).id
        until = time.monotonic() + 240
        while not pid.read_text():
            assert time.monotonic() < until, (tmp_path / "one" / "worker.log").read_text()
            time.sleep(0.2)
        # Prefect tells the states of task runs in the background.
        ended = {"List": "COMPLETED", "Fetch[0]": "COMPLETED"}
        while True:
            found = task_runs(id, ended, seconds=1)
            if all(name in found and found[name].state.is_final() for name in ended):
                break
            assert time.monotonic() < until
        os.kill(int(pid.read_text()), signal.SIGKILL)
        assert wait_for_flow_run(id).state.type.value == "CRASHED"
        found = task_runs(id, ended, seconds=1)
        assert {name: found[name].state.type.value for name in ended} == ended
        assert "Sum" not in found
        assert ran() == {"List", "Fetch1", "Fetch2"}

    # Prefect's worker tells of the crash twice, some seconds apart: another one goes on.
    with worker(tmp_path / "two"):
        fetch.unlink()
        press_retry(id, force=False)
        assert wait_for_flow_run(id).state.message == "Late failed: ValueError"
        assert ran() == {"Fetch2", *BEFORE - {"List", "Fetch1"}, "First", "Second", "Late"}
        assert stored(common) == {f"volnux-run-{id}"}
        write("ten_events.py", EVENTS)
        prefect("flow-run", "retry", str(id))
        assert wait_for_flow_run(id).state.is_completed()
        assert ran() == {"Late", "Last"}
        assert stored(common) == set()


def test_nothing_is_stored_if_the_flow_says_so(ten, write):
    before = stored()
    write("Late.broken", "")
    flow = load_flow(ten, persist_result=False)
    state = flow(return_state=True)
    assert state.is_failed()
    assert stored() == before
    ran()
    retry(flow, state.state_details.flow_run_id)
    assert ran() == BEFORE | {"First", "Second", "Late"}

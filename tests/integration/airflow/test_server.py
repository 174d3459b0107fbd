"""Files copied into the folders of a real Airflow, run through its REST API, and read back."""

import json
import subprocess
import sys
import urllib.error

import pytest

from tests.conformance.cases import CASES
from tests.integration.airflow.server import NEW

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STATES = {"d": "success", "s": "skipped", "f": "failed", "x": "upstream_failed"}


def wait_for(server, *dags):
    server.until_parsed(f"{dags} are there", lambda: set(dags) <= server.dag_ids())


def put(server, text, name, *, events=None, folder=None):
    """Put a file into the dags folder, and wait until its DAG exists."""
    folder = folder or server.dags
    if events is not None:
        (folder / f"{name}_events.py").write_text("from volnux import *\n" + events)
    (folder / f"{name}.pty").write_text(text)
    wait_for(server, name)


def test_cases(server):
    """Every second one, while an event waits without a slot; `test_cases.py` runs all of them."""
    waits = begun_to_wait(server)
    waiting = CASES[::2]
    wait_for(server, *(f"case_{case.number}" for case in waiting))
    differences = []
    while waiting:
        # A few at a time: SQLite does not like more.
        some, waiting = waiting[:6], waiting[6:]
        runs = [
            (case, f"case_{case.number}", server.trigger(f"case_{case.number}")) for case in some
        ]
        for case, dag, run in runs:
            status = server.ended(dag, run, seconds=240)
            states = {t: s for t, s in server.states(dag, run).items() if t in case.places}
            expected = {place: STATES[state] for place, (state, _) in case.places.items()}
            descriptors = {
                place: (server.xcom(dag, run, place, "volnux") or {}).get("descriptor")
                for place in case.places
            }
            if (status, states) != (case.status, expected) or descriptors != {
                place: descriptor for place, (_, descriptor) in case.places.items()
            }:
                differences.append((case, status, states, descriptors))
    assert differences == []
    check_waited(server, waits)


def begun_to_wait(server):
    """A run of the DAG `waiting` in which an event waits; the id of the run."""
    server.post("/pools", {"name": "one", "slots": 1})
    put(
        server,
        "Waits[every=25, pool=one] -> After",
        "waiting",
        events="""
@event
def Waits(self):
    if not self.polls: not_yet("no file {{ yet }}")
    return True, [self.attempt, self.polls]
@event
def After(): return True, None
""",
    )
    run = server.trigger("waiting")

    def waits():
        task = server.tasks("waiting", run)["Waits"]
        # What the page shows is stored after the state.
        is_shown = (task["rendered_fields"] or {}).get("outcome")
        return task if task["state"] == "up_for_reschedule" and is_shown else None

    task = server.until("it waits", waits)
    shown = task["rendered_map_index"]
    assert (task["try_number"], task["rendered_fields"]) == (1, {"outcome": shown})
    assert shown.startswith("not yet: no file {{ yet }}; next call at 20")
    assert f"Waits: {shown}" in server.task_log("waiting", run, "Waits")
    assert server.get("/pools/one")["open_slots"] == 1
    return run


def check_waited(server, run):
    """The event of `begun_to_wait` goes on in the same try."""
    assert server.ended("waiting", run) == "success"
    assert server.xcom("waiting", run, "Waits") == [1, 1]
    assert server.xcom("waiting", run, "Waits", "volnux")["polls"] == 1
    ended = server.tasks("waiting", run)["Waits"]
    assert (ended["try_number"], ended["rendered_map_index"]) == (1, None)
    assert ended["rendered_fields"] == {"outcome": "descriptor 1 after 1 attempt and 1 poll"}


def test_a_result_of_none_makes_no_noise_and_a_handled_failure_is_seen(server):
    put(
        server,
        "Nothing |-> After |-> Fails (0 -> Quits (0 -> Last))",
        "quiet",
        events="""
@event
def Nothing(): return True, None
@event
def After(previous_result): return previous_result is None, "seen"
@event
def Fails(): raise ValueError("no way")
@event
def Quits(): exit(3)
@event
def Last(): return True, None
""",
    )
    run = server.trigger("quiet")
    assert server.ended("quiet", run) == "success"
    after = server.task_log("quiet", run, "After")
    assert "After finished with descriptor 1 after 1 attempt" in after
    assert "XCom not found" not in after
    fails = server.tasks("quiet", run)["Fails"]
    assert fails["state"] == "success"
    shown = "descriptor 0 after 1 attempt: ValueError: no way (a failure that the flow handles)"
    assert fails["rendered_fields"] == {"outcome": shown}
    # Python's own exit() would close the socket on which Airflow hears of the task.
    assert server.xcom("quiet", run, "Quits", "volnux")["failure"]["type"] == "SystemExit"
    assert server.states("quiet", run)["Last"] == "success"


def test_errors_in_one_file_hide_no_other_and_go_when_they_are_mended(server):
    files = {
        "slip.pty": server.dags / "slip.pty",
        f"slip_too.pty{'' if NEW else '.py'}": server.home / "more" / "slip_too.pty",
    }
    for file in files.values():
        file.write_text("Ok -> -> Bad")

    def shown():
        return {key: text for key, text in server.import_errors().items() if key in files}

    def all_shown():
        errors = shown()
        return errors if errors.keys() == files.keys() else None

    for text in server.until_parsed("the errors are shown", all_shown).values():
        assert "1:7: error: expected an event or a group after '->', found '->'" in text
    assert {"case_1", "case_2"} <= server.dag_ids()
    for file in files.values():
        file.write_text("Ok")
    wait_for(server, "slip", "slip_too")
    server.until_parsed("the errors go", lambda: not shown())


def test_adding_editing_renaming_and_deleting(server):
    """In the dags folder, and in a bundle or with the importer."""
    folders = {f"life_{place}": server.home / place for place in ("dags", "more")}
    for name, folder in folders.items():
        (folder / f"{name}.pty").write_text("A")
    wait_for(server, *folders)
    for name, folder in folders.items():
        (folder / f"{name}.pty").write_text("A -> B")

    def tasks(name):
        return {task["task_id"] for task in server.get(f"/dags/{name}/tasks")["tasks"]}

    server.until_parsed(
        "the edits are seen", lambda: all(tasks(name) == {"A", "B"} for name in folders)
    )
    for name, folder in folders.items():
        if folder != server.dags or not NEW:
            assert server.get(f"/dagSources/{name}")["content"] == "A -> B"
        (folder / f"{name}.pty").rename(folder / f"{name}_2.pty")
    renamed = {f"{name}_2" for name in folders}
    wait_for(server, *renamed)
    server.until_parsed("the old ones are gone", lambda: not folders.keys() & server.dag_ids())
    for name, folder in folders.items():
        (folder / f"{name}_2.pty").unlink()
    server.until_parsed("all are gone", lambda: not renamed & server.dag_ids())


def test_a_task_cleared_after_its_outcome_changed(server):
    mark = server.home / "outcome"
    mark.write_text("0")
    put(
        server,
        "Ask[every=0.1] (0 -> No, 1 -> Yes) |-> Both",
        "asking",
        events=f"""
from pathlib import Path
@event
def Ask(self):
    if self.polls < 1: not_yet()
    return int(Path({str(mark)!r}).read_text()), [self.attempt, self.polls]
@event
def No(): return True, "no"
@event
def Yes(): return True, "yes"
@event
def Both(previous_result): return True, previous_result
""",
    )
    run = server.trigger("asking")
    assert server.ended("asking", run) == "success"
    assert server.states("asking", run) == {
        "Ask": "success",
        "No": "success",
        "Yes": "skipped",
        "Both": "success",
    }
    mark.write_text("1")
    clear = {
        "dag_run_id": run,
        "task_ids": ["Ask"],
        "include_downstream": True,
        "only_failed": False,
        "reset_dag_runs": True,
        "dry_run": False,
    }
    server.until("it is cleared", lambda: server.post("/dags/asking/clearTaskInstances", clear))
    server.until("it runs again", lambda: server.tasks("asking", run)["Ask"]["try_number"] == 2)
    assert server.ended("asking", run) == "success"
    assert server.states("asking", run) == {
        "Ask": "success",
        "No": "skipped",
        "Yes": "success",
        "Both": "success",
    }
    assert server.xcom("asking", run, "Both", "return_value") == "yes"
    # Attempts count from 1 again, and it waits again.
    assert server.xcom("asking", run, "Ask", "return_value") == [1, 1]


def test_a_backfill_of_three_days(server):
    put(
        server,
        '@schedule: "0 6 * * *"\n@start-date: 2026-01-01\nDay',
        "daily",
        events="""
@event
def Day(): return True, "done"
""",
    )
    backfill = {
        "dag_id": "daily",
        "from_date": "2026-01-02T00:00:00Z",
        "to_date": "2026-01-04T23:00:00Z",
        "max_active_runs": 1,
        "reprocess_behavior": "failed",
    }

    def made():
        # Where SQLite is busy, Airflow answers 503 and deletes what it made of the backfill. Before
        # 3.3 it leaves that, and answers 409 to the next request; its runs fail if it is cancelled.
        try:
            return server.post("/backfills", backfill)
        except urllib.error.HTTPError as error:
            if error.code == 409:
                for left in server.get("/backfills?dag_id=daily")["backfills"]:
                    if left["completed_at"] is None:
                        server.put(f"/backfills/{left['id']}/cancel")
            raise

    # A scheduler that has taken up a backfill ends when Airflow deletes it. It takes up nothing of
    # a DAG that is paused. On SQLite, two requests to the API server can lock each other out until
    # the database gives up.
    server.until("it is paused", lambda: server.patch("/dags/daily", {"is_paused": True}))
    server.until("it is made", made, seconds=200)
    server.until("it goes on", lambda: server.patch("/dags/daily", {"is_paused": False}))

    def ended():
        runs = server.get("/dags/daily/dagRuns?run_type=backfill")["dag_runs"]
        return runs if runs and all(r["state"] == "success" for r in runs) else None

    runs = server.until("the backfill ends", ended)
    days = sorted(run["logical_date"] for run in runs)
    assert days == [f"2026-01-0{day}T06:00:00Z" for day in (2, 3, 4)]


def test_a_file_edited_while_its_run_is_under_way(server):
    gate = server.home / "gate"
    put(
        server,
        "Wait -> Old -> Last",
        "edited",
        events=f"""
import time
from pathlib import Path
@event
def Wait():
    while not Path({str(gate)!r}).exists(): time.sleep(0.2)
    return True, None
@event
def Old(): return True, "old"
@event
def New(): return True, "new"
@event
def Last(): return True, "last"
""",
    )
    run = server.trigger("edited")
    server.until("it waits", lambda: server.states("edited", run).get("Wait") == "running")
    (server.dags / "edited.pty").write_text("Wait -> New -> Last")
    server.until_parsed(
        "the edit is seen",
        lambda: "New" in {t["task_id"] for t in server.get("/dags/edited/tasks")["tasks"]},
    )
    gate.touch()
    assert server.ended("edited", run) == "success"
    # What had not begun is as the new text says; what the text no longer has is removed.
    states = server.states("edited", run)
    assert states["New"] == states["Last"] == "success"
    assert states.get("Old") in (None, "removed")


def test_a_worker_process_that_dies(server):
    put(
        server,
        "Dies [executor=process] (0 |-> Told) -> Gone (0 -> Told)",
        "dying",
        events="""
import os, signal
@event
def Dies(): os._exit(1)
@event
def Told(previous_result): return True, previous_result and previous_result.type
@event
def Gone(): os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    run = server.trigger("dying")
    assert server.ended("dying", run, seconds=200) == "failed"
    assert server.xcom("dying", run, "Told", "return_value") == "volnux.WorkerLost"
    # Without a process of its own the task itself is gone: nobody is left to take the branch.
    states = server.states("dying", run)
    assert (states["Dies"], states["Gone"], states["Told__2"]) == (
        "success",
        "failed",
        "upstream_failed",
    )


def test_a_process_of_an_event_talks_to_airflow_and_attempts_say_what_was_raised(server):
    server.post("/variables", {"key": "colour", "value": "green"})
    server.post("/connections", {"connection_id": "shop", "conn_type": "http", "host": "shop.test"})
    put(
        server,
        "Asks [executor=process] |-> Fails * 2 (0 -> Last)",
        "talking",
        events="""
import logging
from airflow.sdk import Variable
from airflow.sdk.bases.hook import BaseHook
log = logging.getLogger(__name__)
@event
def Asks():
    log.info("asked from a process")
    return True, [Variable.get("colour"), BaseHook.get_connection("shop").host]
@event(retry_policy={"backoff_factor": 0})
def Fails(previous_result): return reads(previous_result)
def reads(colours): return True, colours["none"] + "caf\\udce9"
@event
def Last(): return True, None
""",
    )
    run = server.trigger("talking")
    assert server.ended("talking", run) == "success"
    assert server.xcom("talking", run, "Asks") == ["green", "shop.test"]
    log = server.task_log("talking", run, "Asks")
    assert '"asked from a process"' in log
    assert "sql_alchemy_conn" not in log
    # In the log of each attempt stand the frames of the user, the repeated one included.
    first = server.task_log("talking", run, "Fails", 1)
    assert "attempt 1 of 2 failed: TypeError" in first
    assert '"name": "reads"' in first
    last = server.task_log("talking", run, "Fails", 2)
    assert "in reads" in last
    assert "a failure that the flow handles" in last
    marks = {t: i["rendered_map_index"] for t, i in server.tasks("talking", run).items()}
    assert marks == {"Asks": None, "Fails": "descriptor 0, a handled failure", "Last": None}


def test_a_task_that_a_person_marks_as_a_success(server):
    put(
        server,
        "Waits (0 -> No, 1 -> Yes, 3 -> {Third || Fourth} -> {Third || Fourth}) -> Last",
        "marked",
        events="""
import time
@event
def Waits():
    time.sleep(600)
@event
def No(): return True, None
@event
def Yes(): return True, None
@event
def Third(): return True, None
@event
def Fourth(): return True, None
@event
def Last(): return True, None
""",
    )
    run = server.trigger("marked")
    server.until("it waits", lambda: server.states("marked", run).get("Waits") == "running")
    waits = f"/dags/marked/dagRuns/{run}/taskInstances/Waits"
    # Asked again while SQLite is locked.
    server.until("it is marked", lambda: server.patch(waits, {"new_state": "success"}))
    assert server.ended("marked", run) == "success"
    states = {t: s for t, s in server.states("marked", run).items() if not t.startswith("join")}
    went = dict.fromkeys(("Waits", "Yes", "Last"), "success")
    assert states == went | dict.fromkeys(states.keys() - went, "skipped")


def test_a_run_with_an_input_that_the_file_does_not_have(server):
    put(server, '@input: region: str = "eu"\n{A (0 -> B)} (0 -> B)', "misspelt")
    run = server.trigger("misspelt", {"regoin": "us"})
    assert server.ended("misspelt", run) == "failed"
    assert server.states("misspelt", run)["A"] == "failed"
    said = "there is no input 'regoin'; did you mean 'region'?: not started"
    assert said in server.task_log("misspelt", run, "A")


def test_check_live_asks_the_installation(server):
    folder = server.home / "checked"
    folder.mkdir()
    (folder / "deep.pty").write_text(
        '@variable: shop: str\n@variable: spare: str = "x"\n@secret: hush\n'
        "Load[pool=bigg]\n  -> Load[concurrency=3, queue=gpu]\n"
    )
    (folder / "deep_events.py").write_text(CHECKED)
    (folder / ".steps").mkdir()
    (folder / ".steps/step.pty").write_text(
        "@input: code: str\n@secret: inside\nStep\n  -> Step[pool=tiny]\n"
    )
    (folder / ".steps/events.py").write_text(
        "from volnux import event\n@event\ndef Step(code, inside): ...\n"
    )
    (folder / "using.pty").write_text(
        '@use: step = ".steps/step.pty"\n@secret: outside\nstep(code=outside)\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "volnux", "check", "--backend=airflow", "--live", "--json", "."],
        cwd=folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["diagnostics"]
    found = [each for each in found if each["severity"] != "note"]
    used = [each for each in found if not each["file"].endswith("deep.pty")]
    assert sorted((each["file"], each["line"], each["message"]) for each in used) == [
        (".steps/step.pty", 3, "Step uses the secret 'inside', which this Airflow does not have"),
        (".steps/step.pty", 4, "this Airflow has no pool 'tiny'"),
        ("using.pty", 3, "step uses the secret 'outside', which this Airflow does not have"),
    ]
    found = [each for each in found if each not in used]
    assert [(each["line"], each["severity"], each["message"]) for each in found] == [
        (4, "error", "this Airflow has no pool 'bigg'"),
        (4, "warning", "Load uses the variable 'shop', which this Airflow does not have"),
        (4, "warning", "Load uses the secret 'hush', which this Airflow does not have"),
        (4, "warning", "Load uses the variable 'shape', which this Airflow does not have"),
        (4, "warning", "Load uses the connection 'shp', which this Airflow does not have"),
        (5, "warning", "the queue 'gpu' has no effect: no executor of this Airflow has queues"),
        (
            5,
            "warning",
            "this Airflow runs at most 2 tasks at once (core.parallelism), which is less than 3",
        ),
    ]


CHECKED = """
from volnux import event

if True:
    @event
    def Load(shop, spare, hush):
        from airflow.sdk import Variable
        from airflow.providers.http.hooks.http import HttpHook
        size = Variable.get("size", default=1)
        return True, [size, Variable.get("shape"), HttpHook(http_conn_id="shp")]
"""


def test_a_large_result_goes_through_object_storage(server):
    put(
        server,
        "Large |-> Length",
        "large",
        events="""
@event
def Large(): return True, ["x" * 1000] * 60
@event
def Length(previous_result): return True, len(previous_result)
""",
    )
    run = server.trigger("large")
    assert server.ended("large", run) == "success"
    assert server.xcom("large", run, "Length", "return_value") == 60
    kept = [path for path in (server.home / "xcom").rglob("*") if path.is_file()]
    assert any(path.stat().st_size > 60_000 for path in kept)


def test_signals_are_heard_in_workers_and_in_the_scheduler(server):
    put(server, "A -> B", "heard")
    run = server.trigger("heard")
    assert server.ended("heard", run) == "success"
    heard = server.home / "heard"

    def lines():
        found = heard.read_text().splitlines() if heard.exists() else []
        wanted = {
            "pipeline_execution_start heard ",
            "task_completed A A",
            "task_completed B B",
            "pipeline_execution_end heard success",
        }
        return wanted <= {line.rstrip() + (" " if line.endswith(" ") else "") for line in found}

    server.until("all was heard", lines)


def test_inputs_from_the_trigger_form(server):
    put(
        server,
        '@input: day: date = "2026-01-01"\n@input: many: int\n'
        '@input: s: str = ""\n@input: some: list = ["a"]\nShow',
        "asked",
        events="""
@event
def Show(day, many, s, some): return True, [day.isoformat(), type(day).__name__, many, s, some]
""",
    )
    # What the form sends for an empty text, and for a list that was typed as JSON.
    run = server.trigger("asked", {"many": 3, "s": None, "some": [1, "b"]})
    assert server.ended("asked", run) == "success"
    shown = server.xcom("asked", run, "Show", "return_value")
    assert shown == ["2026-01-01", "date", 3, "", [1, "b"]]
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.trigger("asked", {"many": "three"})
    assert refused.value.code == 400


NUMBERS = """
from volnux import event
from volnux.pipeline import BatchPipeline, InputDataField, Pipeline
from volnux_airflow import to_dag  # airflow dag

@event
def Check(numbers): return sum(numbers) > 5, numbers
@event
def Small(previous_result): return True, ["small", *previous_result]
@event
def Large(previous_result): return 7 not in previous_result, ["large", *previous_result]
@event
def Last(previous_result): return True, previous_result

class Numbers(Pipeline):
    numbers = InputDataField(data_type=list, batch_size=2)
    class Meta:
        pointy = "Check (0 |-> Small, 1 |-> Large) |-> Last"

class AllNumbers(BatchPipeline):
    pipeline_template = Numbers
    max_workers = 2

to_dag(AllNumbers)
"""


def test_batches_with_a_branch_and_one_that_fails(server):
    (server.dags / "numbers_dag.py").write_text(NUMBERS)
    wait_for(server, "Numbers", "AllNumbers")
    run = server.trigger("AllNumbers", {"numbers": [1, 2, 3, 4, 7, 0]})
    assert server.ended("AllNumbers", run, seconds=240) == "failed"
    runs = [f"{run}__batch_{number}" for number in range(3)]
    assert [server.state("Numbers", each) for each in runs] == ["success", "success", "failed"]
    assert [server.states("Numbers", each) for each in runs] == [
        dict(zip(["Check", "Small", "Large", "Last"], states.split(), strict=True))
        for states in (
            "success success skipped success",
            "success skipped success success",
            "success skipped failed upstream_failed",
        )
    ]
    assert server.xcom("Numbers", runs[1], "Last", "return_value") == ["large", 3, 4]

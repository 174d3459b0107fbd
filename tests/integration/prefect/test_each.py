"""`each`, `again` and `task` on a real server: the same report, and task runs with these names."""

import logging
import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.variables import Variable
from volnux_prefect import load_flow
from volnux_prefect.checks import check

from tests.integration.prefect.states import (
    expected_task_runs,
    flow_run_of,
    letters,
    task_runs,
    wait_for_flow_run,
    wait_for_states,
)
from volnux.backends import RunControl, RunObserver, RunOptions, get_backend
from volnux.loading import load_plan

EVENTS = """
import logging
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from volnux import EventBase, event

@event
def List():
    return True, ["a", "b", "c"]

@event
def Empty():
    return True, []

@event
def Lists():
    return True, [[1, 2], [], [3]]

@event
def Word():
    return True, "word"

class Fetch(EventBase):
    def process(self, previous_result):
        return True, [self.task_id, list(self.index), previous_result]

class Take(EventBase):
    def process(self, **inputs):
        return True, [self.task_id, sorted(inputs.items())]

@event
def Save(previous_result):
    return True, previous_result

class Odd(EventBase):
    def process(self):
        if self.index[-1] % 2:
            raise ValueError(self.task_id)
        return True, self.task_id

class Three(EventBase):
    def process(self):
        return (3 if self.index[-1] == 1 else True), self.task_id

class Twice(EventBase):
    calls = {}
    def process(self):
        key = self.run_id, self.task_id
        made = self.calls[key] = self.calls.get(key, 0) + 1
        if made < 2:
            raise OSError("not yet")
        return True, made

@event
def Boom():
    raise ValueError("boom")

class Round(EventBase):
    def process(self, previous_result=None):
        if self.task_id.partition("[")[0].endswith(".2"):
            return True, previous_result
        raise OSError(self.task_id)

@event
def Last(previous_result=None):
    return True, previous_result

class Stop(EventBase):
    stop_on_exception = True
    def process(self):
        raise ValueError("stop")

@event
def Says(previous_result):
    print("a print of", previous_result)
    logging.getLogger("flow_events").warning("a log of %s", previous_result)
    return True, None

@event
async def SaysLate(previous_result):
    print("a late print of", previous_result)
    return True, None

@event(executor=ProcessPoolExecutor)
def Dies(previous_result):
    if previous_result == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    return True, previous_result

class Waits(EventBase):
    def process(self):
        Path(f"{self.task_id}.txt").touch()
        while not Path("go.txt").exists():
            time.sleep(0.01)
        return True, self.task_id

@event(executor=ProcessPoolExecutor)
def Away(previous_result=None):
    return True, previous_result

@event
def Interrupts():
    raise KeyboardInterrupt

@event
def Sleeps():
    while not Path("over.txt").exists():
        time.sleep(0.01)
    return True, None

@event
def Told(what):
    return True, what

class Late(EventBase):
    async def process(self):
        return True, self.task_id
"""

PROGRAMS = [
    "List |-> Fetch[each=url] |-> Save",
    "List |-> {Fetch |-> Save}[each=url] |-> Last",
    "Lists |-> {Save |-> Fetch[each=word, in=page] |-> Save}[each=page] |-> Last",
    "List |-> Take[each=url, at_once=1] -> Last",
    "Empty |-> {Fetch |-> Save}[each=url] |-> Last",
    "Empty |-> Fetch[each=url] (1 |-> Save, 0 -> Last)",
    "Word |-> Fetch[each=url] (1 |-> Save, 0 |-> Last)",
    "Word |-> {Fetch -> Save}[each=url] -> Last",
    "@input: urls: list = [1, 2]\nFetch[each=url, in=urls] |-> Save",
    "@input: urls: list = []\n{Fetch -> Last}[each=url, in=urls] |-> Save",
    "@variable: urls: list = [4, 5]\nFetch[each=url, in=urls, at_once=1] |-> Save",
    "List |-> Odd[each=url] (0 -> Last, 1 |-> Save)",
    "List |-> Odd[each=url] |-> Save",
    "List |-> Odd[each=url, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Save",
    "List |-> {Odd (0 -> Last, 1 -> Save)}[each=url] |-> Save",
    "List |-> {Three (3 -> Last)}[each=url, at_once=2] |-> Save",
    "List |-> Three[each=url] |-> Save",
    "List |-> Twice[each=url] * 3 |-> Save",
    "List |-> {Odd -> Save}[each=url] (0 -> Last)",
    "List |-> {! }[each=url, at_once=1] (0 -> Last)",
    "{! || List} -> Fetch[each=url]",
    "@on-failure: continue\nList |-> {Odd -> Save}[each=url, at_once=1] |-> Last",
    "@on-failure: continue\nBoom |-> Last -> Fetch[each=url] |-> Save",
    "Boom (1 |-> Fetch[each=url] |-> Save) -> Last",
    "{Fetch -> Round |-> Save}[again=3] |-> Last",
    "{Round}[again=3] (1 |-> Last)",
    "{Boom -> Last}[again=2] (0 |-> Save)",
    "{{Boom}[again=2]}[again=2] (0 |-> Save)",
    "List |-> {Fetch -> Round |-> Save}[each=url, again=2, at_once=2] |-> Last",
    "{List |-> Fetch[each=url] -> Boom}[again=2] (0 |-> Last)",
    "List |-> Late[each=url] |-> Save",
    "List |-> Stop[each=url, at_once=1] |-> Save",
    "{List -> Last}[task=tidy] |-> Save",
    "List |-> {Fetch |-> Save -> Last}[task=tidy] |-> Save",
    "List |-> {Fetch || Late || Save}[task=tidy] |-> Save",
    "List |-> {Fetch[each=url] |-> Save}[task=tidy] |-> Save",
    "List |-> {Fetch |-> Save}[each=url, task=tidy] |-> Last",
    "List |-> {Odd |-> Save}[each=url, task=tidy] |-> Last",
    "List |-> {Odd |-> Save}[each=url, task=tidy] (0 |-> Last)",
    "List |-> {Twice * 3 |-> Save}[each=url, task=tidy, at_once=1] |-> Last",
    "List |-> {Boom (0 |-> Save) || Word}[task=tidy] |-> Last",
    "{Boom -> Last}[task=tidy] (0 |-> Save, 1 -> Word)",
    "{Word -> Boom -> Last}[task=tidy, again=2] (0 |-> Save)",
    "Boom (0 |-> {Save -> !}[task=tidy] -> Last)",
    "Word (0 -> {Save -> Last}[task=tidy], 1 -> Last) -> Save",
    "{List -> {Stop -> Last}[task=tidy]} (0 -> Save)",
    "{Empty |-> Fetch[each=url] |-> Last}[task=tidy] |-> Save",
    "Word |-> {Fetch[each=url] |-> Last}[task=tidy] |-> Save",
    "Lists |-> {Save |-> {Fetch[each=word, in=page] |-> Last}[task=tidy] |-> Save}[each=page]",
    "List |-> {Away |-> Away}[task=tidy] |-> Away",
    "{Away |-> Away}[task=tidy]",
    "{{List -> Last}[task=inner] |-> Save}[task=outer] |-> Last",
]


def comparable(report):
    """A report without what differs from run to run."""
    return {
        name: (
            place.event,
            place.state,
            place.descriptor,
            place.attempts,
            place.result,
            place.received and str(place.received),
            place.received_from,
            place.failure and (place.failure.type, place.failure.message),
            place.handled,
        )
        for name, place in report.places.items()
    }


@pytest.mark.parametrize("text", PROGRAMS)
def test_the_report_is_that_of_standalone(run, text):
    report = run(text, EVENTS)
    plan = load_plan("flow.pty")
    expected = get_backend("standalone").run(plan, plan.bind({}))
    assert comparable(report) == comparable(expected)
    assert list(report.places) == list(expected.places)
    assert report.status == expected.status
    assert report.failure == expected.failure
    if "task=" in text or "Stop" in text:
        return
    handled = [place for place, item in expected.places.items() if item.handled]
    wanted = expected_task_runs(letters(expected), handled)
    assert wait_for_states(flow_run_of(report), wanted) == wanted


SHOWN = {
    "List |-> {Save |-> Last}[each=url, task=tidy, at_once=2] |-> Last": {
        "List": "Completed",
        "tidy[0]": "Completed",
        "tidy[1]": "Completed",
        "tidy[2]": "Completed",
        "Last__2": "Completed",
    },
    "Word (0 -> {Save || Last}[task=tidy], 1 -> Last) |-> Save": {
        "Word": "Completed",
        "tidy": "Skipped",
        "Last__2": "Completed",
        "Save__2": "Completed",
    },
    "{Boom -> Last}[task=tidy] (0 |-> Save)": {"tidy": "Handled", "Save": "Completed"},
    "{Boom -> Last}[task=tidy] -> Save": {"tidy": "Failed"},
    "Empty |-> {Save |-> Last}[each=url, task=tidy] |-> Last": {
        "Empty": "Completed",
        "tidy": "Skipped",
        "Last__2": "Completed",
    },
    "Empty |-> {Fetch[each=url] |-> Last}[task=tidy] |-> Save": {
        "Empty": "Completed",
        "tidy": "Completed",
        "Save": "Completed",
    },
    "{{Word |-> {Save}[task=inner]}[task=outer]}[again=2]": {
        "outer": "Completed",
        "outer.2": "Skipped",
    },
}


@pytest.mark.parametrize("text", SHOWN)
def test_a_group_with_task_is_one_task_run(run, text):
    report = run(text, EVENTS)
    wanted = SHOWN[text]
    until = time.monotonic() + 30
    found = {}
    while found != wanted and time.monotonic() < until:
        found = {
            name: each.state.name for name, each in task_runs(flow_run_of(report), wanted).items()
        }
    assert found == wanted


def test_the_arrows_of_a_page(run):
    report = run("List |-> {Fetch |-> Save}[each=url] |-> {Last |-> Save}[task=tidy]", EVENTS)
    names = ["List", *(f"{name}[{n}]" for name in ("Fetch", "Save") for n in range(3)), "tidy"]
    found = task_runs(flow_run_of(report), names)
    assert set(found) == set(names)
    of_id = {each.id: name for name, each in found.items()}
    before = {
        name: {of_id[source.id] for source in each.task_inputs["upstream"]}
        for name, each in found.items()
    }
    assert before == {
        "List": set(),
        **{f"Fetch[{n}]": {"List"} for n in range(3)},
        **{f"Save[{n}]": {f"Fetch[{n}]"} for n in range(3)},
        "tidy": {"Save[0]", "Save[1]", "Save[2]"},
    }


def test_logs_of_a_task_name_their_place(server, write, monkeypatch):
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "INFO")
    write("flow_events.py", EVENTS)
    text = "List |-> {Says[each=word] || SaysLate}[task=tidy]"
    flow = load_flow(write("flow.pty", text), log_prints=True)
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        logging.getLogger("prefect.task_runs").setLevel(logging.INFO)
        state = flow(return_state=True)
    APILogHandler().flush()
    flow_run_id = state.state_details.flow_run_id
    wanted = {f"Says[{n}]: a print of {word}" for n, word in enumerate("abc")}
    wanted |= {f"Says[{n}]: a log of {word}" for n, word in enumerate("abc")}
    wanted |= {"SaysLate: a late print of ['a', 'b', 'c']"}
    tidy = task_runs(flow_run_id, ["tidy"])["tidy"].id
    until, found = time.monotonic() + 30, set()
    with get_client(sync_client=True) as client:
        while not wanted <= found and time.monotonic() < until:
            only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
            logs = client.read_logs(only, limit=200)
            found = {each.message for each in logs if each.task_run_id == tidy}
    assert wanted <= found


@pytest.mark.parametrize("options", ["each=url, at_once=2", "each=url, at_once=2, task=tidy"])
def test_a_run_that_is_cancelled_among_its_items(run, options):
    control = RunControl()

    class Cancels(RunObserver):
        def cancelling(self, running):
            Path("go.txt").touch()

    def cancel():
        while not (Path("Waits[0].txt").exists() and Path("Waits[1].txt").exists()):
            time.sleep(0.01)
        control.cancel()

    import threading

    threading.Thread(target=cancel, daemon=True).start()
    options_of_run = RunOptions(control=control, observer=Cancels())
    report = run(f"List |-> {{Waits}}[{options}] |-> Save", EVENTS, options=options_of_run)
    assert report.status == "cancelled"
    assert {name: place.state.value for name, place in report.places.items()} == {
        "List": "done",
        "Waits[0]": "done",
        "Waits[1]": "done",
        "Waits[2]": "cancelled",
        "Save": "cancelled",
    }
    name = "tidy" if "task" in options else "Waits"
    wanted = dict.fromkeys(("List", f"{name}[0]", f"{name}[1]"), ("COMPLETED", "Completed"))
    assert wait_for_states(flow_run_of(report), wanted) == wanted
    assert wait_for_flow_run(flow_run_of(report)).state.type.value == "CANCELLED"


def test_a_keyboard_interrupt_in_a_task_ends_the_run(run):
    with pytest.raises(KeyboardInterrupt):
        run("{List -> Interrupts}[task=tidy] (0 -> Last)", EVENTS)


def test_a_task_ends_with_the_time_of_its_run(run):
    try:
        report = run("@run-timeout: 5s\n{List -> Sleeps -> Last}[task=tidy] -> Last", EVENTS)
    finally:
        Path("over.txt").touch()
    assert {name: place.state.value for name, place in report.places.items()} == {
        "List": "done",
        "Sleeps": "failed",
        "Last": "failed",
        "Last__2": "failed",
    }
    assert [place.attempts for place in report.places.values()] == [1, 1, 0, 0]
    assert report.failure.message == "the run took longer than 5 s, its @run-timeout"
    wanted = {"tidy": ("FAILED", "TimedOut")}
    assert wait_for_states(flow_run_of(report), wanted) == wanted


def test_variables_in_a_task_are_those_of_prefect(run):
    Variable.set("each_region", "north", overwrite=True)
    report = run("@variable: each_region: str\n{Told(what=each_region)}[task=tidy]", EVENTS)
    assert report.places["Told"].result == "north"


def test_a_worker_process_that_is_killed_with_an_item(run):
    report = run("List |-> Dies[each=word, at_once=1] (0 -> Last)", EVENTS)
    failed = report.places["Dies[1]"]
    assert (failed.state, failed.attempts, failed.failure.type) == (
        "failed",
        1,
        "volnux.WorkerLost",
    )
    assert [report.places[f"Dies[{n}]"].state for n in (0, 2)] == ["done", "done"]
    assert report.status == "success"


def test_what_check_says_about_hints(write):
    write("flow_events.py", EVENTS)
    text = (
        "List |-> {Fetch[pool=web, timeout=9] -> Save}[each=url, batch=9, task=tidy] "
        "|-> Last[each=x, batch=2]"
    )
    plan = load_plan(write("flow.pty", text))
    assert [(each.severity.value, each.message) for each in check(plan)] == [
        ("note", "prefect ignores the hint 'batch': every item has a task run of its own"),
        ("note", "prefect ignores what is set inside the task 'tidy': pool"),
    ]

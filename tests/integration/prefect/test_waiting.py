"""Events that wait for something, or for the answer of a person, on a real server."""

import contextlib
import json
import threading
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from volnux_prefect import load_flow

from tests.integration.prefect.states import flow_run_of, task_runs
from volnux.backends import BackendError, RunControl, RunObserver, RunOptions

EVENTS = """
from pathlib import Path

from volnux import EventBase, NotYet, approval, event, not_yet

Ship = approval("Ship {table}?", options={"Ship it": 1, "Hold": 0, "Later": 3}, within=120)
Quick = approval("Quick?", within=0.5)


class Sure(approval("Sure?", within=120)):
    retry_policy = {"max_attempts": 2, "backoff_factor": 0.01, "retry_on_failure": True}


class Ready(EventBase):
    every = 0.1
    within = 120
    retry_policy = {"max_attempts": 2, "backoff_factor": 0.01}

    def process(self):
        if self.polls < 2:
            self.not_yet("no file yet")
        if self.attempt == 1:
            raise OSError("disk is full")
        return True, self.polls


@event(every=0.1, within=120)
def Found():
    if not Path("found.txt").exists():
        not_yet("no file yet")
    return True, "found"


@event(executor="process", every=0.1, within=120)
def FoundElsewhere():
    return Found()


@event
def Makes():
    Path("found.txt").touch()
    return True, "made"


@event(every=2000, within=4000)
async def Never():
    raise NotYet("it never comes")


@event(stop_on_exception=True, every=0.1, within=60)
def Stops():
    # The other arm waits by then.
    if not Path("waits.txt").exists():
        not_yet()
    raise OSError("disk is full")


@event
def Note(previous_result=None):
    return True, previous_result


@event
def Names():
    return True, ["a", "b"]
"""


@pytest.fixture
def folder(write, monkeypatch):
    write("flow_events.py", EVENTS)
    return Path().absolute()


@pytest.mark.parametrize("runner", [ThreadPoolTaskRunner, ProcessPoolTaskRunner])
def test_an_event_that_waits_leaves_the_only_worker_to_others(server, folder, write, runner):
    flow = load_flow(write("flow.pty", "Found || Makes"), task_runner=runner(max_workers=1))
    assert flow() == ["found", "made"]


def test_an_event_that_waits_has_one_task_run(run, caplog):
    report = run("Ready", EVENTS)
    place = report.places["Ready"]
    assert (place.attempts, place.polls, place.result) == (2, 2, 2)
    found = task_runs(flow_run_of(report), ["Ready"])
    assert list(found) == ["Ready"]
    assert found["Ready"].run_count == 2
    with get_client(sync_client=True) as client:
        states = client.read_task_run_states(found["Ready"].id)
    polled = ["Running", "NotYet"]
    retried = ["Running", "AwaitingRetry", "Retrying", "Completed"]
    assert [each.name for each in states] == ["Pending", *polled, *polled, *retried]
    assert states[2].type is StateType.PAUSED
    assert states[2].message.startswith("no file yet; the next call is at 20")
    assert "Finished in state NotYet" not in caplog.text


class Watches(RunObserver):
    """Tells the events that an arm waits, and may cancel the run."""

    def __init__(self, control=None):
        self.control = control

    def place_waits(self, node, outcome):
        if node.id == "Never":
            Path("waits.txt").touch()
            if self.control is not None:
                self.control.cancel()


@pytest.mark.parametrize(
    ("text", "cancels", "status", "state", "shown"),
    [
        ("Never -> Note", True, "cancelled", "cancelled", ("CANCELLED", "Cancelled")),
        ("@run-timeout: 3s\nNever -> Note", False, "failed", "failed", ("FAILED", "TimedOut")),
        ("Never || Stops", False, "failed", "failed", ("CANCELLED", "Cancelled")),
        ("@run-timeout: 3s\n{Never}[task=waits]", False, "failed", "failed", None),
    ],
)
def test_what_ends_a_run_ends_its_waits_at_once(run, text, cancels, status, state, shown):
    control = RunControl()
    options = RunOptions(observer=Watches(control if cancels else None), control=control)
    report = run(text, EVENTS, options=options)
    assert (report.status, report.places["Never"].state) == (status, state)
    if shown is not None:
        assert report.places["Never"].polls == 1
        found = task_runs(flow_run_of(report), ["Never"])["Never"]
        assert (found.state.type.value, found.state.name) == shown


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Found [every=0.05] || Makes", "COMPLETED"),
        ("FoundElsewhere [within=60] || Makes", "COMPLETED"),
        ("Found [every=0.1, within=0.3] (0 |-> Note)", "COMPLETED"),
        ("@run-timeout: 2s\nNever", "FAILED"),
    ],
)
def test_a_printed_flow_waits(printed, text, ends):
    Path("found.txt").unlink(missing_ok=True)
    state = printed(text, EVENTS)
    assert state.type.value == ends
    if "FoundElsewhere" in text:
        assert state.result() == ["found", "made"]
    if "Note" in text:
        assert state.result().type == "NotYetError"


# Approvals.


@contextlib.contextmanager
def person(*answers):
    """Somebody who answers questions in the API.

    Args:
        *answers: for each form that is filled in, the answers by place. Other forms are left alone.

    Yields the forms: the names and titles of their fields, and the state of the first answer.
    """
    forms, over, errors = [], threading.Event(), []

    def watch():
        left = list(answers)
        paused = FlowRunFilterStateType(any_=[StateType.PAUSED])
        only = FlowRunFilter(state=FlowRunFilterState(type=paused))
        with get_client(sync_client=True) as client:
            while left and not over.wait(0.2):
                for flow_run in client.read_flow_runs(flow_run_filter=only):
                    key = flow_run.state.state_details.run_input_keyset["schema"]
                    form = json.loads(client.read_flow_run_input(flow_run.id, key))
                    fields = {name: each["title"] for name, each in form["properties"].items()}
                    if left and left[0].keys() <= fields.keys():
                        client.resume_flow_run(flow_run.id, run_input=left.pop(0))
                        forms.append(fields)

    def guarded():
        try:
            watch()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield forms
    finally:
        over.set()
        thread.join()
    assert errors == []


BOTH = 'Ship(table="orders") (3 |-> Note) || Ship(table="items") (0 |-> Note)'
ASKED = {"Ship": "Ship orders?", "Ship__2": "Ship items?"}


def test_two_arms_ask_in_one_form_or_one_after_the_other(run):
    with person({"Ship": "Later", "Ship__2": "Hold"}) as forms:
        report = run(BOTH, EVENTS)
    assert forms == [ASKED]
    ends = {name: (each.descriptor, each.result) for name, each in report.places.items()}
    assert ends == {
        "Ship": (3, "Later"),
        "Note": (1, "Later"),
        "Ship__2": (0, "Hold"),
        "Note__2": (1, "Hold"),
    }
    found = task_runs(flow_run_of(report), ends)
    assert found["Ship"].state.name == "Outcome 3"
    assert found["Ship__2"].state.name == "Handled"
    with get_client(sync_client=True) as client:
        asked = client.read_task_run_states(found["Ship"].id)[2]
        flow_run = client.read_flow_run(flow_run_of(report))
    assert (asked.name, asked.type) == ("Asks", StateType.PAUSED)
    assert asked.message.startswith("Ship orders? (Ship it, Hold, Later), until 20")
    assert flow_run.state.is_completed()
    with person({"Ship": "Ship it", "Ship__2": None}, {"Ship__2": "Hold"}) as forms:
        report = run(BOTH, EVENTS)
    assert forms == [ASKED, {"Ship__2": "Ship items?"}]
    assert report.status == "success"


def test_each_item_asks(run):
    with person({"Ship[0]": "Ship it", "Ship[1]": "Later"}) as forms:
        report = run("Names |-> {Ship(table=x) (3 -> !)}[each=x]", EVENTS)
    assert forms == [{"Ship[0]": "Ship a?", "Ship[1]": "Ship b?"}]
    assert report.status == "failed"


def test_a_group_with_task_asks(run):
    with person({"Ship": "Hold"}):
        report = run('{Ship(table="orders") (0 -> Note)}[task=asks]', EVENTS)
    assert report.places["Ship"].result == "Hold"
    assert report.status == "success"


def test_a_question_without_an_answer_is_a_failure(run):
    with person({"Ship": "Ship it"}):
        report = run('Quick (0 |-> Note) -> Ship(table="orders")', EVENTS)
    place = report.places["Quick"]
    assert (place.failure.type, place.failure.message) == ("NotYetError", "Quick?")
    assert (place.attempts, place.polls) == (1, 0)
    assert report.status == "success"


def test_the_caller_of_a_run_may_answer_too(run):
    class Caller:
        def asked(self, question):
            self.text = question.text

        def answer(self, question):
            return "Ship it" if question.text == self.text else None

        def closed(self, question):
            self.text = None

    report = run('Ship(table="orders")', EVENTS, options=RunOptions(answers=Caller()))
    assert report.places["Ship"].result == "Ship it"


def test_each_attempt_asks_anew(run):
    answers = iter(["Reject", "Approve"])

    class Caller:
        def asked(self, question):
            self.now = next(answers)

        def answer(self, question):
            return self.now

        def closed(self, question):
            pass

    place = run("Sure", EVENTS, options=RunOptions(answers=Caller())).places["Sure"]
    assert (place.result, place.attempts) == ("Approve", 2)


def test_a_run_that_is_cancelled_asks_no_more(run):
    control = RunControl()

    class Cancels(RunObserver):
        def place_waits(self, node, outcome):
            control.cancel()

    options = RunOptions(observer=Cancels(), control=control)
    report = run('Ship(table="orders")', EVENTS, options=options)
    assert report.status == "cancelled"


def test_nobody_can_answer_on_a_temporary_server(run, monkeypatch):
    monkeypatch.setattr("volnux_prefect.pausing.PREFECT_API_URL", Unset())
    with pytest.raises(BackendError, match="Ship asks a person, but nobody can answer"):
        run('Ship(table="orders")', EVENTS)


class Unset:
    """A setting without a value."""

    def value(self):
        return None


def test_a_printed_flow_asks(printed):
    with person({"Ship": "Ship it", "Ship__2": "Hold"}):
        state = printed(f"Quick (0 -> Note) -> {{{BOTH}}}".replace("Note", "Names"), EVENTS)
    assert state.type.value == "COMPLETED"

"""How Prefect sees a flow made from a `.pty`: names, edges, retries, runners, results."""

import datetime as dt
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ParameterTypeError
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from volnux_prefect import load_flow, to_flow

from tests.integration.prefect.server import surroundings
from tests.integration.prefect.states import flow_run_of, task_runs
from volnux import EventBase, FileInputDataField, InputDataField, Pipeline, event
from volnux.backends import RefusedError, RunControl, RunObserver, RunOptions, get_backend
from volnux.loading import load_plan
from volnux.signal import signals

EVENTS = '''
import logging
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from volnux import EventBase, event


class Flaky(EventBase):
    """Raises until its third attempt."""

    retry_policy = {
        "max_attempts": 4,
        "backoff_factor": 0.2,
        "max_backoff": 0.3,
        "retry_on_exceptions": [ValueError],
    }

    def process(self):
        with Path("attempts.txt").open("a") as file:
            file.write(f"{time.time()}\\n")
        if self.attempt < 3:
            raise ValueError(f"attempt {self.attempt}")
        return True, self.attempt


class Excluded(EventBase):
    retry_policy = {"max_attempts": 4, "backoff_factor": 0, "exclude_exceptions": [KeyError]}

    def process(self):
        raise KeyError("never again")


class Insists(EventBase):
    retry_policy = {"max_attempts": 3, "backoff_factor": 0, "retry_on_failure": True}

    def process(self):
        return False, self.attempt


@event(executor=ProcessPoolExecutor)
def Elsewhere(previous_result=None):
    return True, [os.getpid(), previous_result]


@event(executor=ProcessPoolExecutor, retry_policy={"max_attempts": 2, "backoff_factor": 0})
def FlakyElsewhere(self):
    if self.attempt == 1:
        raise ValueError("once")
    return True, self.attempt


@event(executor=ProcessPoolExecutor)
def Unpicklable():
    return True, threading.Lock()


@event
def Lock():
    return True, threading.Lock()


@event(executor=ProcessPoolExecutor)
def Dies():
    os._exit(3)


@event(executor=ProcessPoolExecutor, retry_policy={"max_attempts": 3, "backoff_factor": 0.01})
def DiesOnce(self):
    if self.attempt == 1:
        os._exit(3)
    return True, self.attempt


class FarReady(EventBase):
    executor = "dask"
    every = 0.1
    within = 100

    def process(self):
        if self.polls < 2:
            self.not_yet()
        return True, os.getpid()


@event(executor="dask")
def Far(previous_result=None):
    return True, [os.getpid(), previous_result]


@event(executor=ThreadPoolExecutor, max_workers=1)
def Alone():
    return True, threading.current_thread().name


@event
async def Soon():
    import asyncio

    await asyncio.sleep(0.01)
    return True, "soon"


@event
def Sleeps():
    while not Path("over.txt").exists():
        time.sleep(0.05)
    return True, "late"


@event
async def Naps():
    import asyncio

    await asyncio.Event().wait()


@event
def Here(previous_result=None):
    return True, [os.getpid(), previous_result]


@event
def Big():
    return True, list(range(300_000))


@event
def Count(previous_result):
    return True, len(previous_result)


class Stops(EventBase):
    stop_on_exception = True

    def process(self):
        raise RuntimeError("the end")


class Skips(EventBase):
    def can_bypass(self):
        return True, "bypassed"

    def process(self):
        return True, "never"


@event
def Knows(self):
    return True, [self.task_id, self.attempt, len(self.run_id) > 10, dict(self.inputs)]


@event
def Prints(who):
    print("hello", who)
    return True, None
'''


def test_names_edges_and_attempts_are_on_the_server(run):
    report = run("Flaky |-> Here -> {Soon || Knows} -> Here", EVENTS)
    assert report.status == "success"
    found = task_runs(flow_run_of(report), ["Flaky", "Here", "Soon", "Knows", "Here__2"])
    assert found["Flaky"].run_count == 3
    assert found["Flaky"].task_key == "flow_events.Flaky"

    def before(place):
        return {str(each.id) for each in found[place].task_inputs["upstream"]}

    assert before("Flaky") == set()
    assert before("Here") == {str(found["Flaky"].id)}
    assert before("Soon") == before("Knows") == {str(found["Here"].id)}
    assert before("Here__2") == {str(found["Soon"].id), str(found["Knows"].id)}


def test_retries_wait_as_the_policy_says(run, write):
    report = run("Flaky", EVENTS)
    assert report.places["Flaky"].attempts == 3
    moments = [float(line) for line in Path("attempts.txt").read_text().split()]
    waits = [after - before for before, after in itertools.pairwise(moments)]
    # A busy machine makes them longer.
    assert waits[0] >= 0.2
    assert waits[1] >= 0.3
    task = load_flow(write("flow.pty", "Flaky")).plan
    assert task.specs[0].retry.max_attempts == 4


@pytest.mark.parametrize(
    ("text", "attempts", "kind"), [("Excluded", 1, "KeyError"), ("Flaky * 2", 2, "ValueError")]
)
def test_only_what_the_policy_covers_is_repeated(run, text, attempts, kind):
    report = run(text, EVENTS)
    place = next(iter(report.places.values()))
    assert place.attempts == attempts
    assert place.failure.type == kind
    assert place.failure.attempts == attempts


def test_a_returned_failure_is_repeated_where_the_policy_wants_it(run):
    report = run("Insists (0 |-> Here)", EVENTS)
    assert report.places["Insists"].attempts == 3
    assert report.places["Here"].received == 3


def test_an_event_knows_where_it_is(run):
    report = run('@input: day: date = "2026-01-01"\nKnows -> Knows', EVENTS)
    place, attempt, _, inputs = report.places["Knows__2"].result
    assert (place, attempt, inputs) == ("Knows__2", 1, {"day": dt.date(2026, 1, 1)})


def test_task_runners_mix_in_one_flow(run, write):
    text = "Here |-> Elsewhere |-> Here -> FlakyElsewhere -> Alone"
    report = run(text, EVENTS)
    pid, received = report.places["Elsewhere"].result
    assert received == [os.getpid(), None]
    assert pid != os.getpid()
    assert report.places["Here__2"].result == [os.getpid(), [pid, [os.getpid(), None]]]
    assert report.places["FlakyElsewhere"].attempts == 2
    found = task_runs(flow_run_of(report), ["FlakyElsewhere", "Elsewhere"])
    assert found["FlakyElsewhere"].run_count == 2
    assert isinstance(
        load_flow(write("a.pty", "@events: flow_events\nHere")).task_runner, ThreadPoolTaskRunner
    )


def test_a_flow_of_one_executor_has_its_task_runner(write):
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", "Elsewhere -> Unpicklable"))
    assert isinstance(flow.task_runner, ProcessPoolTaskRunner)


def test_dask_runs_events(run):
    pytest.importorskip("prefect_dask")
    report = run("Here |-> Far |-> Here -> FarReady", EVENTS)
    assert report.status == "success"
    assert report.places["FarReady"].polls == 2
    assert report.places["FarReady"].result != os.getpid()
    pid, received = report.places["Far"].result
    assert pid != os.getpid()
    assert received == [os.getpid(), None]


def test_an_unpicklable_result_names_its_event(run):
    report = run("Unpicklable", EVENTS)
    failure = report.places["Unpicklable"].failure
    assert failure.type == "volnux.NotSentError"
    assert "the result of Unpicklable, of type lock, cannot be pickled" in failure.message


def test_what_cannot_be_sent_to_a_worker_names_its_event(run):
    report = run("Lock |-> Elsewhere", EVENTS)
    failure = report.places["Elsewhere"].failure
    assert failure.type == "volnux.NotSentError"
    assert "Elsewhere cannot be sent to a worker process" in failure.message


def test_a_worker_that_dies_is_a_failure_of_its_event(run):
    report = run("Dies (0 |-> Here)", EVENTS)
    assert report.status == "success"
    assert report.places["Dies"].failure.type == "volnux.WorkerLost"
    assert report.places["Here"].received.type == "volnux.WorkerLost"


def test_a_lost_worker_is_repeated_as_the_policy_says(run):
    report = run("DiesOnce |-> Elsewhere", EVENTS)
    assert report.places["DiesOnce"].attempts == 2
    assert report.places["Elsewhere"].result[1] == 2


@pytest.mark.parametrize("name", ["Sleeps", "Naps"])
@pytest.mark.parametrize(("branch", "state"), [(" (0 |-> Here)", "Handled"), ("", "TimedOut")])
def test_a_timeout_ends_the_attempt_at_once(run, name, branch, state, caplog):
    try:
        report = run(f"{name} [timeout=0.3] * 2{branch}", EVENTS)
    finally:
        Path("over.txt").touch()
    place = report.places[name]
    assert place.attempts == 2
    assert place.failure.type == "TimeoutError"
    assert place.failure.message == f"{name} took longer than 0.3 s"
    found = task_runs(flow_run_of(report), [name])
    assert found[name].state.name == state
    if branch:
        assert report.places["Here"].received == place.failure
    assert not [record for record in caplog.records if "worker thread" in record.message]


def test_stop_on_exception_ends_the_run(run):
    report = run("{Stops || Here} -> Here", EVENTS)
    assert report.status == "failed"
    assert report.places["Stops"].descriptor == 0
    assert report.places["Here__2"].attempts == 0


def test_a_bypassed_event_says_so(run):
    report = run("Skips", EVENTS)
    assert report.places["Skips"].bypassed
    assert report.places["Skips"].result == "bypassed"


def test_large_results_pass(run):
    assert run("Big |-> Count", EVENTS).places["Count"].result == 300_000


def test_results_pass_through_storage(server, write):
    write("flow_events.py", EVENTS)
    path = write("flow.pty", "Big |-> Count -> Excluded (0 |-> Here)")
    flow = load_flow(path, persist_result=True)
    pid, received = flow()
    assert pid == os.getpid()
    assert received.type == "KeyError"
    state = flow(return_state=True)
    found = task_runs(state.state_details.flow_run_id, ["Count", "Excluded"])
    assert found["Count"].state.result(raise_on_failure=False) == 300_000
    path = write("lock.pty", "@events: flow_events\nLock * 2 (0 |-> Here)")
    state = load_flow(path, persist_result=True)(return_state=True)
    failure = state.result()[1]
    assert (failure.type, failure.attempts) == ("volnux.NotPortableError", 2)
    assert failure.message.startswith("the result of Lock is of type _thread.lock: ")


def test_a_flow_returns_the_result_of_the_pipeline_or_fails(server, write):
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", '@tags: a, b\n@description: "Two."\nSoon || Skips'))
    assert flow() == ["soon", "bypassed"]
    assert flow.description == "Two."
    assert flow.version == flow.plan.fingerprint[:16]
    state = flow(return_state=True)
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(state.state_details.flow_run_id)
    assert set(flow_run.tags) == {"a", "b"}
    assert flow_run.flow_version == flow.version
    state = load_flow(write("bad.pty", "@events: flow_events\nExcluded"))(return_state=True)
    assert state.is_failed()
    assert state.message == "Excluded failed: KeyError: 'never again'"


def test_parameters_have_the_types_of_the_inputs(server, write):
    write("flow_events.py", EVENTS)
    text = '@input: n: int\n@input: day: date = "2026-01-01"\n@input: who: str = null\nKnows'
    flow = load_flow(write("flow.pty", text))
    schema = flow.parameters.model_dump()
    assert schema["required"] == ["n"]
    assert schema["properties"]["n"]["type"] == "integer"
    assert schema["properties"]["day"]["format"] == "date"
    assert flow(n="3")[3] == {"n": 3, "day": dt.date(2026, 1, 1), "who": None}
    with pytest.raises(ParameterTypeError, match="n: Input should be a valid integer"):
        flow(n="three")


def test_hints_go_to_their_counterparts(run):
    text = 'Here [tags="red,blue", pool="database", concurrency=1, timeout=20] -> Here'
    report = run(text, EVENTS)
    found = task_runs(flow_run_of(report), ["Here", "Here__2"])
    assert set(found["Here"].tags) == {"red", "blue", "database", "flow.Here"}
    assert found["Here__2"].tags == []
    with get_client(sync_client=True) as client:
        limit = client.read_concurrency_limit_by_tag("flow.Here")
    assert limit.concurrency_limit == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('Here [executor="ray://x:1"]', "flow.pty:1:1: error: prefect cannot send an event to ray"),
        (
            "@schedule: @daily\n@catchup: true\nHere",
            "flow.pty:2:1: error: prefect does not support catchup",
        ),
        ("@start-date: 2999-01-01\nHere", "flow.pty:1:1: error: prefect's cron schedules have no"),
        ("@input: wait_for: str = null\nHere", "flow.pty:1:1: error: the input 'wait_for'"),
        ("Here -> Own", "flow.pty:1:9: error: prefect has no task runner for Mine"),
        ("Long", "flow.pty:1:1: error: prefect supports at most 50 different waits"),
    ],
)
def test_what_prefect_cannot_do_is_refused_with_its_place(write, text, said):
    write(
        "flow_events.py",
        EVENTS
        + """
class Mine(ThreadPoolExecutor): pass

@event(executor=Mine)
def Own(): return True, 1

@event(retry_policy={"max_attempts": 80, "backoff_factor": 1e-300, "max_backoff": 1e300})
def Long(): return True, 1
""",
    )
    path = write("flow.pty", text)
    with pytest.raises(RefusedError) as caught:
        load_flow(path)
    assert said in str(caught.value)


def test_hints_without_a_counterpart_are_noted(write):
    write("flow_events.py", EVENTS)
    plan = load_plan(write("flow.pty", 'Here [queue="x", priority=3]'))
    found = get_backend("prefect").check(plan)
    assert [d.severity.value for d in found] == ["note", "note"]


class Greet(EventBase):
    def process(self, who, book):
        return True, [who, book.read()]


class Greeting(Pipeline):
    who = InputDataField(data_type=str, required=True, description="whom to greet")
    book = FileInputDataField(path="book.txt")

    class Meta:
        pointy = "Greet"


def test_a_pipeline_class_is_a_flow(server, write):
    write("book.txt", "words")
    flow = to_flow(Greeting)
    assert flow.name == "Greeting"
    assert flow.parameters.model_dump()["properties"]["who"]["description"] == "whom to greet"
    assert flow(who="Ada") == ["Ada", "words"]


def test_listeners_hear_of_the_run_and_its_events(server):
    heard = []
    listeners = [
        (signals.pipeline_execution_start, lambda pipeline: heard.append(type(pipeline).__name__)),
        (signals.event_execution_start, lambda event: heard.append(event.task_id)),
        (signals.event_execution_end, lambda future: heard.append(future.result())),
        (
            signals.pipeline_execution_end,
            lambda execution_context: heard.append(execution_context.status.value),
        ),
    ]
    for signal, listener in listeners:
        signal.connect(listener)
    try:
        to_flow(Short)()
    finally:
        for signal, listener in listeners:
            signal.disconnect(listener)
    assert heard == ["Short", "Quick", "quick", "success"]


@event
def Quick():
    return True, "quick"


class Short(Pipeline):
    class Meta:
        pointy = "Quick"


class Watch(RunObserver):
    def __init__(self, control=None):
        self.heard = []
        self.control = control

    def place_started(self, node, attempt):
        self.heard.append(("started", node.id, attempt))
        if self.control:
            self.control.cancel()

    def place_retries(self, node, outcome):
        self.heard.append(("retries", node.id, outcome.attempts))

    def place_ended(self, node, outcome):
        self.heard.append(("ended", node.id, outcome.descriptor))


def test_an_observer_hears_each_attempt(run):
    watch = Watch()
    run("Flaky", EVENTS, options=RunOptions(observer=watch))
    assert watch.heard == [
        ("started", "Flaky", 1),
        ("retries", "Flaky", 1),
        ("started", "Flaky", 2),
        ("retries", "Flaky", 2),
        ("started", "Flaky", 3),
        ("ended", "Flaky", 1),
    ]


def test_a_run_can_be_cancelled(run):
    control = RunControl()
    report = run(
        "Here -> Here", EVENTS, options=RunOptions(observer=Watch(control), control=control)
    )
    assert report.status == "cancelled"
    assert [place.state.value for place in report.places.values()] == ["done", "cancelled"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_command_runs_without_a_server(write):
    write("flow_events.py", EVENTS)
    path = write("flow.pty", "@input: who: str\nSoon -> Prints -> Excluded (0 |-> Here)")
    settings = {
        **{name: value for name, value in surroundings().items() if name != "PREFECT_API_URL"},
        # No server starts in a second. That is told, and waited for.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "1",
    }
    arguments = [sys.executable, "-m", "volnux.cli", "run", path, "-i", "who=Ada", "--json"]
    done = subprocess.run(
        [*map(str, arguments), "--backend", "prefect"],
        capture_output=True,
        text=True,
        env=settings,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert "temporary server is still starting after 1 s" in " ".join(done.stderr.split())
    report = json.loads(done.stdout)
    assert (report["backend"], report["status"]) == ("prefect", "success")
    assert report["places"]["Here"]["received"] == {"from": "Excluded"}
    assert report["places"]["Excluded"]["failure"]["type"] == "KeyError"


def test_without_the_server_that_is_named_the_command_says_so(write):
    write("flow_events.py", EVENTS)
    path = write("flow.pty", "Soon")
    done = subprocess.run(
        [sys.executable, "-m", "volnux.cli", "run", str(path), "--backend", "prefect"],
        capture_output=True,
        text=True,
        env=surroundings(PREFECT_API_URL="http://127.0.0.1:9/api"),
        timeout=110,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: prefect cannot run flow: Failed to reach API at http://127.0.0.1:9/api/",
        "  hint: start that server, or set another one in PREFECT_API_URL or your profile",
    ]

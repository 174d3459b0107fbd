"""A run on Prefect: what happens to events, what users see, and how the run ends."""

import contextlib
import logging
import os
import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from volnux_prefect import load_flow
from volnux_prefect.runners import Runners
from volnux_prefect.translate import USUAL

from tests.integration.prefect.states import flow_run_of, task_runs, wait_for_states
from volnux.backends import RefusedError, RunControl, RunObserver, RunOptions

EVENTS = '''
import asyncio
import logging
import os
import signal
import time
from pathlib import Path

from prefect import task
from prefect.task_runners import ProcessPoolTaskRunner

from volnux import event

log = logging.getLogger(__name__)


@event
def Ok(previous_result=None):
    return True, previous_result


@event
def Boom():
    raise OSError("disk is full")


@event(retry_policy={"max_attempts": 3, "backoff_factor": 0.01})
def Again():
    raise OSError("disk is full")


@event
def Bad():
    return False, "no orders"


def said():
    print("a print")
    log.info("an info")
    log.error("an error")
    return True, os.getpid()


@event
def Here():
    return said()


@event(timeout=60)
def Limited():
    return said()


@event
async def Soon():
    return said()


@event(executor="process")
def Away():
    return said()


@event(executor="process")
def Interrupted():
    raise KeyboardInterrupt


@event
def InterruptedHere():
    raise KeyboardInterrupt


@event(executor="process")
def Terminated():
    signal.raise_signal(signal.SIGTERM)
    time.sleep(60)


@task
def doubled(number):
    return 2 * number


@event
def Starts():
    """Starts work of its own elsewhere, to which Prefect gives the context of the task run."""
    with ProcessPoolTaskRunner(max_workers=1) as runner:
        result = runner.submit(doubled, {"number": 4}).result()
    return True, [result, bool(doubled.delay(4).task_run_id)]


OPENED = asyncio.Event()


@event
async def Opener():
    OPENED.set()
    return True, id(asyncio.get_running_loop())


@event
async def Waiter():
    await OPENED.wait()
    return True, id(asyncio.get_running_loop())


@event
async def Waits():
    try:
        Path("waits.txt").touch()
        await asyncio.Event().wait()
    finally:
        Path("cleaned.txt").touch()


@event
def Interrupts():
    """Ctrl-C, and again once the first has been heard."""
    for name in ("waits.txt", "cancelling.txt"):
        while not Path(name).exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
    return True, None


def heard(task, task_run, state):
    with Path("heard.txt").open("a") as file:
        file.write(f"{task_run.name}: {state.name}\\n")


@event(
    prefect={
        "task_run_name": "{place} of {day}",
        "tags": ["nightly"],
        "log_prints": True,
        "on_failure": [heard],
        "on_completion": [heard],
    }
)
def Named(fails):
    print("a print")
    return not fails, None
'''


def states(report, expected):
    return wait_for_states(flow_run_of(report), expected)


# What goes wrong elsewhere.


class Observer(RunObserver):
    def __init__(self):
        self.ended = {}

    def place_ended(self, node, outcome):
        self.ended[node.id] = outcome

    def cancelling(self, running):
        Path("cancelling.txt").touch()


def test_what_ends_a_worker_is_a_failure_of_its_event_or_ends_the_run(run):
    observer = Observer()
    with pytest.raises(KeyboardInterrupt):
        text = "Terminated (0 -> Ok) -> Interrupted (0 -> Ok)"
        run(text, EVENTS, options=RunOptions(observer=observer))
    assert set(observer.ended) == {"Terminated", "Ok"}
    assert observer.ended["Terminated"].result.type == "volnux.WorkerLost"


def test_a_keyboard_interrupt_of_an_event_ends_the_run(run):
    with pytest.raises(KeyboardInterrupt):
        run("InterruptedHere (0 -> Ok)", EVENTS)


def test_what_an_observer_raises_in_the_thread_of_an_event_ends_the_run(run):
    class Leaves(RunObserver):
        def place_started(self, node, attempt):
            raise SystemExit("nobody reads this any more")

    with pytest.raises(SystemExit, match="nobody reads"):
        run("Ok (0 -> Ok) -> Ok", EVENTS, options=RunOptions(observer=Leaves()))


def test_a_second_ctrl_c_cancels_coroutines_at_once(run):
    with pytest.raises(KeyboardInterrupt):
        run("Waits || Interrupts", EVENTS, options=RunOptions(observer=Observer()))
    assert Path("cleaned.txt").exists()


def test_an_attempt_that_waits_while_the_run_is_cancelled_does_not_start(run):
    control = RunControl()

    class Cancels(RunObserver):
        def place_retries(self, node, outcome):
            control.cancel()

    options = RunOptions(observer=Cancels(), control=control)
    place = run("Again", EVENTS, options=options).places["Again"]
    assert (place.attempts, place.failure.message) == (1, "disk is full")


# Where events run.


def test_the_flow_s_own_task_runner_may_have_processes(server, write):
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", "Here -> Soon"), task_runner=ProcessPoolTaskRunner(1))
    pid = flow()
    assert pid not in (None, os.getpid())


def test_a_broken_task_runner_is_replaced_once():
    main = ThreadPoolTaskRunner(max_workers=3)
    with contextlib.ExitStack() as stack:
        runners = Runners(stack, USUAL, main)
        assert runners.of(USUAL) is main
        runners.replace(USUAL, main)
        second = runners.of(USUAL)
        assert second == main
        assert second is not main
        runners.replace(USUAL, main)  # by another event that was lost with it
        assert runners.of(USUAL) is second


def test_an_event_starts_tasks_elsewhere(run):
    assert run("Starts", EVENTS).places["Starts"].result == [8, True]


def test_coroutines_of_a_run_share_one_event_loop(run):
    report = run("Waiter || Opener", EVENTS)
    loops = {place.result for place in report.places.values()}
    assert report.status == "success"
    assert len(loops) == 1


# What a person sees.


def test_states_say_what_was_skipped_and_what_was_handled(run):
    report = run("{Boom -> Ok} (0 -> Bad (0 -> Ok, 1 -> Here)) -> Ok", EVENTS)
    assert report.status == "success"
    expected = {
        "Boom": ("COMPLETED", "Handled"),  # by the group, which is known later
        "Bad": ("COMPLETED", "Handled"),
        "Ok__2": ("COMPLETED", "Completed"),
        "Here": ("CANCELLED", "Skipped"),
        "Ok__3": ("COMPLETED", "Completed"),
    }
    assert states(report, expected) == expected
    found = task_runs(flow_run_of(report), expected)
    assert found["Boom"].state.message == "OSError: disk is full"
    assert found["Boom"].run_count == 1
    # Drawn where the branch was taken, not behind the end of the flow.
    assert found["Here"].start_time < found["Ok__3"].start_time
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(flow_run_of(report))
    assert flow_run.state.message == "2 done, 2 handled, 1 skipped, 1 not reached"


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("Boom (0 -> Ok)", "WARNING", "Boom failed, and the flow handles it:\nTraceback"),
        ("Bad (0 -> Ok)", "WARNING", "Bad failed, and the flow handles it: returned a failure"),
        ("Boom", "ERROR", "Boom failed:\nTraceback"),
        ("Bad", "ERROR", "Finished in state Failed(\"returned a failure: 'no orders'\")"),
    ],
)
def test_a_failure_is_logged_once(run, caplog, text, level, said):
    run(text, EVENTS)
    ours = [r for r in caplog.records if r.name == "prefect.task_runs" and r.levelname != "INFO"]
    entries = [r for r in ours if not r.message.startswith("Finished in state")] or ours
    assert [r.levelname for r in entries] == [level]
    assert entries[0].message.startswith(said)
    assert "NoneType: None" not in caplog.text


def test_prints_and_logs_of_every_kind_of_event_are_in_the_run_s_log(
    server, write, caplog, monkeypatch
):
    # The tests are set to WARNING, as are the workers that they start.
    caplog.set_level("INFO", "prefect.task_runs")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "INFO")
    write("flow_events.py", EVENTS)
    flow = load_flow(write("flow.pty", "Here -> Limited -> Soon -> Away"), log_prints=True)
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        logging.getLogger("flow_events").error("outside of a run")  # a warning would be raised
        state = flow(return_state=True)
    APILogHandler().flush()
    flow_run_id = state.state_details.flow_run_id
    places = ("Here", "Limited", "Soon", "Away")
    wanted = {
        (place, *entry)
        for place in places
        for entry in (
            ("prefect.task_runs", 20, "a print"),
            ("flow_events", 20, "an info"),
            ("flow_events", 40, "an error"),
        )
    }
    until = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        names = {each.id: name for name, each in task_runs(flow_run_id, places).items()}
        found = set()
        while not wanted <= found and time.monotonic() < until:
            only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
            found = {
                (names.get(log.task_run_id), log.name, log.level, log.message)
                for log in client.read_logs(only, limit=200)
            }
            time.sleep(0.2)
    assert wanted <= found


# Settings of one event.


def test_an_event_has_settings_of_its_own_for_prefect(run):
    text = '@input: day: date = "2026-01-02"\n@input: fails: bool\nNamed (0 -> Ok) -> Ok'
    for fails, ended in ((False, "Completed"), (True, "Handled")):
        report = run(text, EVENTS, fails=fails)
        name = "Named of 2026-01-02"
        found = task_runs(flow_run_of(report), [name])
        assert set(found[name].tags) == {"nightly"}
        assert found[name].state.name == ended
    # Of a failure that is handled, the hooks for failures hear, and no others.
    heard = Path("heard.txt").read_text().splitlines()
    assert heard == [f"{name}: Completed", f"{name}: Handled"]


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ("{'retries': 3}", "prefect of One cannot set 'retries'", "`Load * 3`"),
        ("{'timeout_seconds': 3}", "prefect of One cannot set 'timeout_seconds'", "[timeout=30]"),
        ("{'name': 'x'}", "prefect of One cannot set 'name'", "task_run_name"),
        ("{'cache_policy': None}", "prefect of One cannot set 'cache_policy'", "can_bypass"),
        ("{'log_print': True}", "prefect's tasks have no option 'log_print'", "'log_prints'"),
        ("{'tags': 'a,b'}", "tags of One must be a list of strings", "['a', 'b']"),
        ("{'on_failure': 3}", "prefect of One: Expected iterable for 'on_failure'", ""),
        ("{'task_run_name': 3}", "task_run_name of One must be a string or a function", ""),
        ("{'task_run_name': '{who}'}", "a name that the flow does not have: 'who'", "day, place"),
        ("{'task_run_name': '{day'}", "task_run_name of One: expected '}'", "{{ and }}"),
    ],
)
def test_a_setting_that_prefect_cannot_have_is_refused_with_its_place(write, settings, said, hint):
    write(
        "flow_events.py",
        f"from volnux import event\n\n@event(prefect={settings})\ndef One(): return True, 1\n",
    )
    path = write("flow.pty", '@input: day: date = "2026-01-02"\nOne')
    with pytest.raises(RefusedError) as caught:
        load_flow(path)
    assert "flow.pty:2:1: error: " in str(caught.value)
    assert said in str(caught.value)
    assert hint in str(caught.value)

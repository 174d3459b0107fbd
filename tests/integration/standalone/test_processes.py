"""Process pools: what is sent, what is lost, and what remains."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

HEAD = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from volnux import EventBase, RetryPolicy, event

def wait_for(*names):
    while not all(Path(name).exists() for name in names):
        time.sleep(0.005)

def children():
    return [c.pid for c in __import__("psutil").Process().children(recursive=True)]
"""


@pytest.fixture(autouse=True)
def no_worker_left():
    yield
    # The fork server and the resource tracker stay, as ever; their children must not.
    for server in psutil.Process().children():
        for process in server.children(recursive=True):
            process.wait(10)


def test_events_run_in_other_processes_at_once(files, run):
    plan = files(
        "Meet || Meet || Here",
        HEAD
        + """
class Meet(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 2, "thread_name_prefix": "ignored"}
    def process(self):
        Path(self.task_id).touch()
        wait_for("Meet", "Meet__2")
        return True, os.getpid()

class Here(EventBase):
    def process(self):
        return True, os.getpid()
""",
    )
    report = run(plan)
    assert report.status == "success"
    pids = [place.result for place in report.places.values()]
    assert len(set(pids)) == 3
    assert pids[2] == os.getpid()


def test_helpers_and_their_classes_go_there_and_back(files, run):
    Path("helpers.py").write_text("class Box:\n    def __init__(self, x):\n        self.x = x\n")
    Path("late.py").write_text("from helpers import Box\nWORD = 'late'\n")
    plan = files(
        "Make |-> Read |-> Here",
        HEAD
        + """
from helpers import Box

@event(executor=ProcessPoolExecutor, max_workers=1)
def Make():
    import late
    return True, [Box(late.WORD)]

@event(executor=ProcessPoolExecutor, max_workers=1)
async def Read(self, previous_result):
    (box,) = previous_result
    assert isinstance(box, Box)
    return True, Box(box.x + " read by " + self.task_id)

@event
def Here(previous_result):
    assert isinstance(previous_result, Box)
    return True, previous_result.x
""",
    )
    report = run(plan)
    assert report.places["Here"].result == "late read by Read"


def test_everything_around_an_event_is_the_same_there(files, run):
    plan = files(
        '@input: day: str = "mon"\n{E -> Later} (0 -> Raised)',
        HEAD
        + """
class E(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}
    conditions = {}
    retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0, retry_on_exceptions=[OSError])
    def process(self, day, **others):
        if self.attempt < 3:
            raise OSError("again")
        return True, [self.task_id, self.run_id, self.attempt, dict(self.inputs), day, others]

class Later(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}
    def process(self):
        try:
            self.helper()
        except Exception:
            pass
    def helper(self):
        self.goto(0, "gone")

class Raised(EventBase):
    def process(self):
        return True, None
""",
    )
    report = run(plan, {"day": "tue"}, run_id="r1")
    assert report.places["E"].result == ["E", "r1", 3, {"day": "tue"}, "tue", {}]
    assert report.places["E"].attempts == 3
    assert report.places["Later"].result == "gone"
    assert report.places["Raised"].state == "done"


@pytest.mark.parametrize("death", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_dead_worker_takes_what_ran_with_it_and_no_more(files, run, death):
    plan = files(
        "{Dies || Beside || Waits || Waits || Here} (0 |-> Handler) -> After",
        HEAD
        + f"""
from volnux import WorkerLost

class InPool(EventBase):
    pass

@event
def Here():
    return True, "here"

class Dies(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {{"max_workers": 2}}
    def process(self):
        part = self.task_id
        if part == "Dies":
            wait_for("beside")
            {death}
        return True, part

class Beside(EventBase):
    def process(self):
        Path("beside").touch()
        return True, None

Waits = Beside

class Handler(EventBase):
    def process(self, previous_result):
        return True, (previous_result.type, previous_result.message)

@event
def After():
    return True, None
""",
    )
    report = run(plan)
    assert report.status == "success"
    assert report.places["Dies"].attempts == 1
    kind, message = report.places["Handler"].result
    assert kind == "volnux.WorkerLost"
    assert "Dies" in message


def test_the_end_of_a_process_that_was_just_started_is_seen(files, run):
    plan = files(
        "{E || E}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
        HEAD
        + """
class Slow(ProcessPoolExecutor):
    def _adjust_process_count(self):
        time.sleep(0.1)
        super()._adjust_process_count()

class E(EventBase):
    executor = Slow
    executor_config = {"max_workers": 2}
    def process(self):
        Path(self.task_id).touch()
        wait_for("E", "E__2")
        if self.task_id == "E__2":
            os._exit(1)
        time.sleep(60)
        return True, None
""",
    )
    report = run(plan)
    assert [place.failure.type for place in report.places.values()] == ["volnux.WorkerLost"] * 2


def test_what_ran_beside_is_lost_and_what_had_not_begun_is_not(files, run):
    plan = files(
        "{E || E || E || E}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> After",
        HEAD
        + """
class E(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 2}
    def process(self):
        Path(self.task_id).touch()
        if self.task_id == "E":
            wait_for("E", "E__2")
            os._exit(1)
        if self.task_id == "E__2":
            time.sleep(60)
        return True, os.getpid()

@event
def After():
    return True, None
""",
    )
    report = run(plan)
    assert report.status == "success"
    lost = {name: place.failure and place.failure.type for name, place in report.places.items()}
    assert lost == {
        "E": "volnux.WorkerLost",
        "E__2": "volnux.WorkerLost",
        "E__3": None,
        "E__4": None,
        "After": None,
    }


def test_a_lost_event_is_retried_as_its_policy_says(files, run):
    plan = files(
        "Covered || Other",
        HEAD
        + """
from volnux import WorkerLost

class Covered(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}
    retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0, retry_on_exceptions=[WorkerLost])
    def process(self):
        if self.attempt < 3:
            os._exit(1)
        return True, self.attempt

class Other(Covered):
    retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0, exclude_exceptions=[WorkerLost])
""",
    )
    report = run(plan)
    assert report.places["Covered"].result == report.places["Covered"].attempts == 3
    assert report.places["Other"].attempts == 1
    assert report.places["Other"].failure.type == "volnux.WorkerLost"


def test_max_tasks_per_child_replaces_workers(files, run):
    plan = files(
        " || ".join(["E"] * 12),
        HEAD
        + """
class E(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 2, "max_tasks_per_child": 2}
    def process(self):
        return True, os.getpid()
""",
    )
    report = run(plan)
    assert report.status == "success"
    pids = [place.result for place in report.places.values()]
    assert max(pids.count(pid) for pid in pids) <= 2
    assert len(set(pids)) >= 6


def test_what_cannot_be_sent_is_said(files, run):
    plan = files(
        "{Give |-> Take} || Back || Bad || Deep || Sly",
        HEAD
        + """
class Sneaky:
    def __reduce__(self):
        return explode, ()

def explode():
    raise ValueError("not here")

class P(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}

@event
def Give():
    return True, lambda: 1

class Take(P):
    def process(self, previous_result):
        return True, 1

class Back(P):
    def process(self):
        return True, lambda: 1

class Bad(P):
    def process(self):
        class Odd(Exception):
            def __init__(self):
                self.lock = __import__("threading").Lock()
            def __str__(self):
                raise RuntimeError("no text")
        raise Odd

class Deep(P):
    def process(self):
        deep = []
        for _ in range(100_000):
            deep = [deep]
        return True, deep

class Sly(P):
    def process(self):
        return True, Sneaky()
""",
    )
    report = run(plan)
    say = {name: str(place.failure) for name, place in report.places.items()}
    assert say["Take"].startswith("volnux.NotSentError: Take cannot be sent to a worker process: ")
    assert say["Back"].startswith(
        "volnux.NotSentError: the result of Back cannot be sent back from its worker process: "
    )
    assert "Odd: <str failed: RuntimeError>" in say["Bad"]
    assert say["Deep"].startswith("volnux.NotSentError: the result of Deep cannot be sent back")
    assert say["Sly"] == "volnux.NotSentError: the result of Sly cannot be read back: not here"
    assert report.places["Take"].attempts == 1


def test_an_event_that_no_process_can_find_is_said(flow, run):
    from concurrent.futures import ProcessPoolExecutor

    from volnux import EventBase

    class Local(EventBase):
        executor = ProcessPoolExecutor

        def process(self):
            return True, None

    report = run(flow("Local", Local))
    assert report.status == "failed"
    assert "Local cannot be sent to a worker process" in report.places["Local"].failure.message


def test_a_timeout_ends_the_process_and_frees_its_worker(files, run):
    plan = files(
        "Slow[timeout=1] || Slow || Slow",
        HEAD
        + """
class Slow(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}
    retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0)
    def process(self):
        Path(f"pid-{os.getpid()}").touch()
        if self.task_id == "Slow" and self.attempt == 1:
            time.sleep(600)
        return True, self.attempt
""",
    )
    began = time.monotonic()
    report = run(plan)
    assert time.monotonic() - began < 60
    assert report.status == "success"
    assert report.places["Slow"].attempts == 2
    assert [place.attempts for place in report.places.values()][1:] == [1, 1]
    for mark in Path().glob("pid-*"):
        assert not psutil.pid_exists(int(mark.name[4:]))


def test_a_timeout_leaves_what_runs_beside_alone(files, run):
    plan = files(
        "{E[timeout=1] || E}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] || Release",
        HEAD
        + """
class E(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 2}
    def process(self):
        Path(self.task_id).touch()
        if self.task_id == "E":
            time.sleep(600)
        wait_for("release")
        return True, "whole"

class Release(EventBase):
    def process(self):
        wait_for("E__2")
        time.sleep(1.2)
        Path("release").touch()
        return True, None
""",
    )
    report = run(plan)
    assert report.places["E"].failure.type == "TimeoutError"
    assert report.places["E__2"].result == "whole"


def test_stop_on_exception_kills_worker_processes(files, run):
    plan = files(
        "Long || Stops || Queued || Queued",
        HEAD
        + """
class Long(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}
    def process(self):
        Path("long").write_text(str(os.getpid()))
        Path("long").rename("begun")
        time.sleep(600)

class Queued(Long):
    def process(self):
        return True, None

class Stops(EventBase):
    stop_on_exception = True
    def process(self):
        wait_for("begun")
        raise ValueError("enough")
""",
    )
    report = run(plan)
    assert report.status == "failed"
    long = report.places["Long"]
    assert (long.state, long.attempts, long.descriptor) == ("failed", 1, None)
    assert report.places["Stops"].failure.message == "enough"
    assert not psutil.pid_exists(int(Path("begun").read_text()))


def test_keyboard_interrupt_there_cancels_the_run(files, run):
    plan = files(
        "Interrupts -> Next",
        HEAD
        + """
class Interrupts(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}
    retry_policy = RetryPolicy(max_attempts=3)
    def process(self):
        raise KeyboardInterrupt

class Next(EventBase):
    def process(self):
        return True, None
""",
    )
    report = run(plan)
    assert report.status == "cancelled"
    assert report.places["Interrupts"].attempts == 1
    assert report.places["Next"].attempts == 0


def test_a_subclass_of_the_pool_with_a_plain_init(files, run):
    plan = files(
        "E || E",
        HEAD
        + """
class Mine(ProcessPoolExecutor):
    def __init__(self, max_workers=None):
        super().__init__(max_workers, mp_context=__import__("multiprocessing").get_context("spawn"))

class E(EventBase):
    executor = Mine
    executor_config = {"max_workers": 1}
    def process(self):
        return True, os.getpid()
""",
    )
    report = run(plan)
    assert report.status == "success"
    assert report.places["E"].result != os.getpid()


def test_a_script_without_a_guard_is_told_of_it():
    Path("script.py").write_text(
        HEAD
        + """
from volnux.events import Lookup, link
from volnux.graph import compile
from volnux.pointy import parse
from volnux_standalone import StandaloneBackend

class E(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}
    def process(self):
        return True, None

plan = link(compile(parse("E")), Lookup(extra=[sys.modules[__name__]]))
report = StandaloneBackend().run(plan, {})
print(report.places["E"].failure)
sys.exit(report.status != "success")
"""
    )
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=60)
    assert 'does so below `if __name__ == "__main__":`' in done.stdout

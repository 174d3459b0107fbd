"""Failures are reported with a traceback, in the log and as the cause of `RunFailedError`."""

import gc
import logging
import pickle
import subprocess
import sys
import time
import traceback
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from volnux import EventBase, InputDataField, Pipeline, RunFailedError, event
from volnux.backends import RunObserver
from volnux.graph import Failure
from volnux.graph.outcome import RemoteTraceback
from volnux.pipeline import BatchPipeline
from volnux.pipeline.batch.report import BatchFailedError
from volnux.signal.signals import task_failed
from volnux.testing import run


class NoPaper(Exception):
    pass


LOCALS = []


class Local:
    def __init__(self):
        LOCALS.append(weakref.ref(self))


def print_it():
    local = Local()
    raise NoPaper(f"tray 2 {type(local).__name__}")


@event
def fail():
    print_it()


@event
async def fail_async():
    print_it()


@event(executor=ThreadPoolExecutor)
def fail_in_a_pool():
    print_it()


@event(executor=ProcessPoolExecutor)
def fail_far_away():
    print_it()


class CannotComeBack(Exception):
    def __init__(self, tray, *, size):
        super().__init__(f"tray {tray}, size {size}")


@event(executor=ProcessPoolExecutor)
def fail_for_good():
    raise CannotComeBack(2, size="A4")


@event(executor=ProcessPoolExecutor)
def fail_at_length():
    raise NoPaper("x" * 200_000)


@event(retry_policy={"max_attempts": 2, "backoff_factor": 0})
def flaky(self):
    if self.attempt == 1:
        print_it()
    return True, None


@event
def decline():
    return False, "nothing to do"


@event
def three():
    return 3, None


@event(timeout=0.05)
async def slow():
    import asyncio

    await asyncio.sleep(20)


@event(stop_on_exception=True)
def stop():
    print_it()


class Asks(EventBase):
    conditions = {3: lambda result: print_it()}  # noqa: RUF012 - as users write it

    def process(self):
        return True, None


class Bypasses(EventBase):
    def can_bypass(self):
        print_it()

    def process(self):
        return True, None


@event
def ok():
    return True, None


@event
def long():
    raise NoPaper("x" * 5_000_000)


@event
def hostile():
    raise NoPaper("\x1b]0;pwn\x07 \x9b31m \r")


class Fails(Pipeline):
    class Meta:
        pointy = "fail"


def flow_of(pointy):
    return type("Flow", (Pipeline,), {"__module__": __name__, "meta": {"pointy": pointy}})


def start(pointy, **how):
    return flow_of(pointy)().start(**how)


@pytest.fixture(autouse=True)
def forget():
    LOCALS.clear()


@pytest.fixture
def records(caplog):
    """The records in the log of runs: the level and the place of each."""
    caplog.set_level(logging.INFO, "volnux.run")

    def said():
        return [(r.levelname, r.place) for r in caplog.records if r.name == "volnux.run"]

    return said


@pytest.mark.parametrize(
    ("pointy", "expected"),
    [
        ("ok", []),
        ("fail", [("ERROR", "fail")]),
        ("fail -> ok", [("ERROR", "fail")]),
        ("fail_async", [("ERROR", "fail_async")]),
        ("fail_in_a_pool", [("ERROR", "fail_in_a_pool")]),
        ("fail_far_away", [("ERROR", "fail_far_away")]),
        ("decline", [("ERROR", "decline")]),
        ("three", [("ERROR", "three")]),
        ("slow", [("ERROR", "slow")]),
        ("stop || ok", [("ERROR", "stop")]),
        ("Asks (3 -> ok)", [("ERROR", "Asks")]),
        ("Bypasses", [("ERROR", "Bypasses")]),
        ("flaky", [("WARNING", "flaky")]),
        ("flaky (0 -> ok)", [("WARNING", "flaky")]),
        ("2 * fail", [("WARNING", "fail"), ("ERROR", "fail")]),
        ("fail (0 -> ok)", [("INFO", "fail")]),
        ("fail (0 -> fail)", [("INFO", "fail"), ("ERROR", "fail__2")]),
        ("{fail -> ok} (0 -> ok)", [("INFO", "fail")]),
        ("{fail -> ok} (0 -> fail)", [("INFO", "fail"), ("ERROR", "fail__2")]),
        ("{fail -> ok} (1 -> ok)", [("ERROR", "fail")]),
        ("{fail || ok}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> ok", [("INFO", "fail")]),
        ("{fail || fail}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]", [("ERROR", "fail")] * 2),
        ("fail || fail", [("ERROR", "fail"), ("ERROR", "fail__2")]),
        ("@on-failure: continue\nfail -> ok", [("INFO", "fail")]),
        ("{fail || stop} (0 -> ok)", [("ERROR", "fail"), ("ERROR", "stop")]),
    ],
)
def test_what_is_logged(pointy, expected, records):
    context = start(pointy, workers=1)
    said = records()
    if "[evaluation" in pointy and len(expected) == 2:
        expected = [("ERROR", "fail"), ("ERROR", "fail__2")]
    assert sorted(said) == sorted(expected)
    # What is logged as an error is what the report does not call handled.
    failed = {p for p, item in context.report.places.items() if item.descriptor == 0}
    handled = {p for p, item in context.report.places.items() if item.handled}
    assert failed - handled == {place for level, place in said if level == "ERROR"}


@pytest.mark.parametrize(
    "name", ["fail", "fail_async", "fail_in_a_pool", "Asks (3 -> ok)", "Bypasses", "stop"]
)
def test_the_exception_is_the_cause_and_has_the_frames_of_the_event_alone(name, caplog):
    context = start(name)
    with pytest.raises(RunFailedError, match="NoPaper: tray 2") as caught:
        context.raise_for_status()
    cause = caught.value.__cause__
    assert type(cause) is NoPaper
    frames = traceback.extract_tb(cause.__traceback__)
    assert frames[-1].name == "print_it"
    assert {frame.filename for frame in frames} == {__file__}
    (record,) = (r for r in caplog.records if r.name == "volnux.run")
    assert record.exc_info[1] is cause
    assert record.run_id == context.run_id
    place = name.partition(" ")[0]
    message = f"Flow: {place} failed: {__name__}.NoPaper: tray 2 Local (run {context.run_id})"
    assert record.getMessage() == message


@pytest.mark.parametrize(
    ("name", "kinds", "frame"),
    [
        ("fail_far_away", [NoPaper, RemoteTraceback], "in print_it\n"),
        ("fail_for_good", [RemoteTraceback], "in fail_for_good\n"),
        ("fail_at_length", [RemoteTraceback], "in fail_at_length\n"),
    ],
)
def test_the_cause_of_a_failure_in_another_process_has_its_frames_as_text(
    name, kinds, frame, caplog
):
    context = start(name)
    with pytest.raises(RunFailedError) as caught:
        context.raise_for_status()
    causes = [caught.value.__cause__]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert [type(cause) for cause in causes] == kinds
    assert frame in str(causes[-1])
    assert frame in caplog.text


def test_the_cause_is_the_first_failure_that_nothing_handled():
    context = start("{fail_async} (0 -> ok) -> decline || fail")
    with pytest.raises(RunFailedError) as caught:
        context.raise_for_status()
    assert type(caught.value.__cause__) is NoPaper
    assert str(caught.value).endswith(f"failed: decline, fail ({__name__}.NoPaper: tray 2 Local)")
    with pytest.raises(RunFailedError) as caught:
        start("decline").raise_for_status()
    assert caught.value.__cause__ is None


def test_contexts_reports_and_failures_are_pickled_without_exceptions():
    context = Fails().start()
    failure = context["fail"].failure
    assert isinstance(failure.exception, NoPaper)
    again = pickle.loads(pickle.dumps(context))
    assert again["fail"].failure == failure
    assert again["fail"].failure.exception is None
    with pytest.raises(RunFailedError) as caught:
        again.raise_for_status()
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert Failure.from_json(failure.to_json()) == failure
    assert "exception" not in failure.to_json()


def alive():
    gc.collect()
    return [ref() is not None for ref in LOCALS]


def test_locals_of_frames_live_as_long_as_the_context_of_a_failed_run(caplog):
    caplog.set_level(logging.CRITICAL, "volnux.run")
    context = start("fail")
    assert alive() == [True]
    del context
    assert alive() == [False]


@event
def look(previous_result):
    return previous_result.exception is None, alive()


@pytest.mark.parametrize(
    "pointy", ["fail (0 |-> look)", "{ok -> fail} (0 |-> look)", "flaky", "2 * flaky (0 -> ok)"]
)
def test_locals_of_frames_are_let_go_once_a_failure_is_handled_or_repeated(pointy, caplog):
    caplog.set_level(logging.CRITICAL, "volnux.run")
    context = start(pointy)
    assert context.succeeded
    assert alive() == [False]


def test_a_listener_is_given_the_exception():
    causes = []

    def listen(result):
        causes.append(type(result.exception))

    task_failed.connect(listen)
    try:
        start("fail")
    finally:
        task_failed.disconnect(listen)
    assert causes == [NoPaper]


def test_failures_come_while_the_run_goes_on(caplog):
    """An error is logged as soon as it is certain, and not only at the end of a long run."""
    said = []

    def logged():
        return [record.place for record in caplog.records if record.name == "volnux.run"]

    class Looks(RunObserver):
        def place_started(self, node, attempt):
            if node.id == "ok__3":
                # Another thread of the run may be about to log it.
                end = time.monotonic() + 30
                while not logged() and time.monotonic() < end:
                    time.sleep(0.01)
                said.extend(logged())

    flow_of("fail || {ok -> ok -> ok}")().start(workers=1, observer=Looks())
    assert said == ["fail"]


def test_a_message_that_is_long_or_hostile_is_never_logged_as_it_is(caplog):
    context = start("long")
    assert len(context["long"].failure.message) == 5_000_000
    assert len(caplog.text) < 50_000
    assert len(str(RunFailedError(context.report, context))) < 1_000
    caplog.clear()
    start("hostile")
    assert not set("\x1b\x07\x9b\r") & set(caplog.text)
    assert r"\x1b]0;pwn\x07 \u009b31m \x0d" in caplog.text


# Batches.


class Part(Pipeline):
    numbers = InputDataField(data_type=list[int], batch_size=1)

    class Meta:
        pointy = "fail_at_three"


@event
def fail_at_three(numbers):
    if numbers[0] % 3 == 0:
        print_it()
    return True, None


class All(BatchPipeline):
    pipeline_template = Part


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_each_failed_batch_is_logged_here(executor, caplog):
    report = All(numbers=[1, 3, "x", 4, 6]).execute(executor=executor, progress=False)
    said = sorted(r.getMessage() for r in caplog.records if r.name == "volnux.run")
    assert len(said) == 3
    assert said[0].startswith("Part: batch 2 could not run: ")
    assert said[1].startswith(f"Part: fail_at_three failed: {__name__}.NoPaper: tray 2 Local (run ")
    assert caplog.text.count("in print_it\n") == 2
    with pytest.raises(BatchFailedError, match="3 of 5 batches of Part failed") as caught:
        report.raise_for_status()
    kind = NoPaper if executor == "thread" else RemoteTraceback
    assert type(caught.value.__cause__) is kind


def test_of_many_failed_batches_the_first_keep_their_exceptions(caplog):
    caplog.set_level(logging.CRITICAL, "volnux.run")
    report = All(numbers=[3] * 30).execute(progress=False)
    kept = [batch.report.places["fail_at_three"].failure.exception for batch in report]
    assert [error is not None for error in kept] == [True] * 10 + [False] * 20
    del kept
    assert sum(alive()) == 10


def test_data_that_ends_with_an_error_is_logged(caplog):
    def numbers():
        yield 1
        print_it()

    report = All(numbers=numbers()).execute(progress=False)
    (record,) = (r for r in caplog.records if r.name == "volnux.run")
    assert record.getMessage().startswith("Part: reading the data of the batches failed: ")
    with pytest.raises(BatchFailedError) as caught:
        report.raise_for_status()
    assert type(caught.value.__cause__) is NoPaper


# In a program that has not configured logging.

SCRIPT = """
from volnux import Pipeline, event

@event
def fail():
    raise ValueError("no paper")

class Flow(Pipeline):
    meta = {"pointy": "fail"}

Flow().start()
"""


def test_a_script_says_on_standard_error_what_failed():
    Path("script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
    assert "Flow: fail failed: ValueError: no paper" in done.stderr
    assert 'script.py", line 6, in fail\n    raise ValueError("no paper")\n' in done.stderr
    assert done.stderr.rstrip().endswith("ValueError: no paper")


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("Five |-> Use[each=x]", logging.ERROR, "Use failed: EachError"),
        ("Five |-> Use[each=x] (0 -> Five)", logging.INFO, "Use failed, and the flow handled it"),
    ],
)
def test_an_each_without_a_list_is_logged(text, level, said, caplog):
    @event
    def five():
        return True, 5

    @event
    def use(x):
        return True, x

    with caplog.at_level(logging.INFO, "volnux.run"):
        run(text=text, events=[five, use])
    assert [(r.levelno, said in r.getMessage()) for r in caplog.records] == [(level, True)]

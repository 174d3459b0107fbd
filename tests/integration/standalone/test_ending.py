"""Timeouts, cancelling and `stop_on_exception`: how runs end early."""

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from volnux import EventBase, ExecutorInitializerConfig, RetryPolicy
from volnux.backends import RunControl, RunObserver

WAIT = 20


class Ok(EventBase):
    def process(self):
        return True, self.task_id


class Late(Ok):
    pass


@pytest.fixture
def gate():
    """A threading event to wait for. It is always set at the end."""
    gate = threading.Event()
    yield gate
    gate.set()


# Timeouts.


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_a_timeout_in_a_thread(flow, run, gate, caplog, executor):
    ended = threading.Event()

    class Slow(EventBase):
        def process(self):
            gate.wait(WAIT)
            ended.set()
            return True, "late"

    class Open(EventBase):
        def process(self, previous_result):
            gate.set()
            return ended.wait(WAIT), previous_result

    class After(EventBase):
        executor = ThreadPoolExecutor
        executor_config = ExecutorInitializerConfig(max_workers=1)

        def process(self):
            return True, None

    Slow.executor = executor
    plan = flow("Slow[timeout=0.05] (0 |-> Open) -> After", Slow, Open, After)
    with caplog.at_level(logging.WARNING):
        report = run(plan, workers=2)
    slow = report.places["Slow"]
    assert report.status == "success"
    assert (slow.state, slow.descriptor, slow.attempts) == ("done", 0, 1)
    assert str(slow.failure) == "TimeoutError: Slow took longer than 0.05 s"
    assert report.places["Open"].received == slow.failure
    while threading.active_count() > 1 and not caplog.records:
        time.sleep(0.001)
    assert [r.getMessage() for r in caplog.records] == [
        "Slow ended after it was abandoned: its result is discarded"
    ]


def test_a_timed_out_thread_keeps_its_worker(flow, run, gate):
    class Slow(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0)

        def process(self):
            if self.attempt == 1:
                gate.wait(WAIT)
                return True, "late"
            return gate.is_set(), self.attempt

    control = RunControl()

    class Seen(RunObserver):
        def place_retries(self, node, outcome):
            threading.Timer(0.1, gate.set).start()

    report = run(flow("Slow[timeout=0.05]", Slow), workers=1, control=control, observer=Seen())
    assert report.status == "success"
    assert report.places["Slow"].result == 2


def test_a_coroutine_is_cancelled_at_its_timeout_and_retried(flow, run):
    seen = []

    class Slow(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0)

        async def process(self):
            try:
                await asyncio.sleep(0 if self.attempt == 3 else 600)
            except asyncio.CancelledError:
                seen.append(self.attempt)
                raise
            return True, "in time"

    report = run(flow("Slow[timeout=0.05]", Slow))
    assert report.places["Slow"].result == "in time"
    assert report.places["Slow"].attempts == 3
    assert seen == [1, 2]


def test_a_coroutine_that_blocks_the_loop_times_out_too(flow, run, gate):
    class Blocks(EventBase):
        async def process(self):
            gate.wait(WAIT)
            return True, "late"

    class Open(EventBase):
        def process(self):
            gate.set()
            return True, None

    report = run(flow("Blocks[timeout=0.05] (0 -> Open)", Blocks, Open))
    assert report.status == "success"
    assert report.places["Blocks"].failure.type == "TimeoutError"


def test_no_timeout_strikes_what_is_fast_enough(flow, run):
    report = run(flow(" -> ".join(["Ok[timeout=5]"] * 500), Ok))
    assert report.status == "success"


def test_a_timeout_is_not_repeated_where_the_policy_excludes_it(flow, run, gate):
    class Slow(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, exclude_exceptions=[TimeoutError])

        async def process(self):
            await asyncio.sleep(600)

    assert run(flow("Slow[timeout=0.01]", Slow)).places["Slow"].attempts == 1


# Cancelling.


def test_cancelled_before_it_begins(flow, run):
    control = RunControl()
    control.cancel()
    report = run(flow("Ok || Late -> Ok", Ok, Late), control=control)
    assert report.status == "cancelled"
    assert {(p.state, p.attempts, p.started_at) for p in report.places.values()} == {
        ("cancelled", 0, None)
    }


def test_cancelled_after_it_ended(flow, run):
    control = RunControl()
    assert run(flow("Ok", Ok), control=control).status == "success"
    control.cancel()


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor, "coroutine"])
def test_what_runs_may_finish(flow, run, executor):
    control, begun, heard = RunControl(), threading.Event(), []

    class Runs(EventBase):
        def process(self):
            begun.set()
            cancelled.wait(WAIT)
            return True, "finished"

    async def process(self):
        begun.set()
        while not cancelled.is_set():
            await asyncio.sleep(0.001)
        return True, "finished"

    if executor == "coroutine":
        Runs.process = process
    else:
        Runs.executor = executor
    cancelled = threading.Event()

    class Seen(RunObserver):
        def cancelling(self, running):
            heard.append(running)
            cancelled.set()

    def cancel():
        begun.wait(WAIT)
        control.cancel()
        control.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    report = run(flow("Runs -> Ok", Runs, Ok), control=control, observer=Seen())
    thread.join()
    runs, ok = report.places["Runs"], report.places["Ok"]
    assert report.status == "cancelled"
    assert heard == [1]
    assert (runs.state, runs.result, runs.attempts) == ("done", "finished", 1)
    assert (ok.state, ok.attempts, ok.received) == ("cancelled", 0, None)


def test_what_waits_for_a_worker_or_a_retry_never_runs(flow, run):
    control = RunControl()

    class Again(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=60, max_backoff=60)

        def process(self):
            raise OSError

    handed = threading.Semaphore(0)

    class Telling(ThreadPoolExecutor):
        def submit(self, *arguments, **named):
            future = super().submit(*arguments, **named)
            handed.release()
            return future

    class Pooled(EventBase):
        executor = Telling
        executor_config = ExecutorInitializerConfig(max_workers=1)

        def process(self):
            both.wait(WAIT)
            return over.wait(WAIT), None

    class Seen(RunObserver):
        def place_retries(self, node, outcome):
            threading.Thread(target=cancel).start()

    def cancel():
        both.wait(WAIT)
        # What is on its way to the pool at that very moment may still begin.
        assert handed.acquire(timeout=WAIT)
        assert handed.acquire(timeout=WAIT)
        time.sleep(0.1)
        control.cancel()
        over.set()

    both, over = threading.Barrier(2), threading.Event()
    plan = flow("Again || Pooled || Pooled", Again, Pooled)
    report = run(plan, control=control, observer=Seen())
    again, pooled, waiting = report.places.values()
    assert report.status == "cancelled"
    assert (again.state, again.attempts, again.descriptor) == ("cancelled", 1, None)
    assert again.started_at is not None
    assert again.ended_at is None
    assert pooled.state == "done"
    assert (waiting.state, waiting.attempts) == ("cancelled", 0)


def test_cancelled_at_random_moments(flow, run):
    plan = flow(" -> ".join(["{Ok || Ok || Late}"] * 300), Ok, Late)
    for step in range(30):
        control = RunControl()
        timer = threading.Timer(step / 2000, control.cancel)
        timer.start()
        report = run(plan, control=control)
        timer.join()
        ran = {p.state for p in report.places.values() if p.attempts}
        rest = {p.state for p in report.places.values() if not p.attempts}
        assert ran <= {"done"}
        assert rest <= {"cancelled"}
        assert report.status == ("cancelled" if rest else "success") or not rest


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor, "coroutine"])
def test_keyboard_interrupt_of_an_event_cancels_the_run(flow, run, executor):
    class Interrupts(EventBase):
        retry_policy = RetryPolicy(max_attempts=3)

        def process(self):
            raise KeyboardInterrupt

    async def process(self):
        raise KeyboardInterrupt

    if executor == "coroutine":
        Interrupts.process = process
    else:
        Interrupts.executor = executor
    report = run(flow("Interrupts || Ok -> Late", Interrupts, Ok, Late))
    interrupts = report.places["Interrupts"]
    assert report.status == "cancelled"
    assert (interrupts.state, interrupts.attempts) == ("failed", 1)
    assert interrupts.failure.type == "KeyboardInterrupt"
    assert report.places["Late"].attempts == 0


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor, "coroutine"])
@pytest.mark.parametrize(
    "error", [SystemExit, GeneratorExit, asyncio.CancelledError, BaseException]
)
def test_any_other_exception_is_a_failure_of_its_event(flow, run, executor, error):
    class Raises(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0)

        def process(self):
            raise error("out")

    async def process(self):
        raise error("out")

    if executor == "coroutine":
        Raises.process = process
    else:
        Raises.executor = executor
    report = run(flow("Raises (0 -> Ok)", Raises, Ok))
    raises = report.places["Raises"]
    assert report.status == "success"
    assert (raises.attempts, raises.failure.type.rpartition(".")[2]) == (2, error.__name__)


# stop_on_exception.


class Stops(EventBase):
    stop_on_exception = True
    retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0)

    def process(self):
        raise ValueError("enough")


def test_stop_is_above_branches_any_and_continue(flow, run):
    text = (
        "@on-failure: continue\n"
        "{Stops (0 -> Ok) || Late}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> Ok"
    )
    report = run(flow(text, Stops, Ok, Late), workers=1)
    stops = report.places["Stops"]
    assert report.status == "failed"
    assert (stops.state, stops.descriptor, stops.attempts) == ("failed", 0, 2)
    assert report.places["Ok"].state == report.places["Ok__2"].state == "failed"
    assert report.places["Ok__2"].attempts == 0


def test_a_returned_failure_does_not_stop(flow, run):
    class Fails(Stops):
        def process(self):
            return False, None

    assert run(flow("Fails (0 -> Ok)", Fails, Ok)).status == "success"


def test_what_runs_when_a_run_stops(flow, run):
    begun = threading.Barrier(4)
    stopped = threading.Event()

    class Thread(EventBase):
        def process(self):
            begun.wait(WAIT)
            stopped.wait(WAIT)
            return True, "discarded"

    class Pooled(Thread):
        executor = ThreadPoolExecutor

    class Co(EventBase):
        async def process(self):
            try:
                await asyncio.get_running_loop().run_in_executor(None, begun.wait, WAIT)
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                stopped.set()
                raise

    class Again(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=60, max_backoff=60)

        def process(self):
            raise OSError

    class Stops(EventBase):
        stop_on_exception = True

        def process(self):
            begun.wait(WAIT)
            raise ValueError("enough")

    plan = flow(
        "{Thread -> Ok} || Pooled || Co || Again || Stops", Thread, Pooled, Co, Again, Stops, Ok
    )
    report = run(plan, workers=4)
    assert report.status == "failed"
    assert stopped.is_set()
    assert {place.state for place in report.places.values()} == {"failed"}
    ended = {name: (place.attempts, place.descriptor) for name, place in report.places.items()}
    assert ended.pop("Stops") == (1, 0)
    assert ended.pop("Ok") == (0, None)
    assert set(ended.values()) == {(1, None)}

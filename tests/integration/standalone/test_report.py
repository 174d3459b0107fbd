"""What the report says, who is notified, and what remains after a run."""

import datetime as dt
import gc
import logging
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import psutil
import pytest
from volnux_standalone import StandaloneBackend

from volnux import EventBase, ExecutorInitializerConfig, RetryPolicy, event
from volnux.backends import RunControl, RunObserver, RunOptions
from volnux.graph import Failure


class A(EventBase):
    def process(self, previous_result=None):
        return True, [*(previous_result or []), self.task_id]


class Boom(EventBase):
    retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0)

    def process(self):
        raise ValueError(f"attempt {self.attempt}")


def test_what_it_says_of_each_place(flow, run):
    before = dt.datetime.now(dt.UTC)
    report = run(flow("A |-> A -> Boom (0 |-> A, 1 -> A)", A, Boom), run_id="r")
    after = dt.datetime.now(dt.UTC)
    assert list(report.places) == ["A", "A__2", "Boom", "A__3", "A__4"]
    first, second, boom, handler, skipped = report.places.values()
    assert (first.received, first.result) == (None, ["A"])
    assert (second.received, second.result) == (["A"], ["A", "A__2"])
    assert (boom.state, boom.descriptor, boom.attempts, boom.result) == ("done", 0, 3, None)
    assert isinstance(boom.failure, Failure)
    assert (str(boom.failure), boom.failure.attempts) == ("ValueError: attempt 3", 3)
    assert handler.received == boom.failure
    assert handler.state == "failed"
    assert (skipped.state, skipped.attempts, skipped.descriptor) == ("skipped", 0, None)
    assert skipped.started_at is skipped.ended_at is None
    times = [report.started_at, first.started_at, first.ended_at, second.started_at]
    times += [second.ended_at, boom.started_at, boom.ended_at, report.ended_at]
    assert times == sorted(times)
    assert before - dt.timedelta(seconds=1) < times[0]
    assert times[-1] < after + dt.timedelta(seconds=1)
    assert (report.run_id, report.backend, report.pipeline) == ("r", "standalone", "flow")


def test_a_bypassed_event_counts_as_one_attempt(flow, run):
    class Cached(EventBase):
        conditions = MappingProxyType({3: lambda result: True})

        def can_bypass(self):
            return True, "cached"

        def process(self):
            raise AssertionError

    (place,) = run(flow("Cached", Cached)).places.values()
    assert (place.bypassed, place.attempts, place.result) == (True, 1, "cached")


def test_portable_runs_write_and_read_each_result(flow, run):
    class Tuples(EventBase):
        def process(self):
            return True, {"pair": (1, 2)}

    class Objects(EventBase):
        def process(self):
            return True, {"deep": [1, {"x": object()}]}

    class Handler(EventBase):
        def process(self, previous_result):
            return True, previous_result

    @event
    def Read(previous_result):
        return True, previous_result["pair"]

    plan = flow("{Tuples |-> Read} || {Objects (0 |-> Handler)}", Tuples, Read, Objects, Handler)
    report = run(plan, portable=True)
    assert report.places["Read"].result == (1, 2)
    assert str(report.places["Objects"].failure) == (
        "volnux.NotPortableError: the result of Objects['deep'][1]['x'] is of type object: return "
        "a value of a type that volnux knows, or make its class known with volnux.values.register"
    )
    assert report.places["Handler"].failure == report.places["Objects"].failure


def test_an_observer_hears_all_in_order(flow, run):
    heard = []

    class Seen(RunObserver):
        def run_started(self, plan, run_id):
            heard.append(("run", run_id))

        def place_started(self, node, attempt):
            heard.append(("start", node.id, attempt))

        def place_retries(self, node, outcome):
            heard.append(("retry", node.id, outcome.attempts))

        def place_ended(self, node, outcome):
            heard.append(("end", node.id, outcome.descriptor))

        def run_ended(self, report):
            heard.append(("over", str(report.status)))

    run(flow("A -> Boom * 2 (0 -> A)", A, Boom), observer=Seen(), run_id="r", workers=4)
    assert heard == [
        ("run", "r"),
        ("start", "A", 1),
        ("end", "A", 1),
        ("start", "Boom", 1),
        ("retry", "Boom", 1),
        ("start", "Boom", 2),
        ("end", "Boom", 0),
        ("start", "A__2", 1),
        ("end", "A__2", 1),
        ("over", "success"),
    ]


def test_an_observer_hears_of_each_copy(flow, run):
    ended = []

    class Seen(RunObserver):
        def place_ended(self, node, outcome):
            ended.append((node.id, node.event))

    run(flow("A |-> {A -> A}[each=name, at_once=1]", A), observer=Seen())
    assert ended == [("A", "A"), ("A__2[0]", "A"), ("A__3[0]", "A")]


def test_an_observer_that_raises_disturbs_nothing(flow, run, caplog):
    class Broken(RunObserver):
        def __getattribute__(self, name):
            raise RuntimeError("broken observer")

    with caplog.at_level(logging.ERROR):
        report = run(flow("A -> Boom", A, Boom), observer=Broken())
    assert report.status == "failed"
    assert len([r for r in caplog.records if r.name == "volnux.standalone"]) == 10


def test_an_observer_may_cancel(flow, run):
    control = RunControl()

    class Stop(RunObserver):
        def place_ended(self, node, outcome):
            control.cancel()

    report = run(flow("A -> A -> A", A), observer=Stop(), control=control)
    assert [str(place.state) for place in report.places.values()] == [
        "done",
        "cancelled",
        "cancelled",
    ]


def test_hundreds_of_runs_leave_nothing_behind(flow, run, caplog):
    caplog.set_level(logging.ERROR, "volnux.run")  # pytest would keep the warnings.

    class Pooled(EventBase):
        executor = ThreadPoolExecutor
        executor_config = ExecutorInitializerConfig(max_workers=1)

        def process(self):
            return True, bytes(10_000)

    class Co(EventBase):
        async def process(self):
            return True, bytes(10_000)

    plan = flow("A || Pooled || Co |-> Boom (0 -> A)", A, Pooled, Co, Boom)
    options = RunOptions(workers=2, control=RunControl())
    handles = psutil.Process().num_fds()
    threads = threading.active_count()
    backend = StandaloneBackend()
    for _ in range(20):
        backend.run(plan, {}, options)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(300):
        backend.run(plan, {}, options)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert threading.active_count() == threads
    assert psutil.Process().num_fds() <= handles + 2
    assert grown < 300_000


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor, "coroutine"])
@pytest.mark.parametrize("sign", ["->", "|->", "||"])
def test_no_recursion_however_long(flow, run, executor, sign):
    class E(EventBase):
        def process(self):
            return True, None

    async def process(self):
        return True, None

    if executor == "coroutine":
        E.process = process
    else:
        E.executor = executor
    count = 20_000 if executor is None else 5_000
    report = run(flow(f" {sign} ".join(["E"] * count), E))
    assert report.status == "success"
    assert all(place.attempts == 1 for place in report.places.values())


def test_no_recursion_however_deep(flow, run):
    report = run(flow("{" * 10_000 + "A || A" + "} -> A" * 10_000, A))
    assert report.status == "success"


def test_a_run_from_another_thread(flow):
    reports = []
    plan = flow("A || A", A)
    thread = threading.Thread(target=lambda: reports.append(StandaloneBackend().run(plan, {})))
    thread.start()
    thread.join(60)
    assert [str(report.status) for report in reports] == ["success"]
    assert os.getpid()

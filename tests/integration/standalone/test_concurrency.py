"""What runs in parallel, where, and in which order."""

import asyncio
import os
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from volnux import EventBase, ExecutorInitializerConfig, RetryPolicy
from volnux.backends import RunControl

WAIT = 20


def meeting(parties):
    """An event that ends only when this many of its attempts run at the same time."""
    barrier = threading.Barrier(parties)

    class Meet(EventBase):
        def process(self):
            barrier.wait(WAIT)
            return True, threading.current_thread().name

    return Meet


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_as_many_run_at_once_as_there_are_workers(flow, run, workers):
    plan = flow(" || ".join(["Meet"] * workers), meeting(workers))
    report = run(plan, workers=workers)
    assert report.status == "success"
    assert len({place.result for place in report.places.values()}) == workers


def test_no_more_run_at_once_than_there_are_workers(flow, run):
    now, most, lock = 0, 0, threading.Lock()

    class Count(EventBase):
        def process(self):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            threading.Event().wait(0.002)
            with lock:
                now -= 1
            return True, None

    assert run(flow(" || ".join(["Count"] * 40), Count), workers=3).status == "success"
    assert most == 3


def test_by_default_there_are_a_few_more_workers_than_processors(flow, run):
    workers = min(32, (os.cpu_count() or 1) + 4)
    assert run(flow(" || ".join(["Meet"] * workers), meeting(workers))).status == "success"


def test_chains_beside_each_other_advance_independently(flow, run):
    first, second = threading.Event(), threading.Event()

    class A(EventBase):
        def process(self):
            return second.wait(WAIT), None

    class B(EventBase):
        def process(self):
            return first.wait(WAIT), None

    class C(EventBase):
        def process(self):
            first.set()
            return True, None

    class D(EventBase):
        def process(self):
            second.set()
            return True, None

    assert run(flow("{A} || {C -> B -> D}", A, B, C, D), workers=2).status == "success"


def test_a_chain_stays_on_one_thread(flow, run):
    class A(EventBase):
        def process(self):
            return True, threading.get_ident()

    report = run(flow(" -> ".join(["A"] * 50), A))
    assert len({place.result for place in report.places.values()}) == 1


def test_a_thread_pool_is_one_for_an_event_class(flow, run):
    class Pooled(EventBase):
        executor = ThreadPoolExecutor
        executor_config = ExecutorInitializerConfig(
            max_workers=2, thread_name_prefix="mine", max_tasks_per_child=3
        )

        def process(self):
            barrier.wait(WAIT)
            return True, threading.current_thread().name

    class Other(Pooled):
        executor_config = ExecutorInitializerConfig(max_workers=1, thread_name_prefix="other")

        def process(self):
            return True, threading.current_thread().name

    barrier = threading.Barrier(2)
    flow_text = "{Pooled || Pooled || Other} -> {Pooled || Pooled || Other}"
    report = run(flow(flow_text, Pooled, Other), workers=1)
    assert report.status == "success"
    names = {place.result for place in report.places.values()}
    assert {name.rpartition("_")[0] for name in names} == {"mine", "other"}
    assert len(names) == 3


class Inline(Executor):
    """Runs everything at once, in `submit`."""

    made = 0

    def __init__(self, max_workers=None):
        type(self).made += 1
        self.shut = False

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.shut = True


def test_any_executor_class_will_do(flow, run):
    class E(EventBase):
        executor = Inline
        executor_config = ExecutorInitializerConfig(max_workers=3, max_tasks_per_child=1)

        def process(self, previous_result):
            return True, (previous_result or 0) + 1

    Inline.made = 0
    report = run(flow(" |-> ".join(["E"] * 20_000), E))
    assert report.status == "success"
    assert report.places["E__20000"].result == 20_000
    assert report.places["E"].started_at is not None
    assert Inline.made == 1


@pytest.mark.parametrize("where", ["init", "submit"])
def test_an_executor_that_cannot_be_used_fails_its_event(flow, run, where):
    class Broken(Inline):
        def __init__(self):
            if where == "init":
                raise OSError("no executor today")
            super().__init__()

        def submit(self, function, /, *args, **kwargs):
            raise OSError("no executor today")

    class E(EventBase):
        executor = Broken
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0)

        def process(self):
            return True, 1

    class Handler(EventBase):
        def process(self, previous_result):
            return True, str(previous_result)

    report = run(flow("E (0 |-> Handler)", E, Handler))
    assert report.status == "success"
    assert report.places["Handler"].result == "OSError: no executor today"
    assert report.places["E"].attempts == 2
    assert report.places["E"].failure.attempts == 2


@pytest.mark.parametrize("base", [Executor, ThreadPoolExecutor])
def test_what_an_executor_cancels_itself_has_failed(flow, run, base):
    class Fickle(base):
        def submit(self, function, /, *args, **kwargs):
            future = Future()
            threading.Timer(0.01, future.cancel).start()
            return future

    class E(EventBase):
        executor = Fickle
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0)

        def process(self):
            return True, 1

    report = run(flow("E", E))
    assert report.places["E"].attempts == 2
    assert report.places["E"].failure.type == "volnux.WorkerLost"
    assert report.places["E"].failure.message == "the executor of E cancelled it"


def test_nothing_begins_when_the_run_is_cancelled_while_its_pool_is_made(flow, run):
    control = RunControl()

    class Slow(ThreadPoolExecutor):
        def __init__(self):
            super().__init__(1)
            control.cancel()

    class E(EventBase):
        executor = Slow

        def process(self):
            return True, None

    report = run(flow("E || E", E), control=control)
    assert report.status == "cancelled"
    assert [place.attempts for place in report.places.values()] == [0, 0]


def test_what_is_swept_out_with_its_pool_is_not_said_to_begin(flow, run):
    begun, release = [], threading.Event()
    # The first of three runs, and all of them are in the pool.
    ready = threading.Barrier(3)

    class Queue(ThreadPoolExecutor):
        submitted = 0

        def submit(self, function, /, *args, **kwargs):
            future = super().submit(function, *args, **kwargs)
            self.submitted += 1
            if self.submitted == 3:
                ready.wait(WAIT)
            return future

    class Quits:
        """An observer that ends the run while two events are queued."""

        def __getattr__(self, name):
            return lambda *_: None

        def place_started(self, node, number):
            begun.append(node.id)

        def place_ended(self, node, outcome):
            threading.Timer(0.2, release.set).start()
            raise SystemExit

    class Pooled(EventBase):
        executor = Queue
        executor_config = ExecutorInitializerConfig(max_workers=1)

        def process(self):
            ready.wait(WAIT)
            release.wait(WAIT)
            return True, None

    class Ends(EventBase):
        def process(self):
            ready.wait(WAIT)
            return True, None

    with pytest.raises(SystemExit):
        run(flow("Pooled || Pooled || Pooled || Ends", Pooled, Ends), observer=Quits())
    assert sorted(begun) == ["Ends", "Pooled"]


def test_coroutines_share_one_loop_and_one_thread(flow, run):
    class Co(EventBase):
        meeting = None

        async def process(self):
            if Co.meeting is None:
                Co.meeting = asyncio.Event(), []
            event, present = Co.meeting
            present.append(self.task_id)
            if len(present) == 500:
                event.set()
            await event.wait()
            return True, (id(asyncio.get_running_loop()), threading.get_ident())

    report = run(flow(" || ".join(["Co"] * 500), Co), workers=1)
    assert report.status == "success"
    assert len({place.result for place in report.places.values()}) == 1


def test_a_coroutine_in_a_pool_has_a_loop_of_its_own(flow, run):
    class Co(EventBase):
        executor = ThreadPoolExecutor

        async def process(self):
            await asyncio.sleep(0)
            return True, threading.current_thread().name

    report = run(flow("Co", Co))
    assert report.places["Co"].result.startswith("ThreadPoolExecutor")


def test_a_retry_wait_occupies_no_worker(flow, run):
    other_ran = threading.Event()

    class Again(EventBase):
        retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0.2)

        def process(self):
            if self.attempt == 1:
                raise OSError
            return other_ran.is_set(), None

    class Other(EventBase):
        def process(self):
            other_ran.set()
            return True, None

    assert run(flow("Again || Other", Again, Other), workers=1).status == "success"


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor, Inline])
def test_a_run_inside_an_event_of_another_run(flow, run, executor):
    class Leaf(EventBase):
        def process(self):
            return True, self.run_id

    class Outer(EventBase):
        def process(self):
            inner = run(flow("Leaf || Leaf", Leaf))
            return inner.status == "success", inner.places["Leaf"].result

    Outer.executor = executor
    report = run(flow("Outer || Outer", Outer), workers=2)
    assert report.status == "success"
    assert report.places["Outer"].result != report.places["Outer__2"].result


def test_several_runs_at_once_keep_apart(flow, run):
    class A(EventBase):
        def process(self, previous_result):
            return True, (*(previous_result or ()), self.run_id)

    plan = flow(" |-> ".join(["A"] * 200), A)
    reports = {}

    def one(name):
        reports[name] = run(plan, run_id=name)

    threads = [threading.Thread(target=one, args=[f"run-{i}"]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name, report in reports.items():
        assert report.run_id == name
        assert report.places["A__200"].result == (name,) * 200
    assert len(reports) == 8


def test_fewer_threads_than_wanted_will_do(flow, run, monkeypatch):
    class A(EventBase):
        def process(self):
            return True, None

    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith("volnux-") and thread.name != "volnux-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run(flow(" || ".join(["A"] * 50), A), workers=8).status == "success"

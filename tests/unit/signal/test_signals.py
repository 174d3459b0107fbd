"""Signals: who is notified of what, and what a listener may do."""

import asyncio
import gc
import logging
import os
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from volnux import EventBase, EventFailedError, InputDataField, Pipeline, RetryPolicy
from volnux.decorators import event, listener
from volnux.events import Call, run_event
from volnux.events.spec import spec_of
from volnux.signal import ListenerError, SoftSignal, signals
from volnux.signal.soft import is_heard, redirected

EVENT_SIGNALS = [
    signals.event_execution_init,
    signals.event_execution_start,
    signals.event_execution_retry,
    signals.event_execution_retry_done,
    signals.event_execution_end,
    signals.task_completed,
    signals.task_failed,
]


class InThread(EventBase):
    executor = ThreadPoolExecutor

    def process(self, who):
        return True, f"thread {who}"


class InProcess(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}  # noqa: RUF012 - as a user writes it

    def process(self, who):
        return True, f"process {who}"


class Coroutine(EventBase):
    async def process(self, who):
        await asyncio.sleep(0)
        return True, f"coroutine {who}"


class Plain(EventBase):
    def process(self, who):
        return True, f"plain {who}"


class Flaky(EventBase):
    retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0.001)

    def process(self):
        if self.attempt < 3:
            raise ConnectionError("again")
        return True, "at last"


@event
def broken():
    raise ValueError("for good")


class Four(Pipeline):
    who = InputDataField(data_type=str, default="you")

    class Meta:
        pointy = "Plain -> InThread -> InProcess -> Coroutine"


class Retries(Pipeline):
    class Meta:
        pointy = "Flaky (1 -> broken)"


@pytest.fixture
def record():
    """All event signals, in the order in which they were emitted."""
    heard = []
    listeners = []
    for each in EVENT_SIGNALS:

        def hear(sender, signal, **arguments):
            heard.append((signal.name, sender, arguments))

        each.connect(hear)
        listeners.append((each, hear))
    yield heard
    for each, hear in listeners:
        assert each.disconnect(hear)


def test_every_way_to_run_an_event_is_heard_in_the_driving_process(record):
    pid = os.getpid()
    seen = []

    def where(event):
        seen.append(os.getpid())

    signals.event_execution_start.connect(where)
    try:
        pipeline = Four(who="Ada")
        context = pipeline.start()
    finally:
        signals.event_execution_start.disconnect(where)
    context.raise_for_status()
    assert seen == [pid] * 4
    assert [(name, sender) for name, sender, _ in record] == [
        (name, sender)
        for sender in (Plain, InThread, InProcess, Coroutine)
        for name in (
            "event_execution_init",
            "event_execution_start",
            "event_execution_end",
            "task_completed",
        )
    ]
    assert all(arguments["execution_context"] is context for _, _, arguments in record)
    init = record[0][2]
    assert init["call_kwargs"] == {"who": "Ada"}
    assert init["event"].task_id == "Plain"
    assert init["executor"].__name__ == "DefaultExecutor"
    assert record[4][2]["executor"] is ThreadPoolExecutor
    assert record[2][2]["future"].result() == "plain Ada"
    assert record[3][2]["result"] == "plain Ada"


def test_retries_and_failures_are_heard(record):
    Retries().start()
    got = [
        (name, {k: v for k, v in a.items() if k in ("retry_count", "max_attempts", "backoff")})
        for name, _, a in record
    ]
    assert got == [
        ("event_execution_init", {}),
        ("event_execution_start", {}),
        ("event_execution_retry", {"backoff": 0.001, "retry_count": 1, "max_attempts": 3}),
        ("event_execution_retry", {"backoff": 0.002, "retry_count": 2, "max_attempts": 3}),
        ("event_execution_retry_done", {"max_attempts": 3}),
        ("event_execution_end", {}),
        ("task_completed", {}),
        ("event_execution_init", {}),
        ("event_execution_start", {}),
        ("event_execution_end", {}),
        ("task_failed", {}),
    ]
    future = record[-2][2]["future"]
    with pytest.raises(EventFailedError, match="ValueError: for good") as caught:
        future.result()
    assert caught.value.failure.type == "ValueError"
    assert record[-1][2]["result"].message == "for good"


def test_an_event_run_alone_is_heard_too(record):
    outcome = run_event(spec_of("Flaky", Flaky), Call("Flaky"), context="mine")
    assert outcome.attempts == 3
    assert [name for name, _, _ in record].count("event_execution_retry") == 2
    assert {arguments["execution_context"] for _, _, arguments in record} == {"mine"}


def test_the_signals_of_a_pipelines_life():
    heard = []
    names = ("pipeline_pre_init", "pipeline_post_init", "pipeline_execution_start")
    names += ("pipeline_execution_end", "pipeline_shutdown", "pipeline_stop")

    def hear(sender, signal, **arguments):
        heard.append((signal.name, sender, arguments))

    for name in names:
        getattr(signals, name).connect(hear, sender=Four)
    try:
        pipeline = Four(who="Ada")
        context = pipeline.start()
        pipeline.shutdown()
    finally:
        for name in names:
            assert getattr(signals, name).disconnect(hear, sender=Four)
    assert heard == [
        ("pipeline_pre_init", Four, {"cls": Four, "args": (), "kwargs": {"who": "Ada"}}),
        ("pipeline_post_init", pipeline, {"pipeline": pipeline}),
        ("pipeline_execution_start", pipeline, {"pipeline": pipeline}),
        ("pipeline_execution_end", pipeline, {"execution_context": context}),
        ("pipeline_shutdown", pipeline, {}),
    ]


def test_senders():
    signal = SoftSignal("test_senders")
    heard = []

    class Child(Four):
        pass

    one, other = Child(), Child()
    listeners = [
        (lambda: heard.append("all"), None),
        (lambda: heard.append("base"), Pipeline),
        (lambda: heard.append("class"), Child),
        (lambda: heard.append("one"), one),
        (lambda: heard.append("sibling"), Retries),
    ]
    for function, sender in listeners:
        signal.connect(function, sender)
    signal.emit(one)
    assert heard == ["all", "base", "class", "one"]
    heard.clear()
    signal.emit(other)
    assert heard == ["all", "base", "class"]
    heard.clear()
    signal.emit(Child)
    assert heard == ["all", "base", "class"]
    heard.clear()
    signal.emit()
    assert heard == ["all"]
    for function, sender in listeners:
        assert signal.disconnect(function, sender)
    assert not signal.disconnect(listeners[0][0])
    assert signal.emit(one) == []
    assert not signal.has_listeners


def test_a_listener_is_given_what_it_names():
    signal = SoftSignal("test_arguments", ("a", "b"))
    got = []
    signal.connect(lambda a: got.append(a))
    signal.connect(lambda sender, signal, b, c=5: got.append((sender, signal.name, b, c)))
    signal.connect(lambda *args, **kwargs: got.append((args, sorted(kwargs))))
    signal.emit("me", a=1, b=2)
    assert got == [1, ("me", "test_arguments", 2, 5), ((), ["a", "b", "sender", "signal"])]


def test_a_listener_that_raises_harms_nothing(caplog):
    signal = SoftSignal("test_raises")
    called = []

    def bad():
        raise RuntimeError("listener broke")

    def leaves():
        sys.exit(3)

    for each in (bad, leaves, lambda: called.append(1)):
        signal.connect(each)
    with caplog.at_level(logging.ERROR, "volnux.signal"):
        answers = signal.emit()
    assert called == [1]
    assert [answer for _, answer in answers] == [None, None, None]
    assert "a listener of the signal test_raises failed" in caplog.text
    assert "listener broke" in caplog.text

    signals.event_execution_start.connect(bad)
    try:
        assert Retries().start().results["Flaky"] == "at last"
    finally:
        signals.event_execution_start.disconnect(bad)


def test_lambdas_and_methods_stay_connected():
    signal = SoftSignal("test_alive")
    heard = []

    class Own:
        def hear(self):
            heard.append("method")

    signal.connect(lambda: heard.append("lambda"))
    own = Own()
    signal.connect(own.hear)
    signal.connect(own.hear)
    del own
    gc.collect()
    signal.emit()
    assert heard == ["lambda", "method"]


def test_the_decorator_takes_one_signal_or_several():
    one, two = SoftSignal("test_one"), SoftSignal("test_two")
    heard = []

    @listener([one, two], sender=Four)
    def hear(signal):
        heard.append(signal.name)

    @listener(one)
    def hear_all(signal):
        heard.append("any")

    one.emit(Four)
    two.emit(Four)
    one.emit(Retries)
    assert heard == ["test_one", "any", "test_two", "any"]


def test_a_signal_is_its_name():
    assert SoftSignal("x") == SoftSignal("x") == pickle.loads(pickle.dumps(SoftSignal("x")))
    assert len({SoftSignal("x"), SoftSignal("x"), SoftSignal("y")}) == 2
    heard = []
    SoftSignal("same_name").connect(lambda: heard.append(1))
    SoftSignal("same_name").emit()
    assert heard == [1]
    assert repr(SoftSignal("x")) == "SoftSignal('x')"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (3, "a listener must be a function, found 3"),
        (
            lambda pipelin: None,
            "the listener '<lambda>' requires the argument 'pipelin', which the signal "
            "pipeline_execution_start does not provide; did you mean 'pipeline'?",
        ),
        (
            lambda pipeline, /: None,
            "the listener '<lambda>' takes 'pipeline' by position only, but arguments are passed "
            "by name",
        ),
        (
            asyncio.sleep,
            "the listener 'sleep' is a coroutine function, which would never be awaited",
        ),
    ],
)
def test_a_listener_that_cannot_work_is_refused(function, message):
    with pytest.raises(ListenerError) as caught:
        signals.pipeline_execution_start.connect(function)
    assert str(caught.value) == message


def test_a_signal_needs_a_name():
    with pytest.raises(ListenerError, match="a signal must have a name, found ''"):
        SoftSignal("")


def test_signals_can_be_redirected():
    signal = SoftSignal("test_redirected")
    heard, sent = [], []
    signal.connect(lambda: heard.append(1))
    with redirected(["test_redirected", "test_other"], lambda *given: sent.append(given)):
        assert SoftSignal("test_other").has_listeners
        signal.emit("me", a=1)
    signal.emit()
    assert (heard, sent) == ([1], [(signal, "me", {"a": 1})])
    assert not SoftSignal("test_other").has_listeners
    assert is_heard(frozenset({"test_redirected"}))


def test_connecting_from_many_threads():
    signal = SoftSignal("test_threads")
    count = []

    def work():
        for _ in range(50):

            def own():
                count.append(1)

            signal.connect(own)
            signal.emit()
            assert signal.disconnect(own)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(count) >= 200
    assert not signal.has_listeners

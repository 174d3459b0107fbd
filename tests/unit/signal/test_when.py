"""When each signal is emitted, and when not: every way in which a run can go."""

import contextlib
import os
import signal
import threading

import pytest
from volnux_standalone import StandaloneBackend

from volnux import EventBase, InputDataField, InputError, Pipeline
from volnux.backends import BackendError, RunControl
from volnux.pipeline import BatchPipeline
from volnux.signal import signals

ALL = [getattr(signals, name) for name in signals.__all__]


class Ok(EventBase):
    def process(self):
        return True, None


class Three(EventBase):
    def process(self):
        return True, [1, 2, 3]


class No(EventBase):
    def process(self):
        return False, None


class Five(EventBase):
    def process(self):
        return 5, None


class Raises(EventBase):
    def process(self):
        raise ValueError


class Twice(EventBase):
    retry_policy = {"max_attempts": 2, "backoff_factor": 0}  # noqa: RUF012 - as a user writes it

    def process(self):
        raise ValueError


class Waits(EventBase):
    every = 0.01

    def process(self):
        if self.polls < 2:
            self.not_yet("no file")
        return True, None


class Skips(EventBase):
    def can_bypass(self):
        return True, None

    def process(self):
        raise AssertionError


class Late(EventBase):
    async def process(self):
        import asyncio

        await asyncio.sleep(60)


class Ends(EventBase):
    stop_on_exception = True

    def process(self):
        raise ValueError


class Interrupts(EventBase):
    """Sends Ctrl-C, and ends when the run has noticed it."""

    def process(self):
        told = threading.Event()
        signals.pipeline_stop.connect(told.set)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            assert told.wait(30)
        finally:
            signals.pipeline_stop.disconnect(told.set)
        return True, None


class Quits(EventBase):
    def process(self):
        raise KeyboardInterrupt


class Stops(EventBase):
    """Stops the run, as another thread would."""

    def process(self, run):
        run["pipeline"].stop()
        run["pipeline"].stop()
        return True, None


class ShutsDown(EventBase):
    def process(self, run):
        run["pipeline"].shutdown(wait=False)
        return True, None


class Crashing(StandaloneBackend):
    def run(self, plan, inputs, options=None):
        raise RuntimeError("the backend is broken")


EVENTS = [
    Ok,
    Three,
    No,
    Five,
    Raises,
    Twice,
    Waits,
    Skips,
    Late,
    Ends,
    Interrupts,
    Quits,
    Stops,
    ShutsDown,
]


@pytest.fixture
def heard():
    """The names of the signals, in order; those of an event with its place."""
    names = []
    listeners = []
    for each in ALL:

        def hear(sender, signal, **arguments):
            event = arguments.get("event")
            names.append(signal.name + (f" {event.task_id}" if event else ""))

        each.connect(hear)
        listeners.append((each, hear))
    yield names
    for each, hear in listeners:
        each.disconnect(hear)


def ran(place, ended="task_completed", *between):
    return [
        f"event_execution_init {place}",
        f"event_execution_start {place}",
        *(f"{name} {place}" for name in between),
        f"event_execution_end {place}",
        f"{ended} {place}",
    ]


def ran_and_stopped(place, ended="task_completed"):
    """The event stops the run while it is running."""
    begun, started, *rest = ran(place, ended)
    return [begun, started, "pipeline_stop", *rest]


MADE = ["pipeline_pre_init", "pipeline_post_init"]
BEGUN = [*MADE, "pipeline_execution_start"]
ENDED = ["pipeline_execution_end", "pipeline_shutdown"]
RETRIED = ("event_execution_retry", "event_execution_retry_done")


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        ("Ok", ran("Ok")),
        ("Ok -> No", [*ran("Ok"), *ran("No", "task_failed")]),
        ("Ok (0 -> No, 1 -> Skips)", [*ran("Ok"), *ran("Skips")]),
        ("No (0 -> Ok)", [*ran("No", "task_failed"), *ran("Ok")]),
        ("Raises -> Ok", ran("Raises", "task_failed")),
        ("Five (5 -> Ok)", [*ran("Five"), *ran("Ok")]),
        ("Five", ran("Five", "task_failed")),
        ("Five (0 -> Ok)", [*ran("Five", "task_failed"), *ran("Ok")]),
        ("Twice", ran("Twice", "task_failed", *RETRIED)),
        ("Late[timeout=0.05]", ran("Late", "task_failed")),
        ("Waits", ran("Waits", "task_completed", *["event_execution_wait"] * 2)),
        ("Waits[within=0.0001]", ran("Waits", "task_failed")),
        ("Ends -> Ok", [*ran("Ends", "task_failed"), "pipeline_stop"]),
        (
            "Three |-> Ok[each=n, at_once=1]",
            [*ran("Three"), *ran("Ok[0]"), *ran("Ok[1]"), *ran("Ok[2]")],
        ),
        ("Stops -> Ok", ran_and_stopped("Stops")),
        ("ShutsDown -> Ok", ran_and_stopped("ShutsDown")),
        ("Interrupts -> Ok", ran_and_stopped("Interrupts")),
        ("Quits -> Ok", ran_and_stopped("Quits", "task_failed")),
    ],
)
def test_the_signals_of_a_run(flow, expected, heard):
    run = {}

    class Flow(Pipeline):
        run = InputDataField()

        class Meta:
            pointy = flow
            events = EVENTS

    pipeline = run["pipeline"] = Flow(run=run)
    with contextlib.suppress(KeyboardInterrupt):
        pipeline.start()
    assert heard == [*BEGUN, *expected, *ENDED]
    pipeline.shutdown()
    assert heard == [*BEGUN, *expected, *ENDED]


def test_the_signal_of_a_wait_says_why_and_how_long():
    told = []

    def hear(event, task_id, reason, wait, polls):
        told.append((event.polls, task_id, reason, wait, polls))

    class Flow(Pipeline):
        class Meta:
            pointy = "Waits"
            events = EVENTS

    signals.event_execution_wait.connect(hear)
    try:
        Flow().start()
    finally:
        signals.event_execution_wait.disconnect(hear)
    assert told == [(0, "Waits", "no file", 0.01, 1), (1, "Waits", "no file", 0.01, 2)]


def test_the_event_of_a_copy_has_its_index():
    seen = []

    class Flow(Pipeline):
        class Meta:
            pointy = "Three |-> Ok[each=n]"
            events = EVENTS

    def hear(event, task_id):
        seen.append((task_id, event.index, event.inputs.get("n")))

    signals.task_completed.connect(hear)
    try:
        Flow().start()
    finally:
        signals.task_completed.disconnect(hear)
    assert sorted(seen) == [
        ("Ok[0]", (0,), 1),
        ("Ok[1]", (1,), 2),
        ("Ok[2]", (2,), 3),
        ("Three", (), None),
    ]


class Plain(Pipeline):
    who = InputDataField(data_type=str, required=True)

    class Meta:
        pointy = "Ok"


def test_a_run_that_is_cancelled_before_it_begins(heard):
    control = RunControl()
    control.cancel()
    Plain(who="Ada").start(control=control)
    assert heard == [*BEGUN, "pipeline_stop", *ENDED]


@pytest.mark.parametrize(
    ("inputs", "options", "error", "expected"),
    [
        ({"who": "Ada"}, {"backend": "none-such"}, BackendError, MADE),
        ({}, {}, InputError, MADE),
        ({"who": "Ada"}, {"backend": Crashing()}, RuntimeError, [*BEGUN, "pipeline_shutdown"]),
    ],
    ids=["no backend", "a missing input", "a broken backend"],
)
def test_what_never_ran_never_ends(inputs, options, error, expected, heard):
    pipeline = Plain(**inputs)
    with pytest.raises(error):
        pipeline.start(**options)
    assert heard == expected


class Part(Pipeline):
    part = InputDataField(data_type=list, batch_size=1)

    class Meta:
        pointy = "Ok"


class All(BatchPipeline):
    pipeline_template = Part


@pytest.fixture
def heard_of_batches():
    names = []

    def hear(sender, signal):
        names.append(signal.name)

    for each in (signals.pipeline_stop, signals.pipeline_shutdown):
        each.connect(hear, sender=All)
    yield names
    for each in (signals.pipeline_stop, signals.pipeline_shutdown):
        each.disconnect(hear, sender=All)


def test_batches_shut_down_when_they_have_ended(heard_of_batches):
    batches = All(part=[1, 2])
    batches.execute().raise_for_status()
    assert heard_of_batches == ["pipeline_shutdown"]
    batches.shutdown()
    assert heard_of_batches == ["pipeline_shutdown"]


def stop(progress, batches):
    batches.stop()
    batches.stop()


def shutdown(progress, batches):
    batches.shutdown(wait=False)


@pytest.mark.parametrize("how", [stop, shutdown])
def test_batches_that_are_stopped(how, heard_of_batches):
    batches = All(part=range(1000))
    report = batches.execute(max_workers=1, progress=lambda progress: how(progress, batches))
    assert report.total < 1000
    assert heard_of_batches == ["pipeline_stop", "pipeline_shutdown"]


class Interrupted(Pipeline):
    part = InputDataField(data_type=list, batch_size=1)

    class Meta:
        pointy = "Interrupts"


class AllInterrupted(All):
    pipeline_template = Interrupted


def test_batches_that_are_interrupted(heard_of_batches):
    with contextlib.suppress(KeyboardInterrupt):
        AllInterrupted(part=range(1000)).execute(max_workers=1)
    assert heard_of_batches == ["pipeline_stop", "pipeline_shutdown"]


def test_batches_that_are_left_early(heard_of_batches):
    for _ in All(part=range(100_000)).stream():
        break
    assert heard_of_batches == ["pipeline_stop", "pipeline_shutdown"]

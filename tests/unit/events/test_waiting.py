"""Events that say "not yet": when they are called again, and how long they may wait."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from volnux import EventBase, NotYet, RetryPolicy, event, not_yet, testing
from volnux.events import Call, EventDefinitionError, Outcome, run_attempt, run_event
from volnux.events.outcome import Polls
from volnux.events.spec import spec_of
from volnux.graph import Failure
from volnux.loading import load_plan

HOUR = 3600.0


class Clock:
    """A time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("volnux.events.run.time", SimpleNamespace(time=lambda: clock.now))
    return clock


def until(clock, hours, *, takes=0.0):
    """An event that waits for a time; `calls` are the seconds since the first call."""
    begin = clock.now

    class Ready(EventBase):
        calls = []  # noqa: RUF012 - the test reads it

        def process(self):
            self.calls.append(clock.now - begin)
            clock.sleep(takes)
            if clock.now < begin + hours * HOUR:
                self.not_yet(f"no file, says call {len(self.calls)}")
            return True, (self.attempt, self.polls)

    return Ready


def run(target, clock, **options):
    return run_event(spec_of("E", target, **options), Call("E", "r"), sleep=clock.sleep)


def test_a_wait_of_three_hours(clock):
    ready = until(clock, 3)
    outcome = run(ready, clock)
    assert (outcome.descriptor, outcome.result, outcome.attempts) == (1, (1, 180), 1)
    assert outcome.polls == Polls(1_800_000_000.0, 180)
    assert ready.calls == [60.0 * number for number in range(181)]
    assert outcome.ended_at - outcome.started_at == 3 * HOUR


def test_a_day_is_the_longest_wait(clock):
    ready = until(clock, 48)
    outcome = run(ready, clock, factor=5)
    assert len(ready.calls) == 24 * 60 + 1
    assert ready.calls[-1] == 24 * HOUR
    assert outcome.result == Failure("NotYetError", "no file, says call 1441", attempts=1)
    assert (outcome.descriptor, outcome.raised, outcome.retry_after) == (0, True, None)
    assert outcome.polls.number == 1441


@pytest.mark.parametrize(
    ("every", "within", "takes", "calls"),
    [
        (50, 120, 0, [0, 50, 100, 120]),
        (60, 120, 0, [0, 60, 120]),
        (500, 120, 0, [0, 120]),
        # `every` counts from the end of a call.
        (50, 120, 20, [0, 70, 120]),
        # A call that is over too late is the last one.
        (50, 120, 130, [0]),
        (50, 0.0005, 0, [0]),
    ],
)
def test_the_last_call_is_at_the_deadline(clock, every, within, takes, calls):
    ready = until(clock, 48, takes=takes)
    outcome = run(ready, clock, every=every, within=within)
    assert ready.calls == calls
    assert outcome.polls.number == len(calls)
    assert outcome.result.type == "NotYetError"


def test_within_counts_over_attempts(clock):
    class E(EventBase):
        retry_policy = RetryPolicy(max_attempts=9, backoff_factor=100, max_backoff=100)
        every = 50
        seen = []  # noqa: RUF012 - the test reads it

        def process(self):
            self.seen.append((self.attempt, self.polls))
            if self.polls < self.attempt < 9:
                self.not_yet()
            raise ValueError

    outcome = run(E, clock, within=440)
    assert E.seen == [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3)]
    assert (outcome.attempts, outcome.polls.number) == (4, 4)
    assert outcome.result.message == 'E said "not yet" for 440 s'


def test_attempts_go_on_after_within(clock):
    """`within` ends only an event that says "not yet"."""

    class E(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=100)

        def process(self):
            if self.attempt < 3:
                raise ValueError
            return True, None

    assert run(E, clock, within=10).attempts == 3


def test_the_arguments_of_the_next_call():
    call = Call("E", "r", {"a": 1}, "piped", attempt=2)
    begun = Polls(5.0)
    poll = Outcome(0, Failure("NotYet", ""), 2, retry_after=9, polls=Polls(5.0, 3, under_way=True))
    retry = Outcome(0, Failure("ValueError", ""), 2, retry_after=9, polls=begun)
    assert poll.waits
    assert call.after(poll) == call._replace(polls=Polls(5.0, 3, under_way=True))
    assert not retry.waits
    assert call.after(retry) == call._replace(attempt=3, polls=begun)
    ended = Outcome(0, Failure("NotYetError", ""), polls=Polls(5.0, 3))
    assert not ended.waits


# What says it, and where.


class InBypass(EventBase):
    def can_bypass(self):
        if not self.polls:
            self.not_yet("no answer")
        return True, self.polls

    def process(self):
        raise AssertionError


class InCondition(EventBase):
    def process(self):
        return True, self.polls

    conditions = {  # noqa: RUF012 - as a user writes it
        3: lambda result: result == 1 or not_yet("no answer")
    }


class Deep(EventBase):
    def process(self):
        try:
            if not self.polls:
                raise NotYet("no answer")
        except Exception:
            return False, "caught"
        return True, self.polls


class Later(EventBase):
    async def process(self):
        if not self.polls:
            not_yet("no answer")
        return True, self.polls


@event
def function(self):
    if not self.polls:
        not_yet("no answer")
    return True, self.polls


@pytest.mark.parametrize("target", [InBypass, InCondition, Deep, Later, function])
def test_an_event_says_it_anywhere(target, clock):
    outcomes = []

    def sleep(seconds):
        outcomes.append(seconds)

    outcome = run_event(spec_of("E", target), Call("E", "r"), sleep=sleep)
    assert (outcome.descriptor in (1, 3), outcome.result, outcomes) == (True, 1, [60])
    assert outcome.bypassed is (target is InBypass)
    first = run_attempt(spec_of("E", target), Call("E", "r"))
    assert (first.waits, first.result) == (True, Failure("NotYet", "no answer"))


class Unwilling:
    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("no file", "no file"),
        ("", ""),
        (5, "5"),
        (None, "None"),
        (["a"], "['a']"),
        (Unwilling(), None),
    ],
)
def test_the_reason_becomes_a_text(reason, message):
    class E(EventBase):
        def process(self):
            self.not_yet(reason)

    outcome = run_attempt(spec_of("E", E), Call("E", "r"))
    assert outcome.waits
    assert isinstance(outcome.result.message, str)
    assert message is None or outcome.result.message == message
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_what_is_sent_to_other_processes_survives():
    error = pickle.loads(pickle.dumps(NotYet("no file")))
    assert (type(error), error.reason) == (NotYet, "no file")
    call = Call("E", "r", {}, polls=Polls(5.0, 3, under_way=True))
    assert pickle.loads(pickle.dumps(call)) == call


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_does_not_wait():
    Path("program.py").write_text(
        "import os\n"
        "from volnux import EventBase\n"
        "class E(EventBase):\n"
        "    def process(self):\n"
        "        child = os.fork()\n"
        "        if child == 0:\n"
        "            self.not_yet('in the child')\n"
        "        return True, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "outcome = E.try_out()\n"
        "print(outcome.descriptor, outcome.result, outcome.waits)\n"
    )
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "1 1 False\n", done.stderr


# Settings.


def test_settings_come_from_the_class_the_decorator_and_the_flow():
    Path("flow.pty").write_text("Plain -> Own -> Own[within=7] -> made -> made[every=0.5]")
    Path("flow_events.py").write_text(
        "from volnux import *\n"
        "class Plain(EventBase):\n    def process(self): return 1, 2\n"
        "class Own(Plain):\n    every = 5\n    within = 50\n"
        "@event(every=3, within=30.5)\ndef made(): return 1, 2\n"
    )
    plan = load_plan("flow.pty")
    specs = {node.id: plan.spec(node.id) for node in plan.graph.places()}
    specs |= {f"{place} again": pickle.loads(pickle.dumps(spec)) for place, spec in specs.items()}
    times = {place: (spec.every, spec.within) for place, spec in specs.items()}
    wanted = {
        "Plain": (60.0, 86400.0),
        "Own": (5.0, 50.0),
        "Own__2": (5.0, 7.0),
        "made": (3.0, 30.5),
        "made__2": (0.5, 30.5),
    }
    assert times == wanted | {f"{place} again": found for place, found in wanted.items()}
    changed = "Plain -> Own -> Own[within=8] -> made -> made[every=0.5]"
    fingerprint = plan.fingerprint
    Path("flow.pty").write_text(changed)
    assert load_plan("flow.pty").fingerprint != fingerprint


@pytest.mark.parametrize("name", ["every", "within"])
@pytest.mark.parametrize("value", ["1h", 0, -1, True, None, float("nan"), float("inf")])
def test_a_setting_that_is_no_number_of_seconds(name, value):
    made = type("E", (EventBase,), {name: value, "process": lambda self: (True, None)})
    decorated = event(**{name: value})(lambda: (True, None))
    for target in (made, decorated):
        with pytest.raises(EventDefinitionError, match=f"{name} of "):
            spec_of("E", target)


def test_an_attribute_polls_of_its_own_is_refused():
    class Base(EventBase):
        polls = ["a poll of voters"]  # noqa: RUF012 - as a user might write it

    class E(Base):
        def process(self):
            return True, self.polls

    with pytest.raises(EventDefinitionError, match="event E defines polls, which volnux sets"):
        spec_of("E", E)


# Without a run.


def test_trying_out_an_event_does_not_wait():
    outcome = Deep.try_out()
    assert (outcome.waits, outcome.result.message, outcome.polls.number) == (True, "no answer", 1)
    assert outcome.retry_after == 60


def test_a_stub_stands_for_an_event_that_waits():
    @event(every=0.01)
    def ready(self):
        self.not_yet()

    def stub():
        return True, "at once"

    report = testing.run(text="ready", events=[ready], stubs={"ready": stub})
    assert (report.places["ready"].result, report.places["ready"].polls) == ("at once", 0)

    def waits(self):
        if self.polls < 2:
            not_yet()
        return True, self.polls

    report = testing.run(text="ready", events=[ready], stubs={"ready": waits})
    assert (report.places["ready"].result, report.places["ready"].polls) == (2, 2)

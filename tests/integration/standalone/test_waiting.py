"""Events that wait cost no thread and no polling loop, and end when the run ends."""

import io
import json
import threading
import time

import pytest
from volnux_standalone.timers import Timers

from volnux import EventBase
from volnux.backends import RunControl
from volnux.backends.port import RunObserver
from volnux.cli.progress import Progress
from volnux.graph.report import RunReport

MANY = 2_000


class List(EventBase):
    def process(self, many=3):
        return True, list(range(many))


class Ready(EventBase):
    """Waits once."""

    every = 1.0

    def process(self):
        if not self.polls:
            self.not_yet("no file")
        return True, None


class Seen(RunObserver):
    def __init__(self, all_wait=lambda: None, wanted=1):
        self.told = []
        self.waiting = 0
        self.wanted = wanted
        self.all_wait = all_wait

    def place_started(self, node, attempt):
        self.told.append(f"{node.id} started")

    def place_waits(self, node, outcome):
        self.told.append(f"{node.id} waits for {outcome.result.message}")
        self.waiting += 1
        if self.waiting == self.wanted:
            self.all_wait()

    def place_ended(self, node, outcome):
        self.told.append(f"{node.id} ended")


def test_many_events_that_wait_hold_no_thread(flow, run):
    threads = []
    plan = flow(f"@input: many: int = {MANY}\nList |-> Ready[each=n]", List, Ready)

    def all_wait():
        threads.append(sum(each.name.startswith("volnux-") for each in threading.enumerate()))

    observer = Seen(all_wait, wanted=MANY)
    begun = time.monotonic()
    report = run(plan, {"many": MANY}, workers=2, observer=observer)
    assert report.succeeded
    copies = [place for place in report.places.values() if place.event == "Ready"]
    assert len(copies) == MANY
    assert {(place.attempts, place.polls) for place in copies} == {(1, 1)}
    assert time.monotonic() - begun >= 1
    # Two workers and the timer: no thread waits for an event.
    assert threads[0] <= 4


def counting(serve, woken):
    def counted(self):
        wait = self._changed.wait

        def count(timeout=None):
            woken.append(timeout)
            return wait(timeout)

        self._changed.wait = count
        serve(self)

    return counted


def test_an_event_that_waits_wakes_nothing(flow, run, monkeypatch):
    woken = []
    monkeypatch.setattr(Timers, "_serve", counting(Timers._serve, woken))
    report = run(flow("Ready[every=1.5]", Ready))
    assert report.places["Ready"].polls == 1
    # It slept once, or a few times if its sleep ended early.
    assert len(woken) <= 3
    assert woken[0] > 1


@pytest.mark.parametrize("how", ["cancel", "stop"])
def test_a_run_that_ends_does_not_wait_for_events_that_wait(flow, run, how):
    class Ends(EventBase):
        stop_on_exception = True

        def process(self):
            assert waits.wait(60)
            raise ValueError

    waits = threading.Event()
    control = RunControl()
    observer = Seen(waits.set if how == "stop" else control.cancel)
    text = "Ready[every=3600] -> List"
    text = f"{{{text}}} || Ends" if how == "stop" else text
    begun = time.monotonic()
    report = run(flow(text, Ready, List, Ends), control=control, observer=observer)
    assert time.monotonic() - begun < 60
    place = report.places["Ready"]
    assert (place.attempts, place.polls, place.descriptor) == (1, 1, None)
    assert str(place.state) == ("failed" if how == "stop" else "cancelled")
    assert str(report.status) == ("failed" if how == "stop" else "cancelled")
    assert report.places["List"].attempts == 0
    again = RunReport.from_json(json.loads(report.dumps()))
    assert again.places["Ready"].polls == 1


def test_an_observer_is_told_of_one_start_and_every_poll(flow, run):
    observer = Seen()
    report = run(flow("Ready[every=0.01] -> List", Ready, List), observer=observer)
    assert observer.told == [
        "Ready started",
        "Ready waits for no file",
        "Ready ended",
        "List started",
        "List ended",
    ]
    # Reports of older versions have no polls.
    data = json.loads(report.dumps())
    assert "polls" not in data["places"]["List"]
    assert RunReport.from_json(data).places["List"].polls == 0


def test_results_that_are_not_kept_keep_their_polls(flow, run):
    report = run(flow("Ready[every=0.01] -> List", Ready, List), results=False)
    assert report.places["Ready"].polls == 1


def test_plain_progress_says_a_reason_once(flow, run):
    class Patient(EventBase):
        every = 0.01

        def process(self):
            if self.polls < 5:
                self.not_yet("no file" if self.polls < 3 else "no size")
            return True, None

    stream = io.StringIO()
    with Progress(stream) as progress:
        run(flow("Patient", Patient), observer=progress)
    lines = [line.partition("] ")[2] for line in stream.getvalue().splitlines()]
    assert [line for line in lines if "not yet" in line] == [
        "Patient: not yet: no file (next call in 10ms)",
        "Patient: not yet: no size (next call in 10ms)",
    ]
    assert any(line.endswith("after 5 polls") for line in lines)

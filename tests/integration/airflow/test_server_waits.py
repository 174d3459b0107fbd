"""Waits between the attempts and the calls of events, on a real Airflow."""

import json
from itertools import pairwise

import pytest
from volnux_airflow import compat

from tests.integration.airflow.runs import FINISHED
from tests.integration.airflow.test_server import put

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EVENTS = """
import json, time

def calls(name):
    # Appends the time of this call, and returns the number of earlier ones.
    with open(f"{HOME}/{name}.calls", "a+") as file:
        file.write(json.dumps(time.time()) + chr(10))
        file.seek(0)
        return len(file.readlines()) - 1

@event(retry_policy={"max_attempts": 3, "backoff_factor": 20.5})
def Grows():
    if calls("Grows") < 2:
        raise OSError("not there yet")
    return True, None

class Polls(EventBase):
    every = 21
    def process(self, name):
        number = calls(name)
        if number == 0:
            self.not_yet("no file")
        return True, number

# It says "not yet" in two attempts, of which the first fails.
class Mixed(EventBase):
    every, within = 20.5, 300
    retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0.5)
    def process(self):
        number = calls("Mixed")
        if number in (0, 2):
            self.not_yet("no file")
        if number == 1:
            raise OSError("half a file")
        return True, number

class Late(EventBase):
    every, within = 21, 30
    def process(self):
        calls("Late")
        self.not_yet("no file")
"""

FLOW = """
@input: names: list = ["x", "y"]
Grows || Polls(name="one") || Mixed || Late (0 |-> Told)
  || Polls(name=item) [each=item, in=names]
"""


def waits(server, name):
    """The seconds between the calls of an event."""
    times = [json.loads(line) for line in (server.home / f"{name}.calls").read_text().splitlines()]
    return [after - before for before, after in pairwise(times)]


def test_no_wait_is_too_short_or_keeps_a_slot(server):
    told = "@event\ndef Told(previous_result): return True, previous_result.message\n"
    put(server, FLOW, "waiting", events=f"HOME = {str(server.home)!r}\n{EVENTS}{told}")
    run = server.trigger("waiting")
    # Before Airflow 3.3, a task waits for its next call in the triggerer.
    without_slot = "up_for_reschedule" if compat.HAS_STATE_STORE else "deferred"
    seen = {}

    def ended():
        for task, item in server.tasks("waiting", run).items():
            seen.setdefault(task, set()).add(item["state"])
        return server.state("waiting", run) in FINISHED

    server.until("the run ends", ended, seconds=240)
    assert server.state("waiting", run) == "success"
    for task in ("Polls", "Polls__2[0]", "Polls__2[1]", "Mixed", "Late"):
        assert without_slot in seen[task], (task, seen[task])
    assert "up_for_retry" in seen["Grows"]
    first, second = waits(server, "Grows")
    assert (first >= 20.5, second >= 41) == (True, True)
    for name in ("one", "x", "y"):
        (wait,) = waits(server, name)
        assert wait >= 21
    first, between, second = waits(server, "Mixed")
    assert (first >= 20.5, between >= 0.5, second >= 20.5) == (True, True, True)
    found = {task: server.xcom("waiting", run, task, "volnux") for task in seen}
    assert (found["Mixed"]["attempts"], found["Mixed"]["polls"]) == (2, 2)
    assert (found["Polls"]["attempts"], found["Polls"]["polls"]) == (1, 1)
    assert (found["Grows"]["attempts"], found["Grows"].get("polls", 0)) == (3, 0)
    # Its last call is at the deadline.
    assert sum(waits(server, "Late")) >= 30
    assert found["Late"]["failure"]["type"] == "NotYetError"
    assert server.xcom("waiting", run, "Told") == "no file"

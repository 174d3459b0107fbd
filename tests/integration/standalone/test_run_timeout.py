"""`@run-timeout` on the standalone backend: what ends, what is left, what the report says."""

import time

import pytest

from volnux.graph import Failure, RunStatus
from volnux.testing import run

EVENTS = """
import asyncio, os, subprocess, sys, time
from concurrent.futures import ProcessPoolExecutor
from volnux import EventBase, event

@event
def quick(): return True, "done"

@event
def slow():
    time.sleep(4)
    return True, None

@event
async def waits():
    await asyncio.sleep(60)
    return True, None

@event(executor=ProcessPoolExecutor)
def far():
    subprocess.run(["sleep", "61"])
    return True, None

@event(retry_policy={"max_attempts": 2, "backoff_factor": 60})
def again():
    raise OSError("once")
"""


@pytest.fixture
def timed(tmp_path):
    def make(flow, limit="1s"):
        (tmp_path / "timed_events.py").write_text(EVENTS)
        path = tmp_path / "timed.pty"
        path.write_text(f"@run-timeout: {limit}\n{flow}")
        return path

    return make


@pytest.mark.parametrize(
    ("flow", "running"),
    [
        ("Quick -> {Slow || Waits || Far} -> Quick", ["Slow", "Waits", "Far"]),
        ("Quick -> {Waits (0 -> Quick)} (0 -> Quick) -> Quick", ["Waits"]),
    ],
)
def test_past_the_limit_everything_that_has_not_ended_is_failed(timed, flow, running):
    began = time.monotonic()
    report = run(timed(flow, "2s"))
    assert time.monotonic() - began < 30
    assert report.status is RunStatus.FAILED
    assert report.failure == Failure("RunTimeout", "the run took longer than 2 s, its @run-timeout")
    assert report.places["Quick"].state == "done"
    rest = {name: place for name, place in report.places.items() if name != "Quick"}
    assert {(place.state.value, place.descriptor) for place in rest.values()} == {("failed", None)}
    assert [name for name, place in rest.items() if place.attempts] == running


def test_a_wait_for_another_attempt_ends_with_the_run(timed):
    from volnux.backends import get_backend
    from volnux.loading import load_plan

    report = get_backend("standalone").run(load_plan(timed("Again -> Quick")), {})
    assert [place.state for place in report.places.values()] == ["failed", "failed"]
    assert report.failure.type == "RunTimeout"


def test_a_run_in_time_is_left_alone(timed):
    report = run(timed("Quick -> Quick", "1h"))
    assert report.succeeded
    assert report.failure is None

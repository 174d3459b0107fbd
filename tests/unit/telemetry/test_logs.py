"""Run and place in the lines of a log."""

import io
import logging
import threading

import pytest

from volnux import event
from volnux.telemetry import RunContextFilter

FORMAT = "%(run_id)s|%(place)s|%(event)s|%(attempt)s|%(message)s"


@pytest.fixture
def lines():
    """The lines of a logger whose handler has the filter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RunContextFilter())
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield lambda: stream.getvalue().splitlines()
    logger.removeHandler(handler)
    logger.propagate = True


@event
def Says():
    logging.getLogger("shop").info("hello")
    return True, None


@event
async def SaysLater():
    logging.getLogger("shop").info("later")
    return True, None


@event(retry_policy={"max_attempts": 2, "backoff_factor": 0.0})
def Again(self):
    logging.getLogger("shop").info("try")
    if self.attempt == 1:
        raise ValueError("once")
    return True, None


def test_events_log_their_run_and_place(run, lines):
    run("Says -> Says -> SaysLater -> Again", Says, SaysLater, Again, run_id="r7")
    assert lines() == [
        "r7|Says|Says|1|hello",
        "r7|Says__2|Says|1|hello",
        "r7|SaysLater|SaysLater|1|later",
        "r7|Again|Again|1|try",
        "r7|Again|Again|2|try",
    ]


def test_parallel_events_do_not_mix(run, lines):
    barrier = threading.Barrier(2)

    @event
    def Left():
        barrier.wait(10)
        logging.getLogger("shop").info("left")
        return True, None

    @event
    def Right():
        barrier.wait(10)
        logging.getLogger("shop").info("right")
        return True, None

    run("Left || Right", Left, Right, run_id="r8")
    assert sorted(lines()) == ["r8|Left|Left|1|left", "r8|Right|Right|1|right"]


def test_outside_of_events_there_are_dashes(lines):
    logging.getLogger("shop").info("alone")
    logging.getLogger("shop").info("mine", extra={"run_id": "given"})
    assert lines() == ["-|-|-|0|alone", "given|-|-|0|mine"]

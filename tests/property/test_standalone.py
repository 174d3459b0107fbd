"""Random programs on the standalone backend agree with the state machine, in any thread order.

The seed of each program is in the message of a failure; `VOLNUX_PROGRAMS=5000` runs more of them.
"""

import asyncio
import os
import random
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor

import pytest
from volnux_standalone import StandaloneBackend

from tests.property import naive
from tests.property.driving import Driven, plain
from volnux import EventBase, RetryPolicy
from volnux.backends import RunOptions
from volnux.events import Lookup, link
from volnux.graph import Failure, compile
from volnux.pointy import parse
from volnux.pointy.tree import Evaluation
from volnux.testing.behaviour import result_of, script_of, scripts
from volnux.testing.making import NAMES, random_program
from volnux.testing.programs import (
    DEFAULT_ATTEMPTS,
)
from volnux.testing.rendering import render

PROGRAMS = int(os.environ.get("VOLNUX_PROGRAMS", "200"))
SEED = int(os.environ.get("VOLNUX_SEED", "1"))
STEP = 100


class Boom(Exception):
    pass


def play(event, scripts, given, expected):
    """Do what the script of a place says for this attempt, and return its result."""
    script = script_of(scripts, event.task_id)
    wanted = expected[event.task_id].given
    assert shown(given) == shown(wanted), f"{event.task_id} is given {given}"
    if event.attempt <= script.raising:
        raise Boom(event.task_id)
    return script.descriptor, result_of(f"r:{event.task_id}", script)


def event_class(name, program, scripts, draw, *, slow):
    """An event that follows the scripts of its places, with a random executor."""
    expected = naive.evaluate(program).places
    kind = draw.choice(["default", "default", "coroutine", "pool"])

    def wait(event):
        return script_of(scripts, event.task_id).delay / 4000 if slow else 0.0

    def process(self, **given):
        if slow:
            time.sleep(wait(self))
        return play(self, scripts, given, expected)

    async def process_async(self, **given):
        await asyncio.sleep(wait(self))
        return play(self, scripts, given, expected)

    attributes = {
        "process": process_async if kind == "coroutine" else process,
        "retry_policy": RetryPolicy(max_attempts=DEFAULT_ATTEMPTS, backoff_factor=0.0),
    }
    states = dict(program.evaluations)
    if name in states:
        attributes["execution_evaluation_state"] = Evaluation(states[name])
    if kind == "pool":
        attributes["executor"] = ThreadPoolExecutor
        attributes["executor_config"] = {"max_workers": draw.randint(1, 3)}
    return type(name.rpartition(".")[2], (EventBase,), attributes)


def plan_of(program, draw, monkeypatch):
    slow = draw.random() < 0.3
    module, billing = types.ModuleType("made"), types.ModuleType("billing")
    for name in NAMES:
        made = event_class(name, program, scripts(program), draw, slow=slow)
        setattr(billing if "." in name else module, made.__name__, made)
    monkeypatch.setitem(sys.modules, "billing", billing)
    return link(compile(parse(render(program), filename="program.pty")), Lookup(extra=[module]))


def shown(value):
    match value:
        case Failure(type=kind) if kind.endswith("Boom"):
            return f"raised:{value.message}"
        case list():
            return [shown(item) for item in value]
        case dict():
            return {name: shown(item) for name, item in value.items()}
        case _:
            return plain(value)


def found(report):
    summary = {
        place: (
            str(ended.state),
            ended.descriptor,
            ended.attempts,
            shown(ended.failure or ended.result),
            shown(ended.received),
        )
        for place, ended in report.places.items()
    }
    return str(report.status) == "success", summary


@pytest.mark.parametrize("first", range(SEED, SEED + PROGRAMS, STEP))
@pytest.mark.timeout(600)
def test_a_run_agrees_with_the_state_machine(first, monkeypatch):
    for seed in range(first, min(first + STEP, SEED + PROGRAMS)):
        draw = random.Random(seed)
        program = random_program(draw)
        plan = plan_of(program, draw, monkeypatch)
        options = RunOptions(workers=draw.choice([None, 1, 2, 8]))
        report = StandaloneBackend().run(plan, plan.bind({}), options)
        success, _, summary = Driven(program, plan.graph).by_delay().outcome()
        assert found(report) == (success, summary), f"seed {seed}:\n{render(program)}"
        for place in report.places.values():
            assert (place.attempts > 0) == (place.started_at is not None)
            assert (place.attempts > 0) == (place.ended_at is not None)

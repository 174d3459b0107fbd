"""Random programs without `each` by `dag.test()` agree with the state machine.

The seed of each is in the message of a failure; `VOLNUX_AIRFLOW_PROGRAMS=100` runs more of them.
"""

import os
import random
import sys
import types

import pytest
from volnux_airflow import AirflowBackend

from tests.integration.airflow.test_words import shown
from volnux import EventBase
from volnux.backends.port import RunOptions
from volnux.backends.registry import get_backend
from volnux.events import Lookup, link
from volnux.graph import compile, simulate
from volnux.loading import load_plan
from volnux.pointy import parse
from volnux.pointy.tree import Evaluation
from volnux.testing.making import NAMES, random_program
from volnux.testing.programs import places
from volnux.testing.rendering import render

PROGRAMS = int(os.environ.get("VOLNUX_AIRFLOW_PROGRAMS", "6"))
SEED = int(os.environ.get("VOLNUX_SEED", "1000"))


@pytest.mark.timeout(60 + 20 * PROGRAMS)
def test_random_programs(monkeypatch):
    for seed in range(SEED, SEED + PROGRAMS):
        program = random_program(random.Random(seed), events=10, repeats=False)
        scripts = {place: event.script for place, event in places(program).items()}
        plan = _plan(program, scripts, monkeypatch)
        outcomes = {
            place: 0 if script.raising else script.descriptor for place, script in scripts.items()
        }
        expected = simulate(plan.graph, places=outcomes)
        report = AirflowBackend().run(plan, plan.bind({}))
        message = f"seed {seed}: {render(program)}"
        assert report.status == expected.status, message
        for place, item in expected.places.items():
            got = report.places[place]
            assert (got.state, got.descriptor) == (item.state, item.descriptor), (place, message)


def _plan(program, scripts, monkeypatch):
    def process(self, **given):
        script = scripts[self.task_id]
        if script.raising:
            raise ValueError(self.task_id)
        return script.descriptor, None if script.silent else self.task_id

    made, billing = types.ModuleType("made"), types.ModuleType("billing")
    monkeypatch.setitem(sys.modules, "billing", billing)
    states = dict(program.evaluations)
    for name in NAMES:
        last = name.rpartition(".")[2]
        attributes = {"process": process, "retry_policy": {"max_attempts": 1}}
        if name in states:
            attributes["execution_evaluation_state"] = Evaluation(states[name])
        class_ = type(last, (EventBase,), attributes)
        setattr(billing if "." in name else made, last, class_)
    # A factor would only cost time here: what raises raises always.
    text = render(program)
    graph = compile(parse(text, filename="made.pty"))
    return link(graph, Lookup(extra=[made]))


@pytest.mark.timeout(60 + 20 * PROGRAMS)
def test_random_flows_that_fail_on_purpose(tmp_path):
    for seed in range(SEED, SEED + max(1, PROGRAMS // 2)):
        text = _failing_flow(random.Random(seed))
        (tmp_path / f"f{seed}.pty").write_text(text)
        (tmp_path / f"f{seed}_events.py").write_text(FAILING_EVENTS)
        plan = load_plan(tmp_path / f"f{seed}.pty")
        expected = get_backend("standalone").run(plan, {}, RunOptions(portable=True))
        report = AirflowBackend().run(plan, {})
        assert shown(report) == shown(expected), f"seed {seed}: {text}"


FAILING_EVENTS = """
from volnux import event
@event
def Ok(previous_result=None): return True, ["ok", repr(previous_result)]
@event
def No(): return False, "no"
@event
def Boom(): raise ValueError("boom")
@event
def Two(): return 2, "two"
"""

_ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"


def _failing_flow(choose):
    """A flow with `!` at the end of sequences; some continue after failures."""
    text = _sequence(choose, 2)
    return text if choose.random() < 0.8 else f"@on-failure: continue\n{text}"


def _sequence(choose, depth):
    units = [_unit(choose, depth) for _ in range(choose.choice((1, 1, 2, 3)))]
    if choose.random() < 0.35:
        units.append("!")
    text = units[0]
    for unit in units[1:]:
        text += f" {'->' if unit == '!' else choose.choice(('->', '|->'))} {unit}"
    return text


def _unit(choose, depth):
    kind = choose.random()
    if depth == 0 or kind < 0.45:
        text = choose.choice(("Ok", "Ok", "No", "Boom", "Two"))
        numbers = [number for number in (0, 1, 2) if choose.random() < 0.3]
    elif kind < 0.75:
        text = f"{{{_sequence(choose, depth - 1)}}}"
        numbers = [number for number in (0, 1) if choose.random() < 0.6]
    else:
        arms = [f"{{{_sequence(choose, depth - 1)}}}" for _ in range(choose.choice((1, 2)))]
        arms.append(choose.choice(("Ok", "Boom", "!")))
        text = f"{{{' || '.join(arms)}}}" + choose.choice(("", _ANY))
        numbers = []
    if not numbers or depth == 0:
        return text
    branches = (f"{n} {choose.choice(('->', '|->'))} {_branch(choose, depth)}" for n in numbers)
    return f"{text} ({', '.join(branches)})"


def _branch(choose, depth):
    return _sequence(choose, depth - 1) if choose.random() < 0.5 else "Ok -> !"

"""Random programs by `dag.test()` agree with the state machine.

The seed of each is in the message of a failure; `VOLNUX_AIRFLOW_PROGRAMS=100` runs more of them.
"""

import os
import random
import sys
import types

import pytest
from volnux_airflow import AirflowBackend

from volnux import EventBase
from volnux.events import Lookup, link
from volnux.graph import compile, simulate
from volnux.pointy import parse
from volnux.pointy.tree import Evaluation
from volnux.testing.making import NAMES, random_program
from volnux.testing.programs import places, render

PROGRAMS = int(os.environ.get("VOLNUX_AIRFLOW_PROGRAMS", "12"))
SEED = int(os.environ.get("VOLNUX_SEED", "1000"))


@pytest.mark.timeout(60 + 20 * PROGRAMS)
def test_random_programs(monkeypatch):
    for seed in range(SEED, SEED + PROGRAMS):
        program = random_program(random.Random(seed), events=10)
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

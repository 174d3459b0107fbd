"""Random programs whose process is killed, and that are resumed until they end.

They end as if nothing had happened, and nothing that the store has as done runs again.
`VOLNUX_PROGRAMS=500` runs more programs.
"""

import json
import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest

from tests.property.dying import Dying
from volnux.backends import RunOptions, get_backend
from volnux.graph import State
from volnux.kit.resume import resumption
from volnux.loading import load_plan
from volnux.runs import KeptStatus, Store
from volnux.testing import case_of, random_case_program
from volnux.testing.comparing import exact, plain
from volnux.testing.rendering import render
from volnux.testing.writing import write_case

PROGRAMS = int(os.environ.get("VOLNUX_PROGRAMS", "40"))
SEED = int(os.environ.get("VOLNUX_SEED", "1"))
STEP = 10

FORK = multiprocessing.get_context("fork")


def run(flow: Path, journal: Path, seed: int, after: int | None, store: Path | None) -> None:
    """Run a flow in this process, or resume its last run; write down how it ended."""
    Dying(journal, random.Random(seed), after)
    plan = load_plan(flow)
    inputs, earlier, kept = plan.bind({}), None, None
    if store is not None:
        kept = Store(store)
        if kept.list():
            resumed = resumption(kept, plan)
            inputs = resumed.bind(plan, {})
            earlier = resumed.earlier(inputs)
    options = RunOptions(store=kept, earlier=earlier)
    report = get_backend("standalone").run(plan, inputs, options)
    places = {
        place: (
            str(ended.state),
            ended.descriptor,
            exact(ended.result),
            plain(ended.failure),
            exact(ended.received),
        )
        for place, ended in report.places.items()
    }
    found = {"status": str(report.status), "places": places, "failure": plain(report.failure)}
    journal.with_suffix(".json").write_text(json.dumps(found))


def run_elsewhere(*arguments: object) -> bool:
    """Run a flow in a process of its own; return whether it was killed."""
    process = FORK.Process(target=run, args=arguments)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def ran_in(journal: Path) -> list[str]:
    return journal.read_text().split("\n")[:-1] if journal.exists() else []


def resumed_to_the_end(flow: Path, folder: Path, source: random.Random) -> None:
    """Kill and resume the run of a flow; check what ran and how it ended."""
    whole = folder / "whole"
    run_elsewhere(flow, whole, source.random(), None, None)
    count = len(ran_in(whole))
    done: set[str] = set()
    number, killed = 0, True
    while killed:
        number += 1
        journal = folder / f"run{number}"
        after = source.randint(1, max(1, count)) if number < 4 else None
        killed = run_elsewhere(flow, journal, source.random(), after, folder / "runs.db")
        again = done.intersection(ran_in(journal))
        assert not again, f"{again} ran again in run {number}, after {after} attempts"
        with Store(folder / "runs.db") as store:
            last = store.last()
            if last is None:
                continue  # it was killed too early
            assert last.status is not KeptStatus.RUNNING
            done |= {each.place for each in store.places(last.id) if each.state is State.DONE}
        if last.status is KeptStatus.SUCCESS:
            break
    if killed:
        return  # after its end, before it could say so here
    wanted, found = (json.loads(path.with_suffix(".json").read_text()) for path in (whole, journal))
    assert found == wanted


@pytest.mark.parametrize("first", range(SEED, SEED + PROGRAMS, STEP))
@pytest.mark.timeout(600)
def test_a_killed_run_is_resumed(first, tmp_path):
    for seed in range(first, min(first + STEP, SEED + PROGRAMS)):
        source = random.Random(seed)
        program = random_case_program(seed)
        folder = tmp_path / str(seed)
        flow = write_case(case_of(program, f"flow{seed}"), folder)
        for module in folder.rglob("*.py"):
            text = module.read_text()
            module.write_text(text.replace("volnux.testing.playing", "tests.property.dying"))
        try:
            resumed_to_the_end(flow, folder, source)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{render(program)}") from error

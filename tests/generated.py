"""Random programs with hostile names, written as Python by a generator, imported, and run.

The tests of both adapters use this. Its command line runs more of them, or repeats a seed:

    python -m tests.generated airflow --programs 3000 --run 300 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.conformance.chosen import handled_in, shown_on_prefect
from volnux.backends import get_backend
from volnux.events.link import Plan
from volnux.loading import load_plan
from volnux.testing import Case, differences, write_case
from volnux.testing.comparing import exact
from volnux.testing.hostile import hostile_case

__all__ = ["HOSTS", "faults_of_imports", "faults_of_runs", "imported", "print_programs"]

GENERATED = "generated_.py"
BATCH = 100
"""How many programs one process prints or imports."""


# Printing and importing, each in a process of its own, as with `volnux airflow dag > FILE`.


def print_programs(host: str, seeds: Sequence[int], root: Path) -> None:
    """Write the programs of some seeds, each with its generated file, into folders of their own."""
    source_of = HOSTS[host].source
    for seed in seeds:
        path = write_case(hostile_case(seed), root / str(seed))
        path.with_name(GENERATED).write_text(source_of(path, load_plan(path)), encoding="utf-8")


def faults_of_imports(root: Path) -> Iterator[str]:
    """Import each generated file below a folder separately, and return what they raise."""
    for path in sorted(root.glob(f"*/{GENERATED}")):
        try:
            with imported(path):
                pass
        except BaseException:
            yield f"seed {path.parent.name}:\n{traceback.format_exc(limit=-2)}"


@contextlib.contextmanager
def imported(path: Path) -> Iterator[ModuleType]:
    """Import a file as a module, with its folder on the import path."""
    before = set(sys.modules)
    sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(path.parent))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).parent == path.parent:
                del sys.modules[name]


# Running.


def faults_of_runs(host: str, seeds: Sequence[int], root: Path) -> Iterator[str]:
    """Run the generated files of some seeds; return the differences from standalone."""
    standalone = get_backend("standalone")
    for seed in seeds:
        case = hostile_case(seed)
        path = write_case(case, root / f"run-{seed}")
        plan = load_plan(path)
        found = differences(case.expected, standalone.run(plan, plan.bind({})))
        target = path.with_name(GENERATED)
        target.write_text(HOSTS[host].source(path, plan), encoding="utf-8")
        found += HOSTS[host].run(target, plan, case)
        if found:
            yield "\n".join([f"seed {seed}:", case.text, *found])


class Airflow:
    """DAGs of `volnux airflow dag`, run by `dag.test()`."""

    @staticmethod
    def source(path: Path, plan: Plan) -> str:
        from volnux_airflow.home import enter_own_home

        enter_own_home()
        from volnux_airflow.source import source_of

        return source_of(plan)

    @staticmethod
    def run(target: Path, plan: Plan, case: Case) -> list[str]:
        from airflow.sdk import DAG
        from volnux_airflow.local import run_dag

        made: list[Any] = []
        enter = DAG.__enter__

        # The DAG stands in a `with` and needs no name there.
        def entering(self: Any) -> Any:
            made.append(self)
            return enter(self)

        DAG.__enter__ = entering
        try:
            with imported(target), warnings.catch_warnings():
                # What Airflow itself warns of would end its tasks.
                warnings.simplefilter("ignore")
                DAG.__enter__ = enter
                report = run_dag(made[0], plan, plan.bind(case.inputs))
        finally:
            DAG.__enter__ = enter
        return differences(case.expected, report)


class Prefect:
    """Flows of `volnux prefect flow`, run on the configured server."""

    @staticmethod
    def source(path: Path, plan: Plan) -> str:
        from volnux_prefect.codegen import source_of

        return source_of(path)

    @staticmethod
    def run(target: Path, plan: Plan, case: Case) -> list[str]:
        from prefect import Flow
        from volnux_prefect import plain

        from tests.integration.prefect.states import task_runs, wait_for_states

        runs: list[Any] = []

        class Recording(plain.Run):
            """A run that also stores what its places received."""

            async def __aenter__(self) -> Any:
                runs.append(self)
                self.received: dict[str, Any] = {}
                return await super().__aenter__()

            def _call(self, name: str, received: Any) -> Any:
                call = super()._call(name, received)
                self.received[name] = call.previous_result
                return call

        own, plain.Run = plain.Run, Recording
        try:
            with imported(target) as module:
                (flow,) = (each for each in vars(module).values() if isinstance(each, Flow))
                state = asyncio.run(flow(return_state=True, **plan.bind(case.inputs)))
        finally:
            plain.Run = own
        found = []
        if state.is_completed() != (case.expected.status == "success"):
            found.append(f"the run: {state}, expected {case.expected.status}")
        run_id = str(state.state_details.flow_run_id)
        handled = handled_in(case, plan)
        if case.expected.status != "success":
            # A generated flow does not know in the end which groups have taken a failure.
            taken = {edge.source for edge in plan.graph.edges if 0 in edge.when}
            handled &= taken
        expected = shown_on_prefect(case, handled)
        states = {name: told[:2] for name, told in expected.items()}
        wait_for_states(state.state_details.flow_run_id, states)
        seen = task_runs(state.state_details.flow_run_id, expected)
        shown = {
            name: (each.state.type.value, each.state.name, each.run_count)
            for name, each in seen.items()
        }
        if shown != expected:
            found.append(f"task runs: {shown}, expected {expected}")
        for name, wanted in case.expected.places.items():
            ended = runs[0].ended_places.get(name)
            if ended is None:
                continue
            got = repr((comparable(ended.result), comparable(runs[0].received[name])))
            result = comparable_expected(wanted.failure or wanted.result)
            received = comparable_expected(wanted.received)
            if got.replace(run_id, "$run_id") != repr((result, received)):
                found.append(f"{name}: {got}, expected {wanted}")
        return found


def comparable(value: Any) -> Any:
    """A value as tagged JSON, in which failures are replaced by their type."""
    return _of_failures(exact(value))


def comparable_expected(value: Any) -> Any:
    """The same for what is expected: in a case, that is tagged JSON already."""
    try:
        json.dumps(value)
    except TypeError:
        return comparable(value)
    return _of_failures(value)


def _of_failures(data: Any) -> Any:
    if isinstance(data, list):
        return [_of_failures(item) for item in data]
    if isinstance(data, dict):
        if "type" in data and data.keys() <= {"type", "message", "attempts"}:
            return data["type"]
        return {key: _of_failures(item) for key, item in data.items()}
    return data


HOSTS: dict[str, Any] = {"airflow": Airflow, "prefect": Prefect}


def main() -> int:
    """Print and import many programs, and run some. The exit code says whether all were correct."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.generated")
    parser.add_argument("host", choices=sorted(HOSTS))
    parser.add_argument("--programs", type=int, default=100, help="how many to import")
    parser.add_argument("--run", type=int, default=10, help="how many of them to run")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--print", type=Path, help="only print the programs into this folder")
    parser.add_argument("--import", type=Path, dest="folder", help="only import this folder")
    given = parser.parse_args()
    seeds = range(given.seed, given.seed + given.programs)
    if given.print:
        print_programs(given.host, seeds, given.print)
        return 0
    faults: list[str] = []
    if given.folder:
        faults += faults_of_imports(given.folder)
    else:
        for first in seeds[::BATCH]:
            faults += _batch(given.host, seeds[first - given.seed :][:BATCH])
        with tempfile.TemporaryDirectory() as folder:
            faults += faults_of_runs(given.host, seeds[: given.run], Path(folder))
        told = f"{given.host}: {given.programs} imported, {given.run} run, {len(faults)} faults"
        sys.stdout.write(f"{told}\n")
    sys.stdout.write("\n\n".join(faults))
    return int(bool(faults))


def _batch(host: str, seeds: Sequence[int]) -> list[str]:
    """Print some programs in one process and import them in another. Returns the errors."""
    with tempfile.TemporaryDirectory() as folder:
        tail = ["--seed", str(seeds[0]), "--programs", str(len(seeds))]
        for step in ("--print", "--import"):
            command = [sys.executable, "-m", "tests.generated", host, step, folder, *tail]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return [done.stdout + done.stderr]
    return []


if __name__ == "__main__":
    sys.exit(main())

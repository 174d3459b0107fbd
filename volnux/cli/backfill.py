"""`volnux backfill`: runs a pipeline once for each past time of its schedule."""

from __future__ import annotations

import contextlib
import datetime as dt
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volnux.cli import ending, kept, output
from volnux.cli.given import Given, Values
from volnux.cli.options import Backend as BackendName
from volnux.cli.options import Events, File, Inputs, StorePath
from volnux.cli.pastruns import RunsHere
from volnux.cli.summary import seconds
from volnux.cli.usage import UsageError, event_modules
from volnux.errors import VolnuxError
from volnux.kit.backfill import (
    Again,
    Fill,
    Filled,
    HostCommand,
    PastRuns,
    instants_between,
    runs_again,
)

if TYPE_CHECKING:
    from volnux.backends import Backend, RunControl
    from volnux.events import Plan

__all__ = ["command"]


def command(
    file: File,
    first: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="DATE",
            help="The first day, such as 2026-01-31, in the pipeline's time zone.",
            show_default=False,
        ),
    ],
    last: Annotated[
        str, typer.Option("--to", metavar="DATE", help="The last day.", show_default=False)
    ],
    again: Annotated[
        Again,
        typer.Option(
            "--again",
            help="Run times again whose last run was not a success, or all; by default only those "
            "without any kept run.",
        ),
    ] = Again.NONE,
    reverse: Annotated[bool, typer.Option("--reverse", help="Begin with the last time.")] = False,
    max_active: Annotated[
        int | None,
        typer.Option(
            "--max-active",
            metavar="NUMBER",
            min=1,
            help="Maximum number of runs at once; by default that of @max-active-runs, or 1.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the times that would run.")
    ] = False,
    inputs: Inputs = None,
    events: Events = None,
    store: StorePath = None,
    backend: BackendName = None,
) -> None:
    """Run a pipeline for past times of its schedule.

    There is one run for each time between two days. A time that has a run is left out; see --again.
    Ctrl-C once: no more runs start, and current ones may finish. Twice: current runs are cancelled.

    On Prefect, these are flow runs of the deployment. For Airflow, the command `airflow backfill
    create` is printed, and started where Airflow is set up.

    Exit code: 0 all succeeded, 1 one failed, 2 could not start, 130 cancelled.
    """
    from volnux.backends.registry import get_backend
    from volnux.events.inputs import read_inputs
    from volnux.loading import load_plan

    days = _day("--from", first), _day("--to", last)
    plan = load_plan(file, events=event_modules(events or ()))
    chosen = get_backend(backend or "standalone")
    chosen.refuse(plan)
    instants = instants_between(plan.graph, *days)

    def read(instant: dt.datetime) -> Values:
        return Given(inputs or (), None, instant.isoformat()).read(plan)

    given = read(instants[0]).inputs if instants else {}
    names = read_inputs(plan.graph.inputs, inputs or ())
    fill = Fill(
        instants,
        again=again,
        reverse=reverse,
        max_active=max_active or plan.graph.max_active_runs or 1,
        dry_run=dry_run,
        inputs={name: value for name, value in given.items() if name in names},
    )
    if instants:
        handed_over = chosen.backfill_command(plan, fill)
        if handed_over is not None:
            _refuse_store(store, chosen)
            raise typer.Exit(_hand_over(handed_over))
    with _runs(file, plan, chosen, fill, read, store) as runs:
        _fill(plan, fill, runs, read)


@contextlib.contextmanager
def _runs(
    file: Path,
    plan: Plan,
    backend: Backend,
    fill: Fill,
    read: Callable[[dt.datetime], Values],
    chosen: str | None,
) -> Iterator[PastRuns]:
    """What runs the times, on the host of the backend or here."""
    there = backend.past_runs(plan, fill)
    if there is not None:
        _refuse_store(chosen, backend)
        with there as runs:
            yield runs
        return
    from volnux.runs.store import Store
    from volnux.runs.where import where_of

    where = where_of(file, chosen)
    if where is None:
        raise UsageError(["a backfill needs a store of runs: name one with --store"])
    with Store(where.path, keep=where.keep, warn=output.warn) as store:
        yield RunsHere(file, plan, backend, store, read, fill.again)


def _refuse_store(chosen: str | None, backend: Backend) -> None:
    if chosen is not None:
        raise UsageError([f"--store has no effect here: {backend.name} keeps these runs itself"])


def _fill(plan: Plan, fill: Fill, runs: PastRuns, read: Callable[[dt.datetime], Values]) -> None:
    known = runs.known(fill.instants)
    chosen = [each for each in fill.instants if runs_again(known.get(each), fill.again)]
    if fill.reverse:
        chosen.reverse()
    output.say(_plan_of(len(fill.instants), len(chosen), plan.graph.name))
    if fill.dry_run:
        for each in chosen:
            output.say(f"  {_shown(plan, each)}")
        return
    for each in chosen:
        read(each)  # a fault of one run is found before any of them starts
    filling = _Filling(plan, runs, chosen)
    with output.failures_said_once():
        filling.run(fill.max_active)
    output.say("\n".join(filling.table(colour=output.coloured(sys.stdout))))
    if filling.stopped:
        raise typer.Exit(ending.cancelled())
    raise typer.Exit(int(filling.failed))


def _hand_over(command: HostCommand) -> int:
    """Print a command of a host, start it where that is possible, and return its exit code."""
    output.say(shlex.join(command.arguments))
    if command.elsewhere is not None:
        output.say(f"not started: {command.elsewhere}", sys.stderr)
        return 0
    return subprocess.run(command.arguments, check=False).returncode


class _Filling:
    """The runs of a backfill.

    Attributes:
        stopped: whether no more runs start.
        failed: whether a run was not a success.
    """

    def __init__(self, plan: Plan, runs: PastRuns, instants: Sequence[dt.datetime]) -> None:
        self._plan = plan
        self._runs = runs
        self._instants = instants
        self._lock = threading.Lock()
        self._active: set[RunControl] = set()
        self._ended: dict[dt.datetime, tuple[str, str, str]] = {}
        self.stopped = False
        self.failed = False

    def run(self, count: int) -> None:
        """Run everything, this many at once."""
        with (
            ThreadPoolExecutor(count, "volnux-backfill") as pool,
            ending.steps(self._stop, ending.on_thread(self._cancel), grace=None),
        ):
            waiting = {pool.submit(self._one, instant) for instant in self._instants}
            while waiting:
                # Signals are handled between two waits.
                done, waiting = wait(waiting, timeout=0.5)
                for each in done:
                    each.result()
        if not self.stopped:
            ending.came_too_late()

    def _stop(self) -> None:
        self.stopped = True
        ending.on_thread(self._say_stop)()

    def _say_stop(self) -> None:
        with self._lock:
            count = len(self._active)
            output.say(f"stopping: {count} run{'' if count == 1 else 's'} may still finish")

    def _cancel(self) -> None:
        with self._lock:
            active = list(self._active)
        for control in active:
            control.cancel()

    def _one(self, instant: dt.datetime) -> None:
        from volnux.backends.port import RunControl

        if self.stopped:
            return
        control = RunControl()
        name = _shown(self._plan, instant)
        with self._lock:
            self._active.add(control)
            output.say(f"{name}: started")
        began = time.monotonic()
        try:
            filled = self._runs.run(instant, control)
        except VolnuxError as error:
            filled = Filled("failed", why=str(error))
        took = seconds(time.monotonic() - began)
        with self._lock:
            self._active.discard(control)
            self.failed |= filled.status not in ("success", "skipped")
            self._ended[instant] = filled.status, took, filled.run_id or "-"
            why = f": {filled.why}" if filled.why else ""
            output.say(f"{name}: {filled.status} in {took}{why}")

    def table(self, *, colour: bool) -> Iterator[str]:
        """What was run, and what was not."""
        yield ""
        rows: list[tuple[str, ...]] = [("time", "status", "took", "run")]
        for instant in self._instants:
            ended = self._ended.get(instant, ("not started", "-", "-"))
            rows.append((_shown(self._plan, instant), *ended[:2], ended[2][: kept.SHORT]))
        if len(rows) > 1:
            yield from kept.aligned(rows, 1, colour=colour)
            yield ""
        counts = [status for status, _, _ in self._ended.values()]
        said = [f"{counts.count(each)} {each}" for each in dict.fromkeys(counts)]
        left = len(self._instants) - len(counts)
        yield ", ".join([*said, *([f"{left} not started"] if left else [])]) or "nothing to run"


def _day(option: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError([f"{option} takes a day such as 2026-01-31, found '{text}'"]) from None


def _shown(plan: Plan, instant: dt.datetime) -> str:
    from volnux.schedules.schedule import zone_of

    return f"{instant.astimezone(zone_of(plan.graph.timezone or 'UTC')):%Y-%m-%d %H:%M %z}"


def _plan_of(all_: int, chosen: int, name: str) -> str:
    times = f"{all_} time{'' if all_ == 1 else 's'} of the schedule"
    return f"{name}: {times}, {chosen} to run"

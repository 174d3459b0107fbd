"""`volnux backfill`: runs a pipeline once for each past time of its schedule."""

from __future__ import annotations

import datetime as dt
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Annotated

import typer

from volnux.cli import ending, kept, output
from volnux.cli.asking import answers_for
from volnux.cli.given import Given, Values
from volnux.cli.options import Events, File, Inputs, StorePath
from volnux.cli.summary import seconds
from volnux.cli.usage import UsageError, event_modules
from volnux.errors import VolnuxError
from volnux.kit.backfill import Again, instants_between, latest_by_instant, runs_again

if TYPE_CHECKING:
    from volnux.backends import Backend, RunControl
    from volnux.events import Plan
    from volnux.graph import RunReport
    from volnux.runs.store import Store

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
) -> None:
    """Run a pipeline for past times of its schedule.

    There is one run for each time between two days. A time with a kept run is left out; see
    --again. Ctrl-C once: no more runs start, and current ones may finish. Twice: current runs are
    cancelled.

    Exit code: 0 all succeeded, 1 one failed, 2 could not start, 130 cancelled.
    """
    from volnux.backends.registry import get_backend
    from volnux.loading import load_plan
    from volnux.runs.store import Store
    from volnux.runs.where import where_of

    days = _day("--from", first), _day("--to", last)
    plan = load_plan(file, events=event_modules(events or ()))
    backend = get_backend("standalone")
    backend.refuse(plan)
    instants = instants_between(plan.graph, *days)
    where = where_of(file, store)
    if where is None:
        raise UsageError(["a backfill needs a store of runs: name one with --store"])
    with Store(where.path, keep=where.keep, warn=output.warn) as opened:
        known = latest_by_instant(opened.list(file=file))
        chosen = [each for each in instants if runs_again(known.get(each), again)]
        if reverse:
            chosen.reverse()
        output.say(_plan_of(len(instants), len(chosen), plan.graph.name))
        if dry_run:
            for each in chosen:
                output.say(f"  {_shown(plan, each)}")
            return
        # A fault of one run is found before any of them starts.
        values = {each: Given(inputs or (), None, each.isoformat()).read(plan) for each in chosen}
        count = max_active or plan.graph.max_active_runs or 1
        fill = _Fill(backend, plan, opened, values)
        with output.failures_said_once():
            fill.run(count)
    output.say("\n".join(fill.table(colour=output.coloured(sys.stdout))))
    if fill.stopped:
        raise typer.Exit(ending.cancelled())
    raise typer.Exit(int(fill.failed))


class _Fill:
    """The runs of a backfill.

    Attributes:
        stopped: whether no more runs start.
        failed: whether a run was not a success.
    """

    def __init__(
        self, backend: Backend, plan: Plan, store: Store, values: dict[dt.datetime, Values]
    ) -> None:
        self._backend = backend
        self._plan = plan
        self._store = store
        self._values = values
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
            waiting = {pool.submit(self._one, instant) for instant in self._values}
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
        why = ""
        try:
            report = self._started(self._values[instant], control)
        except VolnuxError as error:
            status, run_id, why = "failed", "-", f": {error}"
        else:
            status, run_id = report.status.value, report.run_id
            if status == "failed":
                why = f": {str(report.error()).partition(': ')[2]}"
        took = seconds(time.monotonic() - began)
        with self._lock:
            self._active.discard(control)
            self.failed |= status != "success"
            self._ended[instant] = status, took, run_id
            output.say(f"{name}: {status} in {took}{why}")

    def _started(self, values: Values, control: RunControl) -> RunReport:
        from volnux.pipeline import Pipeline

        pipeline = Pipeline.of_plan(self._plan)(**values.inputs)
        return pipeline.start(
            backend=self._backend,
            control=control,
            results=False,
            scheduled_at=values.scheduled_at,
            answers=answers_for(self._plan, None, self._store),
            store=self._store,
        ).report

    def table(self, *, colour: bool) -> Iterator[str]:
        """What was run, and what was not."""
        yield ""
        rows: list[tuple[str, ...]] = [("time", "status", "took", "run")]
        for instant in self._values:
            ended = self._ended.get(instant, ("not started", "-", "-"))
            rows.append((_shown(self._plan, instant), *ended[:2], ended[2][: kept.SHORT]))
        if len(rows) > 1:
            yield from kept.aligned(rows, 1, colour=colour)
            yield ""
        counts = [status for status, _, _ in self._ended.values()]
        said = [f"{counts.count(each)} {each}" for each in dict.fromkeys(counts)]
        left = len(self._values) - len(counts)
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

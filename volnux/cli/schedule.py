"""`volnux schedule`: shows when files run, runs them on schedule, and lists past runs."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import sys
import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from volnux.cli import disk, ending, output
from volnux.cli.options import File, Paths
from volnux.cli.usage import UsageError
from volnux.errors import Diagnostic, Severity, VolnuxError
from volnux.graph.model import Graph

__all__ = ["group"]

group = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show when pipelines run, run them, and list past runs.",
)


DEFAULT_STORE = "sqlite:///volnux-schedule.db"

Store = Annotated[
    str,
    typer.Option(
        "--store", metavar="URL", help="Where jobs and runs are kept: SQLite or PostgreSQL."
    ),
]


class CutOffs(StrEnum):
    """What to do with a run that a crash interrupted."""

    LOST = "lost"
    REPEAT = "repeat"


@group.command("next")
def next_(
    file: File,
    count: Annotated[
        int,
        typer.Option("-n", "--count", metavar="NUMBER", min=1, help="Number of run times to show."),
    ] = 5,
    after: Annotated[
        str | None,
        typer.Option(
            "--after",
            metavar="ISO",
            help="Start after this time instead of now; without an offset, it is in the "
            "schedule's time zone.",
            show_default=False,
        ),
    ] = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link",
            help="Also import the events module, for a schedule in the Meta of a class.",
        ),
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object, or a list if the file has several schedules.",
        ),
    ] = False,
) -> None:
    """Show when a pipeline runs next, in its schedule's zone and in UTC.

    Each schedule of the file is shown separately. No Python code of the user is imported without
    --link.
    """
    from volnux.loading import load_graph, load_plan
    from volnux.schedules import Schedule, describe

    if link:
        # The output of a module of events must not appear between the times.
        with contextlib.redirect_stdout(sys.stderr):
            graph = load_plan(file).graph
    else:
        graph = load_graph(file)
    whole = Schedule.of(graph)
    if whole is None:
        raise UsageError([f"{file} has no schedule: add a line such as @schedule: @daily"])
    moment = _moment(after, whole.zone)
    found = [
        (schedule, list(itertools.islice(schedule.instants(moment), count)))
        for schedule in whole.each()
    ]
    if json:
        with output.json_only() as result:
            shown = [
                {
                    "schedule": schedule.expressions[0],
                    "timezone": schedule.timezone,
                    "next": [
                        {
                            "local": each.astimezone(schedule.zone).isoformat(),
                            "utc": each.isoformat(),
                        }
                        for each in instants
                    ],
                }
                for schedule, instants in found
            ]
            result.write(shown[0] if len(shown) == 1 else shown)
        return
    for number, (schedule, instants) in enumerate(found):
        if number:
            output.say()
        output.say(f"{describe(schedule.expressions[0])}, {schedule.timezone}.")
        if not instants:
            output.say("  never")
        for each in instants:
            local = each.astimezone(schedule.zone)
            output.say(
                f"  {local:%a} {local.date()} {local:%H:%M %z}   {each.date()} {each:%H:%M} UTC"
            )
    _explain_changes(graph)


@group.command("run")
def run(
    paths: Paths,
    store: Store = DEFAULT_STORE,
    cut_off: Annotated[
        CutOffs,
        typer.Option("--cut-off", help="What to do with a run that a crash interrupted."),
    ] = CutOffs.LOST,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="NUMBER",
            min=1,
            help="Maximum number of pipelines that run at once.",
        ),
    ] = 10,
    poll: Annotated[
        float,
        typer.Option(
            "--poll", metavar="SECONDS", min=0.1, help="How often to look for changed files."
        ),
    ] = 2.0,
    grace: Annotated[
        float | None,
        typer.Option(
            "--grace",
            metavar="SECONDS",
            min=0,
            help="How long runs may continue after SIGTERM or SIGHUP before they are cancelled; "
            "no limit by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run scheduled files at their times, until stopped.

    Changed files are read again; a file with errors keeps its previous version. Ctrl-C, SIGTERM or
    SIGHUP once: nothing new starts, and current runs may finish. Twice: current runs are cancelled.
    Three times: the process ends at once.

    Runs are kept as those of `volnux run`. A time that has a kept run, such as that of a backfill,
    is skipped.

    A second scheduler on the same store refuses to start. Exit code: 0 stopped, 2 could not start.
    """
    from volnux.scheduler import PipelineScheduler
    from volnux.scheduler.service import Service

    known: list[Diagnostic] = []
    """Messages about files that cannot be scheduled; each is shown once, not at each check."""
    lock = threading.Lock()

    def find() -> list[Path]:
        found = disk.find(paths)
        new = [each for each in found.diagnostics if each not in known]
        known[:] = found.diagnostics
        with lock:
            output.show(new)
        return found.files

    served = find()
    missing = [f"there is no file or folder {path}" for path in paths if not path.exists()]
    if missing:
        raise UsageError(missing)
    # Other unreadable files were reported and do not end the service.
    if not served and any(each.severity is Severity.ERROR for each in known):
        raise typer.Exit(2)

    def say(text: str) -> None:
        with lock:
            output.say(text)

    def complain(fault: VolnuxError) -> None:
        with lock:
            output.refuse(fault)

    scheduler = PipelineScheduler(store, workers=workers, cut_off=cut_off.value, keep=True)
    service = Service(scheduler, find, say, complain)
    # On a thread, because they take a lock that the main thread may hold.
    stop, cancel = ending.on_thread(service.stop), ending.on_thread(service.cancel)
    with ending.steps(stop, cancel, grace=grace, orderly=True):
        service.serve(poll)


@group.command("show")
def show(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="Only the runs of this file, or job.", show_default=False
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="ID",
            help="Show the report of this run; the beginning of its id is enough.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("-n", "--count", metavar="NUMBER", min=1, help="How many runs.")
    ] = 10,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list of the runs, or one run's report.")
    ] = False,
) -> None:
    """Show the latest runs of a store, or the report of one of them; a scheduler may be serving it.

    Exit code: 0, or 2 if there is no such store or report.
    """
    from volnux.cli.summary import summary
    from volnux.graph.report import RunReport
    from volnux.scheduler import History

    kept = History(store)  # it reports what to install, so it comes before the next import
    from volnux.cli.history import history, runs_as_json

    if run_id is None:
        records = kept.runs(file, count)
        if json:
            with output.json_only() as result:
                result.write(runs_as_json(records))
        else:
            output.say("\n".join(history(records, colour=output.coloured(sys.stdout))))
        return
    report = kept.report(run_id)
    if json:
        with output.json_only() as result:
            result.write(report)
    else:
        shown = summary(RunReport.from_json(report), colour=output.coloured(sys.stdout))
        output.say("\n".join(shown))


def _moment(text: str | None, zone: dt.tzinfo) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            [f"--after takes a date or a time such as 2026-01-31T06:00, found '{text}'"]
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _explain_changes(graph: Graph) -> None:
    from volnux.schedules import schedule_warnings

    output.show(schedule_warnings(graph), sys.stderr)

"""`volnux runs`: lists kept runs, shows and compares them, writes pages, and removes them."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from volnux.cli import kept, output
from volnux.cli.options import Json, StorePath
from volnux.cli.runlist import print_runs
from volnux.cli.store import open_store
from volnux.cli.usage import UsageError
from volnux.errors import VolnuxError
from volnux.runs.keeping import AGE, seconds_of
from volnux.runs.model import KeptStatus

__all__ = ["group"]


class _Group(typer.core.TyperGroup):
    """The group, in which `ls` may be left out: `volnux runs orders.pty`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the name of the command, unless it is there."""
        if not args or not (args[0] in self.commands or args[0] == "--help"):
            args = ["ls", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=_Group,
    rich_markup_mode=None,
    help="List kept runs, show and compare them, and remove them.",
)


def _ids(incomplete: str) -> list[str]:
    try:
        with open_store(None, None) as store:
            return [run.id for run in store.list() if run.id.startswith(incomplete)]
    except VolnuxError:
        return []


RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The id of a run, or the beginning of it, or 'last'.",
        autocompletion=_ids,
        show_default=False,
    ),
]


@group.command("ls")
def ls(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Only runs of this file.", show_default=False),
    ] = None,
    status: Annotated[
        KeptStatus | None,
        typer.Option("--status", help="Only runs with this status.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="AGE",
            help=f"Only runs that began in this time: {AGE}.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--limit",
            metavar="NUMBER",
            min=1,
            help="At most this many runs.",
            show_default=False,
        ),
    ] = None,
    store: StorePath = None,
    json: Json = False,
) -> None:
    """List kept runs, the latest first. `volnux runs` is the same.

    Exit code: 0, or 2 if the runs cannot be read.
    """
    began = None if since is None else dt.datetime.now(dt.UTC) - _age("--since", since)
    print_runs(file, store, status=status, since=began, limit=limit, json=json)


@group.command("show")
def show(
    run: RunId,
    place: Annotated[
        str | None,
        typer.Argument(metavar="PLACE", help="Only this place.", show_default=False),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Also show the log lines of a run.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> None:
    """Show a kept run, or one of its places with its result, its failure and its log.

    Exit code: 0, or 2 if there is no such run or place.
    """
    with open_store(None, store) as opened:
        found = opened.run(run)
        places = opened.places(found.id)
        lines = opened.lines(found.id, place)
    if place is not None:
        places = [each for each in places if each.place == place]
        if not places:
            raise UsageError([f"the run {found.id} has no place '{place}' that has begun or ended"])
    if json:
        with output.json_only() as result:
            result.write(kept.details_as_json(found, places, lines))
        return
    colour = output.coloured(sys.stdout)
    if place is None:
        _say(kept.details_of(found, places, colour=colour))
        if log and lines:
            _say(("", *kept.log_of(lines)))
    else:
        _say(kept.place_of(places[0], lines, colour=colour))


@group.command("report")
def report(
    run: RunId,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.html",
            help="Write to this file; by default to PIPELINE-RUN.html, whose name is printed.",
            show_default=False,
        ),
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    store: StorePath = None,
) -> None:
    """Write a kept run to one HTML file, as a page for a browser.

    Exit code: 0, or 2 if there is no such run, or the file cannot be written.
    """
    from volnux.cli import disk, keptpage

    with open_store(None, store) as kept_runs:
        found = kept_runs.run(run)
        path = target or keptpage.file_name(found)
        disk.check(path)
        page = keptpage.page_of(found, kept_runs.places(found.id), kept_runs.lines(found.id))
    disk.write(path, page.encode())
    if target is None:
        output.say(str(path))
    if opened:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            output.warn(f"no browser could be opened: open {path} yourself")


@group.command("rm")
def rm(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Ids of runs, or their beginnings.",
            autocompletion=_ids,
            show_default=False,
        ),
    ] = None,
    older: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help=f"Remove all runs that began before that: {AGE}.",
            show_default=False,
        ),
    ] = None,
    store: StorePath = None,
) -> None:
    """Remove kept runs, with their results and logs. A run that is running stays.

    Exit code: 0, or 2 if there is no such run, or it is running.
    """
    if not runs and older is None:
        raise UsageError(["name the runs, or give --older-than AGE"])
    with open_store(None, store) as opened:
        named = [opened.run(each) for each in runs or ()]
        running = [run.id for run in named if run.status is KeptStatus.RUNNING]
        if running:
            raise UsageError([f"the run {each} is running: stop it first" for each in running])
        if older is not None:
            limit = dt.datetime.now(dt.UTC) - _age("--older-than", older)
            named += [
                run
                for run in opened.list()
                if run.started < limit and run.status is not KeptStatus.RUNNING
            ]
        count = opened.remove(dict.fromkeys(run.id for run in named))
    output.say(f"removed {count:,} run{'' if count == 1 else 's'}")


@group.command("compare")
def compare(first: RunId, second: RunId, store: StorePath = None, json: Json = False) -> None:
    """Compare two runs: what ended otherwise, and what took longer.

    Exit code: 0, or 2 if there is no such run.
    """
    from volnux.cli.compared import Comparison

    with open_store(None, store) as opened:
        runs = opened.run(first), opened.run(second)
        found = Comparison(*runs, *(opened.places(run.id) for run in runs))
    if json:
        with output.json_only() as result:
            result.write(found.as_json())
        return
    _say(found.lines(colour=output.coloured(sys.stdout)))


def _say(lines: Iterator[str] | Sequence[str]) -> None:
    output.say("\n".join(lines))


def _age(option: str, text: str) -> dt.timedelta:
    seconds = seconds_of(text)
    if seconds is None:
        raise UsageError([f"{option} takes {AGE}, found '{text}'"])
    return dt.timedelta(seconds=seconds)

"""`volnux values`: lists the files with large values, and deletes those of old runs."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal

from volnux.cli import output
from volnux.cli.options import Json
from volnux.cli.usage import UsageError
from volnux.runs.keeping import AGE, seconds_of

if TYPE_CHECKING:
    from volnux.values.store import Run, Store

__all__ = ["group"]

group = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List the files with large values, and delete old ones.",
)

Url = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The folder, or the URL of fsspec, with the files; by default that of VOLNUX_VALUES.",
        show_default=False,
    ),
]


@group.command("ls")
def ls(url: Url = None, json: Json = False) -> None:
    """List the runs that have files with large values, the newest first.

    Exit code: 0, or 2 if the files cannot be read.
    """
    store = _store(url)
    if json:
        with output.json_only() as result:
            result.write([_as_json(run) for run in store.runs()])
        return
    output.say("\n".join(_table(store.runs(), colour=output.coloured(sys.stdout))))


@group.command("prune")
def prune(
    older: Annotated[
        str,
        typer.Option(
            "--older",
            metavar="AGE",
            help="Delete the files of runs whose newest file is older: 30m, 12h, 30d or 2w.",
            show_default=False,
        ),
    ],
    url: Url = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be deleted.")
    ] = False,
) -> None:
    """Delete the files with large values of old runs.

    Events of these runs that have not read their values yet fail then. Other files in the same
    place are kept.

    Exit code: 0, or 2 if a file cannot be deleted.
    """
    before = dt.datetime.now(dt.UTC) - _age(older)
    store = _store(url)
    count = files = size = 0
    for run in store.runs():
        if run.modified >= before:
            continue
        deleted = run.files if dry_run else store.delete(run)
        verb = "would delete" if dry_run else "deleted"
        output.say(f"{verb} {run.run_id}: {_counted(deleted, 'file')}, {decimal(run.size)}")
        count, files, size = count + 1, files + deleted, size + run.size
    if not count:
        output.say(f"no run is older than {older.strip()}")
        return
    total = f"{_counted(count, 'run')}, {_counted(files, 'file')}, {decimal(size)}"
    output.say(f"{'would delete' if dry_run else 'deleted'} in total: {total}")


def _store(url: str | None) -> Store:
    """The store of an option or of the environment.

    Raises:
        StoreError: it cannot be opened.
        UsageError: there is neither, or no such folder.
    """
    from volnux.values.folders import LocalFolder, open_folder
    from volnux.values.store import NAME, Store

    if url is not None:
        if not url.strip():
            raise UsageError(["--store is empty: give a folder or a URL"])
        folder = open_folder(url)
        if isinstance(folder, LocalFolder) and not folder.root.is_dir():
            raise UsageError([f"the folder '{url}' does not exist"])
    store = Store.of_environment() if url is None else Store(url)
    if store is None:
        raise UsageError([f"there is no place for large values: set {NAME}, or use --store URL"])
    return store


def _age(text: str) -> dt.timedelta:
    seconds = seconds_of(text)
    if seconds is None:
        raise UsageError([f"--older takes {AGE}, found '{text}'"])
    return dt.timedelta(seconds=seconds)


def _table(runs: Sequence[Run], *, colour: bool) -> Iterator[str]:
    if not runs:
        yield "no files"
        return
    rows = [("newest (UTC)", "files", "size", "run")] + [
        (f"{run.modified:%Y-%m-%d %H:%M:%S}", f"{run.files:,}", decimal(run.size), run.run_id)
        for run in runs
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, (newest, files, size, run_id) in enumerate(rows):
        cells = (newest.ljust(widths[0]), files.rjust(widths[1]), size.rjust(widths[2]), run_id)
        line = "  ".join(cells)
        yield line if number else output.paint(line, "bold", colour=colour)


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "files": run.files,
        "size": run.size,
        "modified": run.modified.isoformat(),
    }


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

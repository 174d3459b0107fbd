"""`volnux run`: runs a pipeline and shows the result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from volnux.cli.ending import GRACE
from volnux.cli.options import Backend, Events, File, Inputs, Json
from volnux.cli.running import DEFAULT_BACKEND, run_file
from volnux.errors import VolnuxError
from volnux.runs.where import NOWHERE

__all__ = ["Command", "command"]


class Command(typer.core.TyperCommand):
    """The command, whose help also shows the inputs of a file that is named with it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note the file before `--help` is obeyed."""
        ctx.meta[_FILE] = next((text for text in args if text.endswith(".pty")), None)
        return super().parse_args(ctx, list(_with_values(args)))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Add the inputs of the file."""
        super().format_epilog(ctx, formatter)
        name = ctx.meta.get(_FILE)
        if name is None:
            return
        from volnux.cli.describe import inputs_of

        try:
            lines = list(inputs_of(Path(name)))
        except VolnuxError as error:
            lines = [str(error)]
        formatter.write("\n" + "\n".join(lines) + "\n")


_FILE = "volnux.file"


def _with_values(args: list[str]) -> Iterator[str]:
    """The arguments, with an empty value for `--resume` without a run."""
    for arg, following in itertools.pairwise([*args, "-"]):
        last = following.startswith("-") or following.endswith(".pty")
        yield f"{arg}=" if arg == "--resume" and last else arg


def command(
    file: File,
    inputs: Inputs = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--inputs",
            metavar="FILE.json",
            help="Read inputs from a JSON object; --input overrides them.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="The scheduled time of the run, such as 2026-01-31T06:00; now by default. "
            "Without an offset it is in the pipeline's time zone.",
            show_default=False,
        ),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--var",
            metavar="NAME=VALUE",
            help="Set a variable for this run; may be repeated.",
            show_default=False,
        ),
    ] = None,
    events: Events = None,
    json: Json = False,
    values: Annotated[
        bool,
        typer.Option("--values", help="Keep the types of values in the JSON."),
    ] = False,
    backend: Backend = DEFAULT_BACKEND,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="NUMBER",
            min=1,
            help="Maximum number of events that run at once.",
            show_default=False,
        ),
    ] = None,
    no_results: Annotated[
        bool,
        typer.Option(
            "--no-results",
            help="Omit the results from the JSON; each is freed once no event needs it.",
        ),
    ] = False,
    portable: Annotated[
        bool,
        typer.Option("--portable", help="Write and read each result, as Airflow does."),
    ] = False,
    grace: Annotated[
        float,
        typer.Option(
            "--grace",
            metavar="SECONDS",
            min=0,
            help="How long running events may continue after SIGTERM or SIGHUP.",
        ),
    ] = GRACE,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="PATH",
            help="Keep the run in this file instead of the default one; see `volnux runs`.",
            show_default=False,
        ),
    ] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Do not keep the run.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Write the run to this file as a page for a browser.",
            show_default=False,
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Show plain lines, even on a terminal.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="[RUN]",
            help="Keep what was done in an earlier run; by default in the last one that is not a "
            "success.",
            show_default=False,
        ),
    ] = None,
    anew: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="Resume the last run, or that of --resume, but run this place and everything "
            "behind it anew; may be repeated.",
            show_default=False,
        ),
    ] = None,
    pdb: Annotated[
        bool,
        typer.Option("--pdb", help="Open the debugger in the event whose failure ended the run."),
    ] = False,
) -> None:
    """Run a pipeline.

    Prints a line for each event during the run, then the state of every place and all failures.

    Ctrl-C once: nothing new starts, and running events may finish. Twice: the run ends now. SIGTERM
    and SIGHUP do both, one after the other.

    Exit code: 0 success, 1 failed, 2 could not start, 130 cancelled, 143 SIGTERM, 129 SIGHUP.
    """
    code = run_file(
        file,
        json=json,
        values=values,
        inputs=inputs or (),
        input_file=input_file,
        at=at,
        variables=variables or (),
        events=events or (),
        backend=backend or DEFAULT_BACKEND,
        workers=workers,
        portable=portable,
        plain=plain,
        pdb=pdb,
        results=not no_results,
        grace=grace,
        store=NOWHERE if no_store else store,
        resume=resume,
        anew=anew or (),
        page=report,
    )
    raise typer.Exit(code)

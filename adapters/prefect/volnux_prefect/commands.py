"""`volnux prefect …`: the files that `prefect deploy` reads, and the way out to plain Python.

Prefect itself is imported when a command runs: `volnux --help` does without.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from volnux.cli import files, output
from volnux.cli.options import File

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Deploy pipelines on Prefect, or turn one into a Python flow.",
)


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    """Say how to install Prefect if an import fails because it is not there.

    Raises:
        BackendError: it is not.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "prefect":
            raise
        from volnux.backends.port import BackendError
        from volnux.extras import how_to_install

        raise BackendError(f"Prefect is not installed: {how_to_install('prefect')}") from error


@app.command("init")
def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The folder with .pty files.", show_default=False),
    ],
    work_pool: Annotated[
        str,
        typer.Option("--work-pool", metavar="NAME", help="The work pool that runs them."),
    ] = "default",
) -> None:
    """Write flows.py and prefect.yaml for the pipelines of a folder.

    What you changed in these files stays as it is; what is missing is added. Afterwards
    `prefect deploy --all --no-prompt` in that folder deploys everything.

    Exit code: 0 done, 2 not: the errors are shown, and nothing was written.
    """
    with _installed():
        from volnux_prefect.deploy import initialise

    for line in initialise(folder, work_pool=work_pool):
        output.say(line)


@app.command("flow")
def flow(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write it to a file instead."),
    ] = None,
) -> None:
    """Print a Python flow that does the same as a pipeline.

    It needs Prefect and the pipeline's events, and the .pty no more.
    """
    with _installed():
        from volnux_prefect.codegen import source_of

    text = source_of(file)
    if out is None:
        output.say(text.removesuffix("\n"))
    else:
        files.write(out, text.encode())
        output.say(f"wrote {out}")

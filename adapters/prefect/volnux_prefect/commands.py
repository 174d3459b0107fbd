"""`volnux prefect …`: deployments, the files that describe them, and the export to plain Python.

Prefect itself is imported only when a command runs: `volnux --help` does not need it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volnux.cli import disk, output
from volnux.cli.options import File, Json

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Deploy pipelines on Prefect, or turn one into a Python flow.",
)


Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="The folder with .pty files.", show_default=False),
]
WorkPool = Annotated[
    str,
    typer.Option("--work-pool", metavar="NAME", help="The work pool of new deployments."),
]
LoadTimeout = Annotated[
    float,
    typer.Option(
        "--load-timeout",
        metavar="SECONDS",
        min=0.1,
        help="The time limit for loading a file and its events.",
    ),
]


@app.command("init")
def init(
    folder: Folder,
    work_pool: WorkPool = "default",
    load_timeout: LoadTimeout = 60,
) -> None:
    """Write flows.py and prefect.yaml for the pipelines of a folder.

    Your changes in these files are kept, and missing entries are added. `volnux prefect deploy`
    also does this.

    Exit code: 0 done; 1 done, except for files with errors; 2 nothing was written.
    """
    from volnux.backends.port import require_host

    require_host("prefect")
    from volnux_prefect.deployment.project import initialise

    project, said = initialise(folder, work_pool=work_pool, seconds=load_timeout)
    output.show(project.diagnostics)
    for line in said:
        output.say(line)
    if project.has_errors:
        raise typer.Exit(1)


@app.command("deploy")
def deploy(
    folder: Folder,
    work_pool: WorkPool = "default",
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do it without asking. Required if there is no terminal."),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also delete deployments whose files no longer exist.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan without changing anything.")
    ] = False,
    json: Json = False,
    load_timeout: LoadTimeout = 60,
) -> None:
    """Update the server's deployments to match the pipelines of a folder.

    Shows what would be added, changed and deleted, and asks. Then it writes flows.py and
    prefect.yaml as `init` does, and sends the deployments with their schedules to the server. Files
    with errors do not affect the others.

    Exit code: 0 the server matches the folder; 1 some files have errors or could not be deployed; 2
        nothing was deployed (no such folder, no server); 3 there are changes that were not made.
    """
    from volnux.backends.port import require_host

    require_host("prefect")
    from volnux_prefect.deployment.command import Options, run

    options = Options(
        folder=folder, work_pool=work_pool, seconds=load_timeout, yes=yes, prune=prune,
        dry_run=dry_run,
    )  # fmt: skip
    raise typer.Exit(run(options, json=json))


@app.command("flow")
def flow(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write it to this file instead."),
    ] = None,
) -> None:
    """Print a Python flow that does the same as a pipeline.

    It needs Prefect and the pipeline's events, but no longer the .pty.
    """
    from volnux.backends.port import require_host

    require_host("prefect")
    from volnux_prefect.codegen import source_of

    text = source_of(file)
    if out is None:
        output.say(text.removesuffix("\n"))
    else:
        disk.write(out, text.encode())
        output.say(f"wrote {out}")

"""`volnux airflow …`: set up a dags folder, and export a DAG as Python source."""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from volnux.cli import output
from volnux.cli.options import Events, File

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _top() -> None:
    """Run pipelines on Airflow."""


@app.command("init")
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The dags folder.", show_default=False)
    ],
) -> None:
    """Make the `.pty` files of a dags folder DAGs, in the way that the installed Airflow supports.

    Exit code: 0 done, or nothing to do; 2 not possible.
    """
    from volnux_airflow.initialize import set_up

    for line in set_up(directory):
        output.say(line)


@app.command("dag")
def dag(file: File, events: Events = None) -> None:
    """Print a Python DAG file that does the same as a `.pty` file: the export to Python.

    The DAG file needs only the events and the operators of volnux_airflow.

    Exit code: 0 printed; 2 the file is wrong, or asks for something that Airflow cannot do.
    """
    from volnux.backends.port import require_host
    from volnux.cli.usage import event_modules
    from volnux.loading import load_plan
    from volnux_airflow.backend import AirflowBackend

    require_host("airflow")
    plan = load_plan(file, events=event_modules(events or ()))
    AirflowBackend().refuse(plan)
    from volnux_airflow.home import enter_own_home

    # The operators are imported to check their arguments. This uses a temporary Airflow home.
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        # The author of a flow cannot fix what Airflow itself warns about.
        warnings.simplefilter("ignore")
        enter_own_home()
        from volnux_airflow.source import source_of

        source = source_of(plan)
    output.write(source)

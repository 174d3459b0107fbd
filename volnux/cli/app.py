"""The tool as a Typer app, with all its commands."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Annotated

import typer

from volnux.cli import output, plugins

__all__ = ["COMMANDS", "call"]

COMMANDS = (
    "run",
    "check",
    "fmt",
    "graph",
    "describe",
    "files",
    "simulate",
    "backfill",
    "runs",
    "schedule",
    "values",
    "new",
    "backends",
    "conformance",
)
"""Built-in commands: `volnux.cli.<name>` has a function `command` or a Typer app `group`."""


def call(arguments: Sequence[str]) -> int:
    """Run the command in the arguments, and return the exit code."""
    command = typer.main.get_command(_build(arguments[0] if arguments else None))
    try:
        command.main(list(arguments), prog_name="volnux")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def _build(first: str | None) -> typer.Typer:
    """The Typer app: only with the command in the first argument if there is one, else with all."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(help="Run, check, format and draw pipelines that are written in Pointy.")(_top)
    for name in (first,) if first in COMMANDS else COMMANDS:
        module = importlib.import_module(f"volnux.cli.{name}")
        if hasattr(module, "group"):
            app.add_typer(module.group, name=name)
        else:
            kind = getattr(module, "Command", None)
            app.command(name, cls=kind, no_args_is_help=False)(module.command)
    if first not in COMMANDS:
        plugins.add_commands(app, first, taken=COMMANDS)
    return app


def _show_version(value: bool) -> None:
    if value:
        import platform

        from volnux import __version__

        output.say(f"volnux {__version__} (Python {platform.python_version()})")
        raise typer.Exit


def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass

"""Runs the tool, from its arguments to its exit code, and handles all errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from volnux.cli import ending, output
from volnux.cli.usage import UsageError
from volnux.errors import VolnuxError

__all__ = ["start"]


def start(arguments: Sequence[str]) -> int:
    """Run the tool and return the exit code; a mistake of a user never causes a traceback."""
    ending.working()
    output.prepare()
    # Like `python -m`, find modules in the working folder, but after installed ones.
    with suppress(OSError):  # the working folder no longer exists
        sys.path.append(str(Path.cwd()))
    try:
        code = _dispatch(arguments)
    except VolnuxError as error:
        # Interrupted code may have raised any other error instead.
        code = ending.cancelled() if ending.received else output.refuse(error)
    ending.showing()
    try:
        output.finish()
    except output.OutputError as error:
        output.error(str(error))
        code = code or 1
    return code


def _dispatch(arguments: Sequence[str]) -> int:
    first, *rest = arguments or ("",)
    if first.endswith(".pty"):
        raise UsageError([f"'{first}' is not a command; to run the file: volnux run {first}"])
    files = [argument for argument in rest if argument != "--json"]
    if first == "run" and len(files) == 1 and not files[0].startswith("-"):
        # Typer loads pydantic, which takes longer than a small run, so a plain call avoids it.
        from volnux.cli.running import run_file

        return run_file(Path(files[0]), json="--json" in rest)
    if first == "runs" and len(files) <= 1 and all(map(_is_file, files)):
        from volnux.cli.runlist import print_runs

        print_runs(Path(files[0]) if files else None, json="--json" in rest)
        return 0
    from volnux.cli.app import call

    return call(arguments)


def _is_file(argument: str) -> bool:
    return argument.endswith(".pty") and not argument.startswith("-")

"""Commands that backends add through the entry point group `volnux.commands`.

An entry point names a `typer.Typer`; `volnux <name of the entry point> …` calls it. A command that
cannot be loaded is a warning, never a crash, and built-in commands do not even look for any.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points

import typer

from volnux.cli import output

__all__ = ["GROUP", "add_commands"]

GROUP = "volnux.commands"


def add_commands(app: typer.Typer, first: str | None, *, taken: Collection[str]) -> None:
    """Add the commands of plugins to the tool.

    Args:
        app: the tool.
        first: its first argument; if a plugin has that name, only that plugin is loaded.
        taken: the names of built-in commands, which a plugin cannot have.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    asked = [point for point in points if point.name == first]
    seen = set(taken)
    for point in asked or points:
        if point.name in seen:
            _warn(point, "there is already a command of that name")
            continue
        seen.add(point.name)
        try:
            group = point.load()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            _warn(point, f"{type(error).__name__}: {error}")
            continue
        if isinstance(group, typer.Typer):
            app.add_typer(group, name=point.name)
        else:
            _warn(point, f"{point.value} is not a typer.Typer")


def _warn(point: EntryPoint, reason: str) -> None:
    if "_VOLNUX_COMPLETE" in os.environ:
        return
    owner = f" of {point.dist.name}" if point.dist else ""
    output.warn(f"the command '{point.name}'{owner} is skipped: {reason}")

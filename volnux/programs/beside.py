"""Imports the events of used pipelines, for flows that were exported to Python."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from volnux.events.modules import import_from
from volnux.programs.paths import find

__all__ = ["events_beside"]


def events_beside(file: str, path: str) -> ModuleType:
    """Import a module of events, as a pipeline in its folder would import it.

    Args:
        file: the file that asks for it.
        path: the module, with the folder that it is in: `shared/clean_events`, relative to the
            folder of that file, or `package:shop.pipelines/clean_events`.

    Raises:
        ModuleNotFoundError: there is no such module.
        PathFault: there is no such package.
    """
    found = find(path, Path(file).absolute().parent)
    return import_from(found.parent, found.name)

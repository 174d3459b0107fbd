"""Finds the used files that a worker would not have, because they are outside of the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from volnux.errors import Diagnostic
from volnux.graph.model import At, Graph
from volnux.pointy.uses import package_path
from volnux.programs.paths import find, identity

__all__ = ["used_outside"]


def used_outside(graph: Graph, folder: Path) -> Iterator[Diagnostic]:
    """Yield an error for each `@use` of a file outside of a folder.

    A link in the folder may lead out of it. Files of an installed package come with the package.

    Args:
        graph: the graph of a pipeline in the folder.
        folder: the folder of the project.
    """
    waiting, seen = [0], {0}
    while waiting:
        number = waiting.pop()
        text = graph.text(number)
        if text is None:
            continue
        names = graph.files[number - 1].uses if number else graph.names
        for use in text.file.settings.uses:
            if package_path(use.path) is not None:
                continue
            path = find(use.path, Path(text.filename).parent)
            if not _is_inside(path, folder):
                yield graph.diagnostic(
                    "outside",
                    f"'{path}' is outside of the folder that is deployed, so a worker may not "
                    "have it",
                    at=At(use.path_span, number),
                    hint="move it into the folder, or into a package and write "
                    f'"package:NAME/{path.name}"',
                )
            elif names[use.name] not in seen:
                seen.add(names[use.name])
                waiting.append(names[use.name])


def _is_inside(path: Path, folder: Path) -> bool:
    if path.is_relative_to(folder) and ".." not in path.relative_to(folder).parts:
        return True
    return Path(identity(path)).is_relative_to(identity(folder))

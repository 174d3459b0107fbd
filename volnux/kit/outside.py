"""Finds the used files that a worker would not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from volnux.graph.model import At, Graph
from volnux.pointy.uses import package_path
from volnux.programs.paths import find

__all__ = ["Outside", "used_outside"]


class Outside(NamedTuple):
    """A use of a file that is outside of the folders of the workers.

    Attributes:
        written: the path in the `@use`.
        path: the file.
        at: the position of the path in the text that uses it.
    """

    written: str
    path: Path
    at: At


def used_outside(graph: Graph, folders: Sequence[Path]) -> Iterator[Outside]:
    """The uses of files outside of some folders, in the order of the texts.

    A link in a folder may lead out of it. Files of an installed package come with the package. What
    a file outside uses itself is not looked at.

    Args:
        graph: the graph of a pipeline in one of the folders.
        folders: the folders that a worker has.
    """
    if not graph.files:
        return
    inside = {form for folder in folders for form in (folder.absolute(), folder.resolve())}
    numbers = [0]
    for number in numbers:  # the list grows
        text = graph.text(number)
        assert text is not None
        folder = Path(text.filename).parent.absolute()
        for use in text.file.settings.uses:
            if package_path(use.path) is not None:
                continue
            path = find(use.path, folder)
            if ".." in path.parts:
                # It goes up from the target of a link.
                path = path.resolve()
            if not any(path.is_relative_to(each) for each in inside):
                yield Outside(use.path, path, At(use.path_span, number))
            elif (used := graph.names_in(number)[use.name]) not in numbers:
                numbers.append(used)

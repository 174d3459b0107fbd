"""The files that a pipeline uses: their names, and those that a worker would not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from volnux.errors import Diagnostic
from volnux.graph.model import Graph
from volnux.kit.export import used_paths
from volnux.kit.outside import used_outside

__all__ = ["files_outside", "shown_names"]


def shown_names(graph: Graph) -> list[str]:
    """A name for each text of a graph that is the same on every machine.

    That of a used file is its path from the folder of the pipeline, or `package:` and its path in
    the package.
    """
    paths = used_paths(graph)
    return [graph.file_name(), *(paths[number] for number in range(1, len(graph.files) + 1))]


def files_outside(graph: Graph, folders: Sequence[Path]) -> Iterator[Diagnostic]:
    """An error for each `@use` of a file that is outside of the folders which workers have.

    Args:
        graph: the graph.
        folders: the folders of the DAGs, the one to name in errors first.
    """
    for found in used_outside(graph, folders):
        yield graph.diagnostic(
            "refused",
            f"'{found.written}' is outside of the dags folder {folders[0]}: a worker may not have "
            "it",
            at=found.at,
            hint="move the file or a link to it into the folder, or use it from an installed "
            'package: "package:…"',
        )

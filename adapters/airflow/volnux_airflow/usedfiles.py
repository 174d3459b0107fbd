"""The files that a pipeline uses: their names, and those that a worker would not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from volnux.errors import Diagnostic
from volnux.graph.model import At, Graph
from volnux.kit.export import file_name, used_paths
from volnux.pointy.uses import package_path
from volnux.programs.paths import find

__all__ = ["files_outside", "shown_names"]


def shown_names(graph: Graph) -> list[str]:
    """A name for each text of a graph that is the same on every machine.

    That of a used file is its path from the folder of the pipeline, or `package:` and its path in
    the package.
    """
    paths = used_paths(graph)
    return [file_name(graph), *(paths[number] for number in range(1, len(graph.files) + 1))]


def files_outside(graph: Graph, folders: Sequence[Path]) -> Iterator[Diagnostic]:
    """An error for each `@use` of a file that is outside of the folders which workers have.

    A link in such a folder may lead out of it, and packages are installed on workers as well.

    Args:
        graph: the graph.
        folders: the folders of the DAGs, the one to name in errors first.
    """
    if not graph.files:
        return
    program = graph.program
    for number, (file, uses) in enumerate(zip(program.files, program.uses, strict=True)):
        folder = Path(file.source.filename).parent.absolute()
        if number and not _is_below(folder, folders):
            # It is in a package, or there is an error about it.
            continue
        for use in file.settings.uses:
            if package_path(use.path) is not None or use.name not in uses:
                continue
            path = find(use.path, folder)
            if ".." in path.parts:
                # The steps up begin behind a link.
                path = path.resolve()
            if not _is_below(path, folders):
                yield graph.diagnostic(
                    "refused",
                    f"'{use.path}' is outside of the dags folder {folders[0]}: a worker may not "
                    "have it",
                    at=At(use.path_span, number),
                    hint="move the file or a link to it into the folder, or use it from an "
                    'installed package: "package:…"',
                )


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)

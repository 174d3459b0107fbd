"""The files that a pipeline is read from: for images, deployments and whoever watches for changes.

    files = source_files(load_plan("etl.pty").graph, linked=True)

They are its text and the texts that it uses, the modules of their events with the modules that
these import from beside them, and the `volnux.toml` with its variables.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from volnux.config import config_file
from volnux.events.lookup import Lookup
from volnux.events.modules.origins import files_of_module, is_installed, loaded

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["FileKind", "SourceFile", "source_files"]


class FileKind(StrEnum):
    """What a file is for a pipeline."""

    TEXT = "text"
    MODULE = "module"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a pipeline is read from.

    Attributes:
        path: its absolute path.
        kind: what it is.
        used_by: the texts that use it, by absolute path; none for the pipeline's own text. For a
            module that no text names, these are the texts in whose folder or package it is.
        named: whether a text names it, as the name of a module of events does.
        installed: whether it belongs to an installed package.
    """

    path: Path
    kind: FileKind
    used_by: tuple[Path, ...]
    named: bool
    installed: bool


def source_files(graph: Graph, *, linked: bool = False) -> list[SourceFile]:
    """The files that a pipeline is read from: texts, then modules by path, then `volnux.toml`.

    Args:
        graph: its graph. A text that is not a file is left out.
        linked: whether the graph has been linked in this process. Then all modules are included
            that the process has loaded from the folders of the texts, and from the packages of
            their events. Otherwise only the modules that the texts name: nothing is imported.
    """
    texts = _texts(graph)
    found = _Found()
    for text in texts:
        found.add(text.path, FileKind.TEXT)
    for text in texts:
        for number in text.uses:
            found.add(texts[number].path, FileKind.TEXT, text)
    modules = _Found()
    for text in texts:
        for name in text.modules:
            for file in files_of_module(name, text.folder):
                modules.add(_absolute(file), FileKind.MODULE, text)
    named = {*modules.files}
    for file, text in _loaded_for(texts) if linked else ():
        if file not in named:
            modules.add(file, FileKind.MODULE, text)
    found.files.update(sorted(modules.files.items()))
    config = config_file(texts[0].path.parent) if graph.all_variables else None
    for text in texts:
        if config is not None and text.has_variables:
            found.add(config, FileKind.CONFIG, text)
    if not texts[0].is_file:
        del found.files[texts[0].path]
    return found.made(unnamed=modules.files.keys() - named)


class _Text(NamedTuple):
    """A text of a graph.

    Attributes:
        path: its absolute path.
        is_file: whether it is a file, and not a text in a program.
        modules: the modules that it names, and the modules of events beside it.
        uses: the numbers of the texts that it uses.
        has_variables: whether it declares variables.
    """

    path: Path
    is_file: bool
    modules: tuple[str, ...]
    uses: tuple[int, ...]
    has_variables: bool

    @property
    def folder(self) -> Path | None:
        """The folder in which its events are looked up first."""
        return self.path.parent if self.is_file else None


def _texts(graph: Graph) -> list[_Text]:
    """The texts of a graph, by their numbers."""
    dotted: dict[int, dict[str, None]] = {}
    for node in graph.nodes:
        if node.event is not None and "." in node.event:
            dotted.setdefault(node.file, {})[node.event.rpartition(".")[0]] = None
    found = []
    for number, declared in graph.declared():
        text = graph.text(number)
        name = text.filename if text else graph.name
        beside = Lookup.for_file(name, declared.events).module_names()
        found.append(
            _Text(
                _absolute(Path(name)),
                not name.startswith("<") and Path(name).is_file(),
                tuple(dict.fromkeys([*beside, *dotted.get(number, ())])),
                tuple(graph.names_in(number).values()),
                bool(declared.variables),
            )
        )
    return found


class _Found:
    """Files in the order in which they were found, each once."""

    def __init__(self) -> None:
        self.files: dict[Path, tuple[FileKind, dict[Path, None]]] = {}

    def add(self, file: Path, kind: FileKind, user: _Text | None = None) -> None:
        """Add a file, and a text that uses it."""
        _, users = self.files.setdefault(file, (kind, {}))
        if user is not None:
            users[user.path] = None

    def made(self, *, unnamed: Collection[Path]) -> list[SourceFile]:
        """The files; no text names some of them."""
        return [
            SourceFile(file, kind, tuple(users), file not in unnamed, is_installed(file))
            for file, (kind, users) in self.files.items()
        ]


def _loaded_for(texts: Sequence[_Text]) -> Iterator[tuple[Path, _Text]]:
    """The files of loaded modules in the folders of texts and in the packages that they name."""
    homes: dict[str, list[_Text]] = {}
    packages: dict[str, list[_Text]] = {}
    for text in texts:
        if text.folder is not None:
            homes.setdefault(os.path.realpath(text.folder), []).append(text)
        for package in dict.fromkeys(name.partition(".")[0] for name in text.modules):
            packages.setdefault(package, []).append(text)
    for module in loaded():
        if module.home in homes:
            inside = module.file.relative_to(module.home)
            # The folder may be a link: the file is named by the same way as the text.
            yield from ((text.path.parent / inside, text) for text in homes[module.home])
        elif module.home is None:
            package = module.name.partition(".")[0]
            yield from ((_absolute(module.file), text) for text in packages.get(package, ()))


def _absolute(path: Path) -> Path:
    """The absolute path, without `..` where that leads to the same file."""
    short = Path(os.path.abspath(path))  # noqa: PTH100 - it removes `..`
    return short if os.path.realpath(short) == os.path.realpath(path) else path.absolute()

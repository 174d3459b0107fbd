"""A program from texts that were kept, in place of the files of today."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from volnux.errors import Diagnostic, Source
from volnux.pointy.parser import PointyFile, analyze
from volnux.pointy.program import Program
from volnux.programs.paths import PathFault, identity
from volnux.programs.search import Search

__all__ = ["kept_program"]


def kept_program(text: str, filename: str, used: Mapping[str, str]) -> Program | None:
    """The program of a text and of the texts that it used; None if they have errors now.

    Args:
        text: the text.
        filename: the path of its file.
        used: the texts of the files that it used, by their real paths.
    """
    file = analyze(Source(text, filename))[0]
    if file is None:
        return None
    search = _Kept(file, used)
    search.run()
    for each, known in zip(search.files, search.uses, strict=True):
        if any(use.name not in known for use in each.settings.uses):
            return None
    return Program(tuple(search.files), tuple(search.uses))


class _Kept(Search):
    """Finds the kept texts."""

    def __init__(self, file: PointyFile, used: Mapping[str, str]) -> None:
        super().__init__(file)
        self._kept = used

    def read(
        self, written: str, path: Path, folder: Path
    ) -> tuple[Source | None, tuple[Diagnostic, ...]]:
        """See `Search`."""
        text = self._kept.get(identity(path))
        if text is None:
            raise PathFault(f"the text of {written} was not kept")
        return Source(text, str(path)), ()

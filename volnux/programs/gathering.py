"""Finds, reads and parses the files that a file uses, each once."""

from __future__ import annotations

import os
from pathlib import Path

from volnux.errors import Diagnostic
from volnux.pointy.parser import PointyFile, analyze
from volnux.pointy.program import Program
from volnux.reading import check_kind, read_text

__all__ = ["gather", "load_program"]


def load_program(path: str | Path) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Read a file and all files that it uses: the program, or None if there are errors.

    Raises:
        FileError: the file itself cannot be read, or is not named like a pipeline.
    """
    check_kind(path)
    source, diagnostics = read_text(path)
    if source is None:
        return None, diagnostics
    file, diagnostics = analyze(source)
    if file is None:
        return None, diagnostics
    program, found = gather(file)
    return program, (*diagnostics, *found)


def gather(file: PointyFile) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """The program of a parsed file, or None if a file that it uses has errors."""
    if not file.settings.uses:
        return Program.alone(file), ()
    files = [file]
    uses: list[dict[str, int]] = []
    numbers = {os.path.realpath(file.source.filename): 0}
    found: list[Diagnostic] = []
    for using in files:  # the list grows
        names: dict[str, int] = {}
        folder = Path(using.source.filename).parent
        for use in using.settings.uses:
            path = folder / use.path
            real = os.path.realpath(path)
            if real not in numbers:
                source, diagnostics = read_text(path)
                found += diagnostics
                if source is None:
                    return None, tuple(found)
                other, diagnostics = analyze(source)
                found += diagnostics
                if other is None:
                    return None, tuple(found)
                numbers[real] = len(files)
                files.append(other)
            names[use.name] = numbers[real]
        uses.append(names)
    return Program(tuple(files), tuple(uses)), tuple(found)

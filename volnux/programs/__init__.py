"""Loads a file together with all files that it uses, each read once, and checks them together."""

from __future__ import annotations

from pathlib import Path

from volnux.errors import Diagnostic, Severity, in_order
from volnux.pointy.parser import PointyFile, analyze
from volnux.pointy.program import Program
from volnux.reading import FileError, check_kind, read_text

__all__ = ["gather", "load_program", "used_paths"]


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
    return program, tuple(in_order((*diagnostics, *found)))


def gather(
    file: PointyFile, *, folder: Path | None = None
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """The program of a parsed file, or None if there are errors, and what was found.

    Args:
        file: the file; its own diagnostics are not repeated.
        folder: where the files are that it uses. Without it, its own folder, or the working
            directory for a text that is not a file.
    """
    if not file.settings.uses:
        return Program.alone(file), ()
    # Most files use no other: they need not wait for these modules.
    from volnux.programs.checks import check
    from volnux.programs.search import Search

    search = Search(file, folder)
    search.run()
    check(search.files, search.uses, search.findings)
    found = search.findings.in_order()
    if any(each.severity is Severity.ERROR for each in found):
        return None, found
    return Program(tuple(search.files), tuple(search.uses)), found


def used_paths(path: str | Path) -> tuple[Path, ...]:
    """The files that a file uses, directly or through others, for whoever watches for changes.

    Those that are missing or have errors are included. The files that they use are not known.
    """
    try:
        source, _ = read_text(path)
    except FileError:
        return ()
    file = analyze(source)[0] if source is not None else None
    if file is None or not file.settings.uses:
        return ()
    from volnux.programs.search import Search

    search = Search(file)
    search.run()
    return tuple(search.looked_for.values())

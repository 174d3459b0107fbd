"""Finds, reads and parses the files that a file uses, each once."""

from __future__ import annotations

from pathlib import Path

from volnux.errors import Diagnostic, Source
from volnux.pointy.parser import PointyFile, analyze
from volnux.pointy.tree import Use
from volnux.programs.findings import Findings
from volnux.programs.paths import PathFault, find, identity, read_used

__all__ = ["Search"]


class Search:
    """One search, breadth first, so that it needs no recursion.

    Attributes:
        files: the files that were read, in the order in which they were first met.
        uses: for each file, the numbers of the files that it uses, by name.
        findings: what was found in them.
        looked_for: every used file by its real path, even if it is missing or has errors.
    """

    def __init__(self, file: PointyFile, folder: Path | None = None) -> None:
        self.files = [file]
        self.uses: list[dict[str, int]] = []
        self.findings = Findings()
        self.findings.begin(file.source)
        self.looked_for: dict[str, Path] = {}
        name = file.source.filename
        is_file = not name.startswith("<")
        own = Path(name).parent if is_file else Path()
        self._folders = [folder or own]
        self._numbers: dict[str, int | None] = {}
        """The number of each file by its real path; None for a file with errors."""
        if is_file:
            self._numbers[identity(name)] = 0

    def run(self) -> None:
        """Read all files."""
        for number, file in enumerate(self.files):  # the list grows
            names: dict[str, int] = {}
            for use in file.settings.uses:
                try:
                    used = self._used(use, self._folders[number])
                except PathFault as fault:
                    where = use.path_span
                    self.findings.add(number, "bad-path", fault.message, where, hint=fault.hint)
                    continue
                if used is not None:
                    names[use.name] = used
            self.uses.append(names)

    def read(
        self, written: str, path: Path, folder: Path
    ) -> tuple[Source | None, tuple[Diagnostic, ...]]:
        """The text of a used file; see `read_used`."""
        return read_used(written, path, folder)

    def _used(self, use: Use, folder: Path) -> int | None:
        """The number of the file that a `@use` names; None if it has errors.

        Raises:
            PathFault: it cannot be read.
        """
        path = find(use.path, folder)
        real = identity(path)
        self.looked_for.setdefault(real, path)
        if real in self._numbers:
            return self._numbers[real]
        source, diagnostics = self.read(use.path, path, folder)
        file = None
        if source is not None:
            file, diagnostics = analyze(source)
        if file is None:
            self._numbers[real] = None
            self.findings.broken(diagnostics)
            return None
        self._numbers[real] = number = len(self.files)
        self.files.append(file)
        self._folders.append(path.parent)
        self.findings.begin(file.source, diagnostics)
        return number

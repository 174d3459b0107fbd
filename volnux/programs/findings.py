"""Collects what is found in the files of a program, file by file."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from volnux.errors import Diagnostic, Severity, Source, Span
from volnux.pointy.report import Report, TooManyErrorsError

__all__ = ["Findings"]


class Findings:
    """The diagnostics of the files of a program, at most about 1000 errors for each."""

    def __init__(self) -> None:
        self._reports: list[Report] = []
        self._broken: list[Diagnostic] = []
        """The diagnostics of files that are not in the program because of their errors."""

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        broken = any(each.severity is Severity.ERROR for each in self._broken)
        return broken or any(report.failed for report in self._reports)

    def full(self, number: int) -> bool:
        """Whether no more errors are added to the file of that number."""
        return self._reports[number].full

    def begin(self, source: Source, diagnostics: Sequence[Diagnostic] = ()) -> None:
        """Begin the next file of the program, with what its text alone shows."""
        report = Report(source)
        report.diagnostics += diagnostics
        self._reports.append(report)

    def broken(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Add the errors of a file that cannot be in the program."""
        self._broken += diagnostics

    def add(
        self, number: int, code: str, message: str, span: Span, *, hint: str | None = None
    ) -> None:
        """Add an error in the file of that number."""
        if not self.full(number):
            with contextlib.suppress(TooManyErrorsError):
                self._reports[number].add(code, message, span, hint=hint)

    def in_order(self) -> tuple[Diagnostic, ...]:
        """All diagnostics, those of each file by position."""
        found = [each for report in self._reports for each in report.in_order()]
        return (*found, *self._broken)

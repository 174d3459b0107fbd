"""The list in which a parse collects its findings, and how words of the text are shown."""

from __future__ import annotations

from volnux.errors import MOST_FOUND, Diagnostic, Severity, Source, Span

__all__ = ["Report", "TooManyErrorsError", "clip"]


class TooManyErrorsError(Exception):
    """A text has so many errors that looking for more is not useful."""


class Report:
    """Diagnostics of one text, in the order in which they were found."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.failed = False
        """True when at least one finding is an error."""
        self._errors = 0

    @property
    def full(self) -> bool:
        """Whether the limit of errors is reached."""
        return self._errors >= MOST_FOUND

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
        syntax: bool = False,
    ) -> None:
        """Add one finding at `span`.

        Raises: TooManyErrorsError: the limit of errors is reached.
        """
        if severity is Severity.ERROR:
            self.failed = True
            self._errors += 1
        self.diagnostics.append(
            Diagnostic(
                code=code,
                message=message,
                file=self.source.filename,
                span=span,
                hint=hint,
                severity=severity,
                text=self.source.line(span.line),
                syntax=syntax,
            )
        )
        if self.full:
            raise TooManyErrorsError

    def has_syntax_error(self) -> bool:
        """Whether a finding says that the text breaks the grammar."""
        return any(found.syntax for found in self.diagnostics)

    def in_order(self) -> tuple[Diagnostic, ...]:
        """The findings by position."""
        return tuple(sorted(self.diagnostics, key=lambda d: d.span or (0, 0, 0, 0)))


def clip(text: str, most: int = 40) -> str:
    """A word of the text for use in a message: short, and without control characters."""
    if len(text) <= most and text.isprintable():
        return text
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(character if character.isprintable() else "�" for character in shown)

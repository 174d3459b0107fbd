"""The rules for the names of events and used files in a flow."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from volnux.errors import Severity, Span
from volnux.pointy.report import Report, clip
from volnux.pointy.tree import Use

__all__ = ["check_name", "check_unused"]


def check_name(report: Report, name: str, span: Span, uses: Collection[str]) -> None:
    """Report the name of an event that looks like that of another place.

    Args:
        report: where an error is added.
        name: the name.
        span: its position.
        uses: the names of the used files.
    """
    _check_first(report, name, span, uses)
    stem, _, digits = name.rpartition("__")
    if stem and digits.isdigit():
        report.add(
            "reserved-name",
            f"the name '{clip(name)}' ends in two underscores and digits, "
            "which mark the second and later places of an event",
            span,
            hint=f"write '{clip(stem)}' again for another place of it, or rename the event",
        )


def check_unused(report: Report, uses: Mapping[str, Use], names: Collection[str]) -> None:
    """Warn about each used file that is not among the names in the flow."""
    events = {name.lower(): name for name in sorted(names) if name not in uses}
    for use in uses.values():
        if use.name not in names:
            hint = f"write {clip(use.name)} where an event can stand, or remove the @use"
            if event := events.get(use.name.lower()):
                hint += f"; '{clip(event)}' is an event: names of used files are case-sensitive"
            report.add(
                "unused-use",
                f"the flow does not use '{clip(use.name)}'",
                use.span,
                hint=hint,
                severity=Severity.WARNING,
            )


def _check_first(report: Report, name: str, span: Span, uses: Collection[str]) -> None:
    """Report an event whose dotted name looks like a place in a used file."""
    first, dot, _ = name.partition(".")
    stem, _, digits = first.rpartition("__")
    used = stem if digits.isdigit() and stem in uses else first
    if dot and used in uses:
        report.add(
            "double-name",
            f"the name '{clip(name)}' begins like the places of the used file '{clip(used)}'",
            span,
            hint=f"give the used file another name than '{clip(used)}' in its @use",
        )

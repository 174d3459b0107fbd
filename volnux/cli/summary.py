"""A run report as readable text: the path, place by place, then the failures and their reasons."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from volnux.cli.output import paint
from volnux.errors import shortened
from volnux.graph.outcome import FAILURE, RunStatus, State
from volnux.graph.places import index_of, template_of

if TYPE_CHECKING:
    from volnux.graph.report import PlaceReport, RunReport
    from volnux.runs.model import KeptPlace

__all__ = ["failure", "seconds", "summary"]

_STYLES = {
    State.DONE: "green",
    State.SKIPPED: "dim",
    State.FAILED: "red",
    State.CANCELLED: "yellow",
}
_STATUS = {
    RunStatus.SUCCESS: "bold green",
    RunStatus.FAILED: "bold red",
    RunStatus.CANCELLED: "bold yellow",
}


_MOST_COPIES = 10
"""More copies than this share rows by state. At most this many failed ones have their own row."""

_LONGEST_FAILURE = 500
"""The maximum length of the message of a failure."""


def summary(report: RunReport, *, colour: bool, fold: bool = False) -> Iterator[str]:
    """Lines that describe a run, with the places in reading order.

    Args:
        report: the report of the run.
        colour: whether to paint states.
        fold: whether to show many copies of a place in one row for each state, except the first
            failed ones.
    """
    copies = _copies(report) if fold else {}
    hidden = {place for group in copies.values() for place in _hidden(group)}
    yield ""
    yield from _table(_rows(report, copies, hidden), colour=colour)
    for place, entry in report.places.items():
        if _has_failed(entry) and place not in hidden:
            yield ""
            yield from failure(place, entry, colour=colour)
    for template, group in copies.items():
        more = [e for place, e in group.items() if place in hidden and _has_failed(e)]
        if more:
            handled = all(entry.handled for entry in more)
            text = f"{template}: {len(more)} more failed"
            yield ""
            yield paint(text, "yellow" if handled else "bold red", colour=colour)
    if report.failure is not None:
        yield ""
        yield f"{paint('the run failed', 'bold red', colour=colour)}: {report.failure}"
    yield ""
    took = _duration(report.started_at, report.ended_at)
    text = f"{report.pipeline}: {paint(report.status.value, _STATUS[report.status], colour=colour)}"
    text = f"{text} in {took}" if took else text
    yield text if report.resumed_from is None else f"{text}, resuming {report.resumed_from}"


def _copies(report: RunReport) -> dict[str, dict[str, PlaceReport]]:
    """The places that have many copies: the reports of the copies, by template."""
    found: dict[str, dict[str, PlaceReport]] = {}
    for place, entry in report.places.items():
        template = template_of(place)
        if template != place:
            found.setdefault(template, {})[place] = entry
    return {template: group for template, group in found.items() if len(group) > _MOST_COPIES}


def _has_failed(entry: PlaceReport) -> bool:
    return entry.descriptor == FAILURE or entry.failure is not None


def _hidden(group: Mapping[str, PlaceReport]) -> set[str]:
    """The copies of a place without a row of their own: all except the first failed ones."""
    failed = (place for place, entry in group.items() if _has_failed(entry))
    return set(group).difference(itertools.islice(failed, _MOST_COPIES))


def _rows(
    report: RunReport, copies: Mapping[str, Mapping[str, PlaceReport]], hidden: Collection[str]
) -> Iterator[tuple[str, list[PlaceReport]]]:
    """The names and the reports of the rows. All copies in one row have the same state."""
    begun = set()
    for place, entry in report.places.items():
        template = template_of(place)
        if template in copies and template not in begun:
            begun.add(template)
            group = copies[template]
            for state in State:
                folded = {p: e for p, e in group.items() if e.state is state and p in hidden}
                if folded:
                    name = _range(group) if len(folded) > 1 else next(iter(folded))
                    yield name, list(folded.values())
        if place not in hidden:
            yield place, [entry]


def _range(group: Mapping[str, PlaceReport]) -> str:
    """All copies as one name, such as `Fetch[0..199]` or `Page[0..9][*]`."""
    first, *_, last = group
    depth = len(index_of(first))
    return f"{template_of(first)}[{index_of(first)[0]}..{index_of(last)[0]}]" + "[*]" * (depth - 1)


def _table(rows: Iterator[tuple[str, list[PlaceReport]]], *, colour: bool) -> Iterator[str]:
    known = list(rows)
    timed = any(entry.started_at for _, entries in known for entry in entries)
    header = ("place", "state", "descriptor", "attempts", *(("time",) if timed else ()))
    cells = [_cells(place, entries, timed=timed) for place, entries in known]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))

    yield paint(line(header).rstrip(), "bold", colour=colour)
    for row, (_, entries) in zip(cells, known, strict=True):
        text = line(row).rstrip()
        state = entries[0].state
        if state is State.SKIPPED or not any(e.attempts or e.reused for e in entries):
            yield paint(text, "dim", colour=colour)
            continue
        start = widths[0] + 2
        end = start + len(row[1])
        yield text[:start] + paint(row[1], _STYLES[state], colour=colour) + text[end:]


def _cells(place: str, entries: list[PlaceReport], *, timed: bool) -> tuple[str, ...]:
    state = entries[0].state.value
    descriptors = {entry.descriptor for entry in entries}
    descriptor = descriptors.pop() if len(descriptors) == 1 else None
    attempts = str(sum(entry.attempts for entry in entries))
    reused = sum(entry.reused for entry in entries)
    if reused:
        attempts = "reused" if reused == len(entries) else f"{attempts} ({reused} reused)"
    elif all(entry.bypassed for entry in entries):
        attempts += " (bypassed)"
    starts = [entry.started_at for entry in entries if entry.started_at]
    ends = [entry.ended_at for entry in entries if entry.ended_at]
    time = _duration(min(starts, default=None), max(ends, default=None)) or "-"
    return (
        place,
        state if len(entries) == 1 else f"{len(entries)} {state}",
        "-" if descriptor is None else str(descriptor),
        attempts,
        *((time,) if timed else ()),
    )


def failure(place: str, entry: PlaceReport | KeptPlace, *, colour: bool) -> Iterator[str]:
    """A failure: one line if it was handled, otherwise with the frames of the user's code."""
    handled = entry.handled
    after = f" after {entry.attempts} attempts" if entry.attempts > 1 else ""
    style = "yellow" if handled else "bold red"
    head = paint(f"{place} failed{after}", style, colour=colour) + (", handled" if handled else "")
    found = entry.failure
    if found is None:
        from volnux.shown import shown

        # The result of a kept place is a text already.
        result = entry.result if hasattr(entry, "unkept") else shown(entry.result)
        yield f"{head}: it returned {shortened(result or 'a result that is not kept')}"
        return
    # Longer than in the lines of progress, since messages end with what to do.
    yield f"{head}: {shortened(str(found), _LONGEST_FAILURE)}"
    # An error about the returned value has no frames of the user: the message is sufficient.
    if not handled and "  File " in found.traceback:
        for line in found.traceback.rstrip().splitlines():
            yield f"  {line}"


def _duration(start: Any, end: Any) -> str | None:
    if start is None or end is None:
        return None
    return seconds((end - start).total_seconds())


def seconds(number: float) -> str:
    """A duration as readable text: `5ms`, `1.25s`, `12.3s`, `2m 05s`, `1h 02m`."""
    number = max(0.0, number)
    if number < 0.9995:
        return f"{number * 1000:.0f}ms"
    if number < 9.995:
        return f"{number:.2f}s"
    if number < 59.95:
        return f"{number:.1f}s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m"

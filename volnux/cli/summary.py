"""A run report as readable text: the path, place by place, then the failures and their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from volnux.cli.output import paint
from volnux.errors import shortened
from volnux.graph.outcome import FAILURE, RunStatus, State

if TYPE_CHECKING:
    from volnux.graph.report import PlaceReport, RunReport

__all__ = ["seconds", "summary"]

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


def summary(report: RunReport, *, colour: bool) -> Iterator[str]:
    """Lines that describe a run, with the places in reading order."""
    yield ""
    yield from _table(report, colour=colour)
    for place, entry in report.places.items():
        if entry.descriptor == FAILURE or entry.failure is not None:
            yield ""
            yield from _failure(place, entry, colour=colour)
    if report.failure is not None:
        yield ""
        yield f"{paint('the run failed', 'bold red', colour=colour)}: {report.failure}"
    yield ""
    took = _duration(report.started_at, report.ended_at)
    text = f"{report.pipeline}: {paint(report.status.value, _STATUS[report.status], colour=colour)}"
    yield f"{text} in {took}" if took else text


def _table(report: RunReport, *, colour: bool) -> Iterator[str]:
    timed = any(entry.started_at for entry in report.places.values())
    header = ("place", "state", "descriptor", "attempts", *(("time",) if timed else ()))
    rows = [
        (
            place,
            entry.state.value,
            "-" if entry.descriptor is None else str(entry.descriptor),
            f"{entry.attempts}{' (bypassed)' if entry.bypassed else ''}",
            *((_duration(entry.started_at, entry.ended_at) or "-",) if timed else ()),
        )
        for place, entry in report.places.items()
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))

    yield paint(line(header).rstrip(), "bold", colour=colour)
    for row, entry in zip(rows, report.places.values(), strict=True):
        text = line(row).rstrip()
        if entry.state is State.SKIPPED or not entry.attempts:
            yield paint(text, "dim", colour=colour)
            continue
        start = widths[0] + 2
        end = start + len(row[1])
        yield text[:start] + paint(row[1], _STYLES[entry.state], colour=colour) + text[end:]


def _failure(place: str, entry: PlaceReport, *, colour: bool) -> Iterator[str]:
    """A failure: one line if it was handled, otherwise with the frames of the user's code."""
    handled = entry.handled
    after = f" after {entry.attempts} attempts" if entry.attempts > 1 else ""
    style = "yellow" if handled else "bold red"
    head = paint(f"{place} failed{after}", style, colour=colour) + (", handled" if handled else "")
    failure = entry.failure
    if failure is None:
        from volnux.shown import shown

        yield f"{head}: it returned {shortened(shown(entry.result))}"
        return
    yield f"{head}: {shortened(str(failure))}"
    # An error about the returned value has no frames of the user: the message is sufficient.
    if not handled and "  File " in failure.traceback:
        for line in failure.traceback.rstrip().splitlines():
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

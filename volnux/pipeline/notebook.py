"""A run as HTML for notebooks: a table of its places, then the failures with their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from volnux.graph.outcome import FAILURE, State
from volnux.graph.report import PlaceReport, RunReport
from volnux.shown import shown

__all__ = ["report_as_html"]

_HEADS = ("place", "state", "descriptor", "attempts", "seconds")

_COLOURS = {
    State.DONE: "#2f9e54",
    State.SKIPPED: "#7b8794",
    State.FAILED: "#e0443e",
    State.CANCELLED: "#b7791f",
}


def report_as_html(report: RunReport) -> str:
    """The report of a run as HTML."""
    return "\n".join(_lines(report))


def _lines(report: RunReport) -> Iterator[str]:
    took = _seconds(report)
    yield f"<p><b>{escape(report.pipeline)}</b>: {escape(report.status.value)}" + (
        f" in {took} s</p>" if took else "</p>"
    )
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>"
    for name, place in report.places.items():
        state = f'<span style="color: {_COLOURS[place.state]}">{place.state.value}</span>'
        descriptor = "" if place.descriptor is None else str(place.descriptor)
        attempts = "reused" if place.reused else str(place.attempts)
        cells = (escape(name), state, descriptor, attempts, _seconds(place))
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table>"
    for name, place in report.places.items():
        if place.failure is not None or place.descriptor == FAILURE:
            yield from _failure(name, place)


def _failure(name: str, place: PlaceReport) -> Iterator[str]:
    handled = ", handled" if place.state is State.DONE else ""
    if place.failure is None:
        yield f"<p>{escape(name)} failed{handled}: it returned {escape(shown(place.result))}</p>"
        return
    yield f"<p>{escape(name)} failed{handled}: {escape(str(place.failure))}</p>"
    if place.failure.traceback and not handled:
        yield f"<pre>{escape(place.failure.traceback)}</pre>"


def _seconds(timed: RunReport | PlaceReport) -> str:
    if timed.started_at is None or timed.ended_at is None:
        return ""
    return f"{(timed.ended_at - timed.started_at).total_seconds():.3f}"

"""Kept runs as readable text, and as JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volnux.cli.output import paint
from volnux.cli.summary import failure, polls, seconds
from volnux.errors import shortened
from volnux.graph.outcome import FAILURE, State
from volnux.runs.model import KeptStatus

if TYPE_CHECKING:
    from volnux.runs.model import KeptLine, KeptPlace, KeptRun

__all__ = [
    "SHORT",
    "STYLES",
    "aligned",
    "details_as_json",
    "details_of",
    "log_of",
    "place_of",
    "run_as_json",
    "state_of",
    "table_of",
    "took",
]

SHORT = 12
"""How much of the id of a run a table shows: enough to name the run."""

STYLES = {
    KeptStatus.SUCCESS.value: "green",
    KeptStatus.FAILED.value: "bold red",
    KeptStatus.LOST.value: "bold red",
    KeptStatus.CANCELLED.value: "yellow",
    KeptStatus.RUNNING.value: "cyan",
    State.DONE.value: "green",
    State.SKIPPED.value: "dim",
}
"""The style of a status of a run, or of a state of a place."""

_LONGEST_INPUT = 100
_LONGEST_RESULT = 2_000


def aligned(
    rows: Sequence[tuple[str, ...]], styled: int | None = None, *, colour: bool
) -> Iterator[str]:
    """Rows as a table; the first one is its head.

    Args:
        rows: the cells of each row.
        styled: the column that is painted in the style of its text.
        colour: whether to paint.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if number == 0:
            yield paint("  ".join(cells).rstrip(), "bold", colour=colour)
            continue
        if styled is not None and row[styled] in STYLES:
            cells[styled] = paint(cells[styled], STYLES[row[styled]], colour=colour)
        yield "  ".join(cells).rstrip()


def table_of(runs: Sequence[KeptRun], *, colour: bool) -> Iterator[str]:
    """Lines that list runs."""
    if not runs:
        yield "no runs"
        return
    head = ("started (UTC)", "pipeline", "status", "took", "backend", "run")
    rows = [
        (
            f"{run.started:%Y-%m-%d %H:%M:%S}",
            shortened(run.pipeline, 40),
            run.status.value,
            took(run) or "-",
            run.backend,
            run.id[:SHORT],
        )
        for run in runs
    ]
    yield from aligned([head, *rows], 2, colour=colour)


def details_of(run: KeptRun, places: Sequence[KeptPlace], *, colour: bool) -> Iterator[str]:
    """Lines that describe a run: what it was given, its places, and its failures."""
    about = {
        "run": run.id,
        "pipeline": run.pipeline,
        "file": run.file,
        "status": paint(run.status.value, STYLES[run.status.value], colour=colour),
        "started": f"{run.started:%Y-%m-%d %H:%M:%S} UTC",
        "took": took(run),
        "scheduled for": run.scheduled_at and run.scheduled_at.isoformat(timespec="seconds"),
        "resumes": run.resumed_from,
        "backend": run.backend,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    yield from _pairs(about)
    if run.inputs:
        yield ""
        yield paint("inputs", "bold", colour=colour)
        yield from _pairs(
            {
                name: "(not kept)" if text is None else shortened(text, _LONGEST_INPUT)
                for name, text in run.inputs.items()
            },
            "  ",
        )
    if places:
        yield ""
        head = ("place", "state", "descriptor", "attempts", "time", "")
        rows = [
            (
                place.place,
                state_of(place, run),
                "-" if place.descriptor is None else str(place.descriptor),
                str(place.attempts) if place.attempts else "-",
                took(place) or "-",
                ", ".join(_notes(place)),
            )
            for place in places
        ]
        yield from aligned([head, *rows], 1, colour=colour)
    for place in places:
        if place.descriptor == FAILURE or place.failure is not None:
            yield ""
            yield from failure(place.place, place, colour=colour)
    if run.failure is not None:
        yield ""
        yield f"{paint('the run failed', 'bold red', colour=colour)}: {run.failure}"


def place_of(place: KeptPlace, lines: Sequence[KeptLine], *, colour: bool) -> Iterator[str]:
    """Lines that describe a place: how it ended, its result, its failure and its log."""
    state = state_of(place)
    about = {
        "place": place.place,
        "event": place.event,
        "state": paint(state, STYLES.get(state, "bold"), colour=colour),
        "descriptor": None if place.descriptor is None else str(place.descriptor),
        "attempts": str(place.attempts),
        "started": place.started and f"{place.started:%Y-%m-%d %H:%M:%S} UTC",
        "took": took(place),
        "received from": place.received_from and json.dumps(place.received_from),
        "notes": ", ".join(_notes(place)),
    }
    yield from _pairs(about)
    if place.unkept is not None:
        yield ""
        yield f"the result is not kept: {place.unkept}"
    elif place.result is not None:
        yield ""
        yield paint("result", "bold", colour=colour)
        text = json.dumps(json.loads(place.result), indent=2, ensure_ascii=False)
        for line in _cut(text).splitlines():
            yield f"  {line}"
    if place.failure is not None:
        yield ""
        yield paint("failure", "bold", colour=colour)
        for line in f"{place.failure}\n{place.failure.traceback}".strip().splitlines():
            yield f"  {line}"
    if lines:
        yield ""
        yield paint("log", "bold", colour=colour)
        yield from (f"  {line}" for line in log_of(lines, places=False))


def log_of(lines: Iterable[KeptLine], *, places: bool = True) -> Iterator[str]:
    """Log lines; with `places`, each begins with its place."""
    for line in lines:
        where = f"{line.place}: " if places else ""
        text = line.text.replace("\n", "\n    ")
        yield f"{line.at:%H:%M:%S.%f} {line.level} {line.logger}: {where}{text}"


def state_of(place: KeptPlace, run: KeptRun | None = None) -> str:
    """The state of a place; one that has not ended is running, or lost with its run."""
    if place.state is not None:
        return place.state.value
    lost = run is not None and run.status is not KeptStatus.RUNNING
    return (KeptStatus.LOST if lost else KeptStatus.RUNNING).value


def took(ran: KeptRun | KeptPlace) -> str | None:
    """How long a run or place took; None if it has not begun, or not ended."""
    if ran.started is None or ran.ended is None:
        return None
    return seconds((ran.ended - ran.started).total_seconds())


def _notes(place: KeptPlace) -> Iterator[str]:
    if place.polls:
        yield polls(place.polls)
    if place.reused:
        yield "reused"
    if place.bypassed:
        yield "bypassed"
    if place.handled:
        yield "failure handled"
    if place.unkept is not None:
        yield "result not kept"


def _pairs(about: dict[str, Any], indent: str = "") -> Iterator[str]:
    shown = {name: value for name, value in about.items() if value}
    width = max(map(len, shown))
    for name, value in shown.items():
        yield f"{indent}{name.ljust(width)}  {value}"


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_RESULT:
        return text
    return f"{text[:_LONGEST_RESULT]}… ({len(text):,} characters; --json shows all)"


# JSON.


def run_as_json(run: KeptRun) -> dict[str, Any]:
    """A run as `--json` prints it."""
    return {
        "run_id": run.id,
        "pipeline": run.pipeline,
        "file": run.file,
        "backend": run.backend,
        "status": run.status.value,
        "started_at": _iso(run.started),
        "ended_at": _iso(run.ended),
        "scheduled_at": _iso(run.scheduled_at),
        "resumed_from": run.resumed_from,
    }


def details_as_json(
    run: KeptRun, places: Sequence[KeptPlace], lines: Sequence[KeptLine]
) -> dict[str, Any]:
    """A run with its places and log lines as `--json` prints it. Values are tagged JSON."""
    return {
        **run_as_json(run),
        "versions": dict(run.versions),
        "inputs": {name: text and json.loads(text) for name, text in run.inputs.items()},
        "not_kept": [name for name, text in run.inputs.items() if text is None],
        "failure": run.failure and run.failure.to_json(),
        "places": {place.place: _place_as_json(place, run) for place in places},
        "log": [
            {
                "place": line.place,
                "attempt": line.attempt,
                "at": _iso(line.at),
                "level": line.level,
                "logger": line.logger,
                "text": line.text,
            }
            for line in lines
        ],
    }


def _place_as_json(place: KeptPlace, run: KeptRun) -> dict[str, Any]:
    return {
        "event": place.event,
        "state": state_of(place, run),
        "descriptor": place.descriptor,
        "attempts": place.attempts,
        "polls": place.polls,
        "started_at": _iso(place.started),
        "ended_at": _iso(place.ended),
        "result": place.result and json.loads(place.result),
        "result_not_kept": place.unkept,
        "failure": place.failure and place.failure.to_json(),
        "received_from": place.received_from,
        "bypassed": place.bypassed,
        "handled": place.handled,
        "reused": place.reused,
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

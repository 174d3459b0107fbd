"""The page of a kept run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volnux.errors import VolnuxError
from volnux.graph.compiling import compile
from volnux.graph.outcome import RunStatus, State
from volnux.graph.report import PlaceReport, RunReport
from volnux.htmlreport import Attempt, LogLine, html_of
from volnux.programs.kept import kept_program
from volnux.runs.model import KeptStatus

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.runs.model import KeptAttempt, KeptLine, KeptPlace, KeptRun

__all__ = ["file_name", "logs_of", "page_of"]

_LONGEST_NAME = 60

_UNENDED = (KeptStatus.RUNNING, KeptStatus.LOST)


def page_of(run: KeptRun, places: Sequence[KeptPlace], lines: Iterable[KeptLine]) -> str:
    """A kept run as an HTML document; see `html_of`.

    Values are shown as they are kept: no class of the user is needed. The picture comes from the
    kept texts. It is left out if this version of Volnux cannot compile them.
    """
    unended = run.status in _UNENDED
    report = RunReport(
        run.pipeline,
        run.backend,
        run.id,
        RunStatus.CANCELLED if unended else RunStatus(run.status.value),
        {place.place: _place(place) for place in places},
        {name: _Shown(text or "(not kept)") for name, text in run.inputs.items()},
        run.started,
        run.ended,
        failure=run.failure,
        scheduled_at=run.scheduled_at,
        resumed_from=run.resumed_from,
    )
    return html_of(
        report,
        _graph(run),
        attempts={place.place: [*map(_attempt, place.tries)] for place in places if place.tries},
        logs=logs_of(lines),
        versions=run.versions,
        unended=run.status.value if unended else None,
    )


def logs_of(lines: Iterable[KeptLine]) -> dict[str, list[LogLine]]:
    """Kept log lines by place, for a page."""
    logs: dict[str, list[LogLine]] = {}
    for line in lines:
        text = f"{line.logger}: {line.text}"
        logs.setdefault(line.place, []).append(LogLine(line.at, line.level, text, line.attempt))
    return logs


def file_name(run: KeptRun) -> Path:
    """The name of the file for a run, if none is given."""
    name = re.sub(r"[^\w.-]+", "_", f"{run.pipeline[:_LONGEST_NAME]}-{run.id[:_LONGEST_NAME]}")
    return Path(f"{name.lstrip('.-')}.html")


class _Shown(str):
    """A text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _place(place: KeptPlace) -> PlaceReport:
    result: Any = None
    if place.unkept is not None:
        result = _Shown(f"(not kept: {place.unkept})")
    elif place.result not in (None, "null"):
        result = _Shown(place.result)
    return PlaceReport(
        place.event,
        place.state or State.CANCELLED,
        place.descriptor,
        place.attempts,
        result,
        failure=place.failure,
        started_at=place.started,
        ended_at=place.ended,
        bypassed=place.bypassed,
        received_from=place.received_from,
        handled=place.handled,
        polls=place.polls,
        reused=place.reused,
    )


def _attempt(kept: KeptAttempt) -> Attempt:
    return Attempt(kept.started, kept.ended, kept.failure)


def _graph(run: KeptRun) -> Graph | None:
    try:
        program = kept_program(run.source, run.file or "<flow>", run.used)
        return None if program is None else compile(program)
    except VolnuxError:
        return None

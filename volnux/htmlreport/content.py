"""The content of an HTML report as JSON: everything that its page shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from volnux.graph.outcome import FAILURE, Failure, State
from volnux.graph.places import template_of
from volnux.htmlreport.flow import pictures_of
from volnux.masking import hide
from volnux.shown import shown

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.graph.report import PlaceReport, RunReport

__all__ = ["Attempt", "LogLine", "content_of"]

_MOST_VALUES = 4_000_000
"""The characters that all values may have, and all tracebacks. Many values are cut to fit."""

_MOST_LINES = 20_000
"""The lines of log that a report shows, of all places."""

_LONGEST_LINE = 2_000
"""The maximum length of a line of log, in characters."""


class Attempt(NamedTuple):
    """One attempt of a place.

    Attributes:
        started_at: its start, aware.
        ended_at: its end, aware; None if it is unknown.
        failure: what it failed with; None if it did not fail.
    """

    started_at: dt.datetime
    ended_at: dt.datetime | None = None
    failure: str | None = None


class LogLine(NamedTuple):
    """One record that a place logged.

    Attributes:
        at: when it was logged, aware.
        level: `INFO`, `WARNING` and so on.
        text: the message; it may have several lines.
        attempt: the number of the attempt, from 1; 0 if it is unknown.
    """

    at: dt.datetime
    level: str
    text: str
    attempt: int = 0


def content_of(
    report: RunReport,
    graph: Graph | None,
    *,
    attempts: Mapping[str, Sequence[Attempt]],
    logs: Mapping[str, Sequence[LogLine]],
    versions: Mapping[str, str],
    unended: str | None = None,
) -> dict[str, Any]:
    """The content as JSON; for the arguments see `html_of`."""
    writer = _Writer(report, attempts, logs, unended)
    places = [writer.place(place, entry, graph) for place, entry in report.places.items()]
    return {
        "pipeline": _text(report.pipeline),
        "description": _text((graph and graph.description) or ""),
        "backend": _text(report.backend),
        "run_id": _text(report.run_id),
        "resumed_from": report.resumed_from and _text(report.resumed_from),
        "status": unended or report.status.value,
        "started_at": _iso(report.started_at),
        "scheduled_at": _iso(report.scheduled_at),
        "took": writer.moment(report.ended_at),
        "failure": None if report.failure is None else writer.failure(report.failure),
        "inputs": [[_text(name), writer.value(value)] for name, value in report.inputs.items()],
        "versions": [[_text(name), _text(text)] for name, text in versions.items()],
        "texts": _texts(graph) if graph else [],
        "pictures": pictures_of(graph, report.places, unended) if graph else [],
        "places": places,
        "log": writer.log(logs.get("", ())),
        "failures": writer.failures,
    }


class _Writer:
    """Writes the parts of a report that depend on its size, and equal failures once."""

    def __init__(
        self,
        report: RunReport,
        attempts: Mapping[str, Sequence[Attempt]],
        logs: Mapping[str, Sequence[LogLine]],
        unended: str | None,
    ) -> None:
        self.failures: list[dict[str, str]] = []
        self._known: dict[tuple[str, str, str], int] = {}
        self._attempts = attempts
        self._logs = logs
        self._unended = unended
        begun = [entry.started_at for entry in report.places.values() if entry.started_at]
        self._start = report.started_at or min(begun, default=None)
        self._longest = max(300, min(10_000, _MOST_VALUES // (len(report.places) or 1)))
        failed = sum(entry.failure is not None for entry in report.places.values())
        self._longest_traceback = max(1_000, min(20_000, _MOST_VALUES // (failed or 1)))
        self._most_lines = max(20, min(1_000, _MOST_LINES // (len(logs) or 1)))

    def place(self, place: str, entry: PlaceReport, graph: Graph | None) -> dict[str, Any]:
        """A place; what it does not have is left out."""
        failed_value = entry.descriptor == FAILURE and entry.failure is None
        source = _source(entry)
        found = {
            "name": _text(place),
            "event": _text(entry.event),
            "state": self._state(entry.state),
            "descriptor": entry.descriptor,
            "attempts": entry.attempts or None,
            "polls": entry.polls or None,
            "start": self.moment(entry.started_at),
            "end": self.moment(entry.ended_at),
            "result": None if entry.result is None else self.value(entry.result),
            "received": None if source or entry.received is None else self.value(entry.received),
            "from": source,
            "failure": None if entry.failure is None else self.failure(entry.failure),
            "failed": failed_value or entry.failure is not None or None,
            "handled": entry.handled or None,
            "bypassed": entry.bypassed or None,
            "reused": entry.reused or None,
            "tries": [self._attempt(each) for each in self._attempts.get(place, ())] or None,
            "log": self.log(self._logs.get(place, ())),
            "at": _position(graph, place) if graph else None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def _state(self, state: State) -> str:
        return self._unended if self._unended and state is State.CANCELLED else state.value

    def failure(self, failure: Failure) -> int:
        """The number of a failure in `failures`."""
        key = failure.type, failure.message, failure.traceback
        if key not in self._known:
            self._known[key] = len(self.failures)
            self.failures.append(
                {
                    "type": _text(failure.type),
                    "message": _middle_out(_text(failure.message), self._longest_traceback),
                    "traceback": _middle_out(_text(failure.traceback), self._longest_traceback),
                }
            )
        return self._known[key]

    def value(self, value: Any) -> str:
        """A value as Python shows it, cut if it is long."""
        return _text(shown(value, self._longest))

    def moment(self, moment: dt.datetime | None) -> float | None:
        """Milliseconds since the start of the run."""
        if moment is None or self._start is None:
            return None
        return round((moment - self._start).total_seconds() * 1000, 3)

    def _attempt(self, attempt: Attempt) -> list[Any]:
        failure = attempt.failure and _middle_out(_text(attempt.failure), self._longest_traceback)
        return [self.moment(attempt.started_at), self.moment(attempt.ended_at), failure]

    def log(self, lines: Sequence[LogLine]) -> dict[str, Any] | None:
        """The last lines of a log, and how many are left out; None if it is empty."""
        if not lines:
            return None
        kept = lines[-self._most_lines :]
        return {
            "left_out": len(lines) - len(kept),
            "lines": [
                [
                    self.moment(line.at),
                    _text(line.level),
                    line.attempt,
                    _middle_out(_text(line.text), _LONGEST_LINE),
                ]
                for line in kept
            ],
        }


def _texts(graph: Graph) -> list[list[str]]:
    """The texts of a graph, each with the name of its file."""
    texts = [text for number in range(len(graph.files) + 1) if (text := graph.text(number))]
    return [[_text(text.filename), _text(text.text)] for text in texts]


def _position(graph: Graph, place: str) -> list[int] | None:
    """The number of the text in which a place is written, and the line."""
    index = graph.topology.index.get(template_of(place))
    if index is None:
        return None
    node = graph.nodes[index]
    if node.span is None or graph.text(node.file) is None:
        return None
    return [node.file, node.span.line]


def _source(entry: PlaceReport) -> list[str] | None:
    source = entry.received_from
    if source is None:
        return None
    names = [source] if isinstance(source, str) else _flat(source)
    return [_text(name) for name in names]


def _flat(source: Any) -> list[str]:
    """The places in a list of sources, which may have lists in it."""
    if source is None or isinstance(source, str):
        return [] if source is None else [source]
    return [name for each in source for name in _flat(each)]


def _text(text: str) -> str:
    """A text without secrets; the halves of a surrogate pair, which no file can hold, escaped."""
    return hide(text).encode(errors="backslashreplace").decode()


def _middle_out(text: str, most: int) -> str:
    """The text, without its middle if it is long: a traceback says most at its end."""
    if len(text) <= most:
        return text
    head = most // 4
    left_out = f"\n… {len(text) - most:,} characters are left out …\n"
    return text[:head] + left_out + text[head - most :]


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

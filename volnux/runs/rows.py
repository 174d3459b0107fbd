"""The rows of a store as objects."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from volnux.graph.outcome import Failure, State
from volnux.graph.places import index_of
from volnux.runs.model import KeptAttempt, KeptLine, KeptPlace, KeptRun, KeptStatus
from volnux.runs.process import is_alive

if TYPE_CHECKING:
    from volnux.events.answers import Question

__all__ = [
    "LINE",
    "PLACE",
    "RUN",
    "WHOLE_RUN",
    "in_reading_order",
    "is_running",
    "line_of",
    "place_of",
    "question_of",
    "run_of",
]

RUN: Final = (
    "id, pipeline, file, backend, status, started, ended, beat, process, scheduled, "
    "fingerprint, resumed_from, anew, versions, failure, inputs"
)
"""The columns of `runs` and `sources` that `run_of` needs."""

WHOLE_RUN: Final = f"{RUN}, texts"
"""The same with the texts of the files."""

Row = sqlite3.Row | Mapping[str, Any]

PLACE: Final = (
    "place, event, position, state, descriptor, attempts, polls, started, ended, bypassed, "
    "handled, reused, given, received_from, failure, unkept, result, tries"
)
"""The columns of a place, in the order of a row for `Writer`."""

LINE: Final = "place, attempt, at, level, logger, text"


def run_of(row: Row) -> KeptRun:
    """A run, from a row with the columns `RUN` or `WHOLE_RUN`."""
    status, ended = KeptStatus(row["status"]), row["ended"]
    if status is KeptStatus.RUNNING and not is_running(row):
        status, ended = KeptStatus.LOST, row["beat"]
    texts = json.loads(row["texts"]) if "texts" in row.keys() and row["texts"] else {}  # noqa: SIM118 - a row contains its values
    return KeptRun(
        id=row["id"],
        pipeline=row["pipeline"],
        file=row["file"],
        backend=row["backend"],
        status=status,
        started=_moment(row["started"]),
        ended=ended and _moment(ended),
        inputs=json.loads(row["inputs"]),
        scheduled_at=row["scheduled"] and dt.datetime.fromisoformat(row["scheduled"]),
        fingerprint=row["fingerprint"],
        source=texts.pop("", ""),
        used=texts,
        resumed_from=row["resumed_from"],
        anew=tuple(json.loads(row["anew"])),
        versions=json.loads(row["versions"]),
        failure=_failure(row["failure"]),
    )


def is_running(row: Row) -> bool:
    """Whether the process of a run is alive and has not recorded its end."""
    return row["status"] == KeptStatus.RUNNING and is_alive(row["process"], row["beat"])


def question_of(row: sqlite3.Row) -> Question:
    """A question, from a row of `questions` with the `id` of its run."""
    from volnux.events.answers import Question

    options = tuple(json.loads(row["options"]))
    return Question(row["id"], row["place"], row["text"], options, row["deadline"])


def place_of(row: Row) -> KeptPlace:
    """A place, from a row with the columns `PLACE`."""
    started, ended, source = row["started"], row["ended"], row["received_from"]
    if row["state"] and not row["attempts"]:
        started = ended = None  # the value that was piped to it could not be read
    return KeptPlace(
        place=row["place"],
        event=row["event"] or "",
        state=row["state"] and State(row["state"]),
        descriptor=row["descriptor"],
        attempts=row["attempts"] or 0,
        polls=row["polls"] or 0,
        started=started and _moment(started),
        ended=ended and _moment(ended),
        result=row["result"],
        unkept=row["unkept"],
        failure=_failure(row["failure"]),
        received_from=source and json.loads(source),
        given=row["given"],
        bypassed=bool(row["bypassed"]),
        handled=bool(row["handled"]),
        reused=bool(row["reused"]),
        tries=_tries(row["tries"]),
    )


def in_reading_order(rows: list[sqlite3.Row]) -> list[sqlite3.Row]:
    """Rows of places: by their position in the text, and the copies of a place by their numbers."""
    return sorted(rows, key=lambda row: (row["position"] or 0, index_of(row["place"])))


def line_of(row: sqlite3.Row) -> KeptLine:
    """A log line, from a row with the columns `LINE`."""
    return KeptLine(
        row["place"], row["attempt"], _moment(row["at"]), row["level"], row["logger"], row["text"]
    )


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _tries(text: str | None) -> tuple[KeptAttempt, ...]:
    return tuple(
        KeptAttempt(_moment(started), _moment(ended), failure)
        for started, ended, failure in json.loads(text or "[]")
    )


def _failure(text: str | None) -> Failure | None:
    if text is None:
        return None
    data: dict[str, Any] = json.loads(text)
    return Failure(**data)

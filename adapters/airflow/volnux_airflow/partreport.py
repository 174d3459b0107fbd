"""The places of a part of a flow, as the task that ran it stores them for the report of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from volnux.graph.outcome import Failure, State
from volnux.graph.report import PlaceReport, RunReport
from volnux.kit.notes import moment
from volnux.values.kinds import NotPortableError

__all__ = ["PLACES_KEY", "places_from", "stored_places"]

PLACES_KEY = "volnux_places"
"""The XCom key of the places, a list of names and places: a dict must not have some keys."""


def stored_places(
    reports: Iterable[RunReport], write: Callable[[Any, str], Any]
) -> list[list[Any]]:
    """The places of the runs of a part, as JSON.

    Args:
        reports: the reports of the runs.
        write: makes JSON of a value of a place.
    """
    return [
        [name, _stored(name, item, write)]
        for report in reports
        for name, item in report.places.items()
    ]


def places_from(stored: Iterable[Sequence[Any]]) -> dict[str, PlaceReport]:
    """The places of `stored_places`. They have a received value only if it came from outside.

    Args:
        stored: the JSON, whose values have been read.
    """
    return {name: _place(item) for name, item in stored}


def _stored(name: str, item: PlaceReport, write: Callable[[Any, str], Any]) -> dict[str, Any]:
    return {
        "event": item.event,
        "state": item.state.value,
        "descriptor": item.descriptor,
        "attempts": item.attempts,
        "result": write(item.result, name),
        "received": _received(name, item, write),
        "failure": None if item.failure is None else item.failure.to_json(),
        "started_at": None if item.started_at is None else item.started_at.timestamp(),
        "ended_at": None if item.ended_at is None else item.ended_at.timestamp(),
        "bypassed": item.bypassed,
        "polls": item.polls,
    }


def _received(name: str, item: PlaceReport, write: Callable[[Any, str], Any]) -> Any:
    if item.received_from is not None:
        # What came from another place of the part is known from its result.
        return None
    try:
        return write(item.received, name)
    except NotPortableError:  # it comes from a task that is not ours
        return None


def _place(item: Mapping[str, Any]) -> PlaceReport:
    failure = item["failure"]
    return PlaceReport(
        event=item["event"],
        state=State(item["state"]),
        descriptor=item["descriptor"],
        attempts=item["attempts"],
        result=item["result"],
        received=item["received"],
        failure=None if failure is None else Failure.from_json(failure),
        started_at=moment(item["started_at"]),
        ended_at=moment(item["ended_at"]),
        bypassed=item["bypassed"],
        polls=item["polls"],
    )

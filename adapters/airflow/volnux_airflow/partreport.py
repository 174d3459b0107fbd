"""The places of a part of a flow, as the task that ran it stores them for the report of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from volnux.graph.outcome import Failure, State
from volnux.graph.report import PlaceReport, RunReport
from volnux.kit.notes import moment
from volnux_airflow.packed import pack, unpack

__all__ = ["PLACES_KEY", "dumped", "loaded"]

PLACES_KEY = "volnux_places"
"""The XCom key of the places. The value is JSON as text: Airflow would change some dicts."""


def dumped(reports: Iterable[RunReport]) -> str:
    """The places of the runs of a part, as JSON."""
    places = {name: _stored(item) for report in reports for name, item in report.places.items()}
    return json.dumps(places, ensure_ascii=False)


def loaded(stored: str | dict[str, Any]) -> dict[str, PlaceReport]:
    """The places that `dumped` wrote. They have a received value only if it came from outside.

    Args:
        stored: the text, or its value: Airflow itself reads an XCom that is JSON as text.
    """
    places = json.loads(stored) if isinstance(stored, str) else stored
    return {name: _read(item) for name, item in places.items()}


def _stored(item: PlaceReport) -> dict[str, Any]:
    # What came from another place of the part is known from its result.
    outside = item.received if item.received_from is None else None
    received, failures = pack(outside)
    return {
        "event": item.event,
        "state": item.state.value,
        "descriptor": item.descriptor,
        "attempts": item.attempts,
        "result": item.result,
        "received": received,
        "failures": failures,
        "failure": None if item.failure is None else item.failure.to_json(),
        "started_at": None if item.started_at is None else item.started_at.timestamp(),
        "ended_at": None if item.ended_at is None else item.ended_at.timestamp(),
        "bypassed": item.bypassed,
    }


def _read(item: dict[str, Any]) -> PlaceReport:
    failure = item["failure"]
    return PlaceReport(
        event=item["event"],
        state=State(item["state"]),
        descriptor=item["descriptor"],
        attempts=item["attempts"],
        result=item["result"],
        received=unpack(item["received"], item["failures"]),
        failure=None if failure is None else Failure.from_json(failure),
        started_at=moment(item["started_at"]),
        ended_at=moment(item["ended_at"]),
        bypassed=item["bypassed"],
    )

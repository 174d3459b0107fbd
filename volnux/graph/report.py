"""The run report: what every backend says of a run when it has ended, as a model and as JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from volnux.graph.execution import Execution
from volnux.graph.jsonable import failure_as_json, jsonable
from volnux.graph.model import Kind
from volnux.graph.outcome import Failure, RunStatus, State

__all__ = ["PlaceReport", "RunReport", "jsonable", "places_of"]

REPORT_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class PlaceReport:
    """How one place of the flow ended.

    Attributes:
        event: the event's name.
        state: how the place ended.
        descriptor: what its event finished with; None where it never ran, or did not finish.
        attempts: how many attempts were made; 0 where it never ran.
        result: what the event returned; None after an exception, which `failure` describes.
        received: what was piped to it.
        failure: the exception that was left after the last attempt.
        started_at, ended_at: of the first and the last attempt, aware, UTC.
        bypassed: the event's `can_bypass` made `process` unnecessary.
    """

    event: str
    state: State
    descriptor: int | None = None
    attempts: int = 0
    result: Any = None
    received: Any = None
    failure: Failure | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    bypassed: bool = False

    def to_json(self) -> dict[str, Any]:
        """The place as JSON; for values see `jsonable`."""
        return {
            "event": self.event,
            "state": self.state.value,
            "descriptor": self.descriptor,
            "attempts": self.attempts,
            "result": jsonable(self.result),
            "received": jsonable(self.received),
            "failure": None if self.failure is None else failure_as_json(self.failure),
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
            **({"bypassed": True} if self.bypassed else {}),
        }


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended; `places` are in reading order."""

    pipeline: str
    backend: str
    run_id: str
    status: RunStatus
    places: Mapping[str, PlaceReport]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as `volnux run --json` prints it."""
        return {
            "format_version": REPORT_FORMAT_VERSION,
            "pipeline": self.pipeline,
            "backend": self.backend,
            "run_id": self.run_id,
            "status": self.status.value,
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
            "inputs": {name: jsonable(value) for name, value in self.inputs.items()},
            "places": {place: report.to_json() for place, report in self.places.items()},
        }

    def dumps(self, *, indent: int | None = None) -> str:
        """The JSON as text."""
        return json.dumps(self.to_json(), indent=indent, ensure_ascii=False)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RunReport:
        """The report that `to_json` gave; values that were not JSON stay as they were shown."""
        places = {
            place: PlaceReport(
                event=item["event"],
                state=State(item["state"]),
                descriptor=item["descriptor"],
                attempts=item["attempts"],
                result=item["result"],
                received=item["received"],
                failure=None
                if item["failure"] is None
                else Failure(**{"attempts": item["attempts"], **item["failure"]}),
                started_at=_from_iso(item["started_at"]),
                ended_at=_from_iso(item["ended_at"]),
                bypassed=item.get("bypassed", False),
            )
            for place, item in data["places"].items()
        }
        return RunReport(
            pipeline=data["pipeline"],
            backend=data["backend"],
            run_id=data["run_id"],
            status=RunStatus(data["status"]),
            places=places,
            inputs=data["inputs"],
            started_at=_from_iso(data["started_at"]),
            ended_at=_from_iso(data["ended_at"]),
        )


def places_of(
    execution: Execution, details: Callable[[int], Mapping[str, Any]]
) -> dict[str, PlaceReport]:
    """The places of a run that has ended, by its state machine.

    Args:
        execution: the run.
        details: for an event's node, what only the backend knows of it, as keyword arguments of
            `PlaceReport`: attempts, received, times.
    """
    places = {}
    for index, node in enumerate(execution.graph.nodes):
        if node.kind is not Kind.EVENT:
            continue
        result = execution.results[index]
        failed = isinstance(result, Failure)
        places[node.id] = PlaceReport(
            event=node.event or "",
            state=execution.states[index] or State.CANCELLED,
            descriptor=execution.descriptors[index],
            result=None if failed else result,
            failure=result if failed else None,
            **details(index),
        )
    return places


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _from_iso(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)

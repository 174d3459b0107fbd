"""Reading the JSON of a run report. It is imported late, because pydantic takes time to import."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator

from volnux.graph.execution import Source
from volnux.graph.outcome import Failure, RunStatus, State
from volnux.shown import shown
from volnux.strictjson import FormatError, built, read_json
from volnux.values.codec import from_json
from volnux.values.reading import Classes, Known

__all__ = ["fields_of"]

_WHAT = "this JSON is not a run report"


def fields_of(
    data: object, *, newest: int, classes: Iterable[type] | Classes = ()
) -> dict[str, Any]:
    """The fields of the `RunReport` whose `to_json` gave this value.

    Args:
        data: the JSON, as a value or as text.
        newest: the latest format version that can be read.
        classes: the classes that values may be of, besides registered ones.

    Returns:
        The arguments of `RunReport`, where `places` holds those of each `PlaceReport`.

    Raises:
        FormatError: it is not such a value, or has a later format version.
    """
    if isinstance(data, str | bytes):
        data = read_json(data)
    version = data.get("format_version") if isinstance(data, Mapping) else None
    if isinstance(version, int) and version > newest:
        raise FormatError(
            f"a run report of format version 1 to {newest} was expected, found "
            f"{shown(version, 100)}: read it with the version of volnux that wrote it"
        )
    read = built(_Report, data, what=_WHAT)
    if read.values:
        _read_values(read, classes)
    return {
        "pipeline": read.pipeline,
        "backend": read.backend,
        "run_id": read.run_id,
        "status": read.status,
        "places": {place: _place(place, item, read) for place, item in read.places.items()},
        "inputs": read.inputs,
        "started_at": read.started_at,
        "ended_at": read.ended_at,
        "results_kept": read.results_kept,
        "failure": None if read.failure is None else _failure(read.failure, 1),
        "scheduled_at": read.scheduled_at,
        "resumed_from": read.resumed_from,
    }


def _read_values(report: _Report, classes: Iterable[type] | Classes) -> None:
    """Put the values of a report in the place of their stored form."""
    known = Known(classes) if isinstance(classes, Iterable) else classes

    def value(data: Any, at: str) -> Any:
        try:
            return from_json(data, classes=known)
        except FormatError as error:
            raise FormatError(f"{_WHAT}: {at}: {error}", at) from None

    for name, data in report.inputs.items():
        report.inputs[name] = value(data, f"inputs.{name}")
    for name, place in report.places.items():
        place.result = value(place.result, f"places.{name}.result")
        if isinstance(place.received, Mapping) and "value" in place.received:
            received = value(place.received["value"], f"places.{name}.received")
            place.received = {**place.received, "value": received}


def _place(name: str, item: _Place, report: _Report) -> dict[str, Any]:
    value, source = item.received, None
    if report.format_version > 1:
        at = f"places.{name}.received"
        received = built(_Received, item.received or {}, what=_WHAT, at=at)
        value, source = received.value, received.source
        if source is not None and report.results_kept:
            value = _value_from(source, report, f"{at}.from")
    failure = item.failure
    return {
        "event": item.event,
        "state": item.state,
        "descriptor": item.descriptor,
        "attempts": item.attempts,
        "result": item.result,
        "received": value,
        "failure": None if failure is None else _failure(failure, item.attempts),
        "started_at": item.started_at,
        "ended_at": item.ended_at,
        "bypassed": item.bypassed,
        "handled": item.handled,
        "reused": item.reused,
        "received_from": source,
    }


def _failure(read: _Failure, attempts: int) -> Failure:
    attempts = attempts if read.attempts is None else read.attempts
    return Failure(read.type, read.message, read.traceback, attempts)


def _value_from(source: Source, report: _Report, at: str) -> Any:
    """What a place received, looked up at its source."""
    if source is None:
        return None
    if isinstance(source, list):
        return [_value_from(part, report, at) for part in source]
    place = report.places.get(source)
    if place is None:
        raise FormatError(f"{_WHAT}: {at}: there is no such place", at)
    if place.failure is None:
        return place.result
    if report.values:
        return _failure(place.failure, place.attempts)
    return place.failure.model_dump(exclude_unset=True)


def _as_text(value: object) -> dt.datetime | None:
    """A moment is text in the JSON, never a number."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("expected a moment in ISO form")
    return dt.datetime.fromisoformat(value)


_Moment = Annotated[dt.datetime | None, PlainValidator(_as_text)]

_DEEPEST = 100


def _as_source(value: object, levels: int = _DEEPEST) -> Source:
    if isinstance(value, list) and levels:
        return [_as_source(item, levels - 1) for item in value]
    if value is not None and not isinstance(value, str):
        raise ValueError("expected a place, or a list of places")
    return value


_Source = Annotated[Any, PlainValidator(lambda value: _as_source(value))]


class _Failure(BaseModel):
    type: str
    message: str
    traceback: str = ""
    attempts: int | None = None


class _Received(BaseModel):
    value: Any = None
    source: _Source = Field(None, alias="from")


class _Place(BaseModel):
    event: str
    state: State
    descriptor: int | None
    attempts: int
    result: Any
    received: Any
    failure: _Failure | None
    started_at: _Moment
    ended_at: _Moment
    bypassed: bool = False
    handled: bool = False
    reused: bool = False


class _Report(BaseModel):
    format_version: Literal[1, 2, 3]
    pipeline: str
    backend: str
    run_id: str
    status: RunStatus
    started_at: _Moment
    ended_at: _Moment
    inputs: dict[str, Any]
    places: dict[str, _Place]
    results_kept: bool = True
    values: bool = False
    failure: _Failure | None = None
    scheduled_at: _Moment = None
    resumed_from: str | None = None

"""Compares the run report of a backend with the expected result of a case."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, Final

from volnux.graph.jsonable import jsonable
from volnux.graph.outcome import Failure
from volnux.graph.report import PlaceReport, RunReport
from volnux.testing.cases import Expected, ExpectedPlace
from volnux.values.codec import to_json
from volnux.values.kinds import TAG, VALUE, NotPortableError
from volnux.values.plain import is_plain

__all__ = ["differences", "exact", "plain"]

_EARLY: Final = 0.005
"""The tolerance in seconds when durations are compared."""


def differences(expected: Expected, report: RunReport) -> list[str]:
    """The differences between a report and the expected result, one line each.

    Args:
        expected: the expected result.
        report: the report of a backend.
    """
    return list(_differences(expected, report))


def _differences(expected: Expected, report: RunReport) -> Iterator[str]:
    if report.status != expected.status:
        yield f"the run: {report.status}, expected {expected.status}"
    if list(report.places) != list(expected.places):
        yield f"places: {', '.join(report.places)}, expected {', '.join(expected.places)}"
        return
    if expected.pipeline is not None and report.pipeline != expected.pipeline:
        yield f"the pipeline: {report.pipeline!r}, expected {expected.pipeline!r}"
    for name, value in expected.inputs.items():
        given = plain(report.inputs.get(name))
        if given != value:
            yield f"the input {name}: {given!r}, expected {value!r}"
    yield from _of_failure(expected.failure, report.failure)
    if expected.scheduled_at is not None and plain(report.scheduled_at) != expected.scheduled_at:
        yield f"scheduled_at {plain(report.scheduled_at)!r}, expected {expected.scheduled_at!r}"
    for place, wanted in expected.places.items():
        for line in _of_place(wanted, report.places[place], report):
            yield f"{place}: {line}"
    yield from _together(expected.together, report)
    yield from _apart(expected.apart, report)


def _of_place(wanted: ExpectedPlace, found: PlaceReport, report: RunReport) -> Iterator[str]:
    for item in fields(ExpectedPlace):
        name = item.name
        if name in ("failure", "lasts"):
            continue
        value, given = getattr(wanted, name), getattr(found, name)
        if name in ("result", "received"):
            given, value = exact(given), _filled(value, report)
        elif name == "state":
            given = str(given)
        if not _same(given, value):
            yield f"{name} {given!r}, expected {value!r}"
    yield from _of_failure(wanted.failure, found.failure)
    ended = found.ended_at is not None or found.descriptor is None
    if (found.attempts > 0) is not (found.started_at is not None and ended):
        yield f"{found.attempts} attempts, from {found.started_at} to {found.ended_at}"
    elif found.started_at is not None and found.ended_at is not None:
        lasted = (found.ended_at - found.started_at).total_seconds()
        if lasted < wanted.lasts - _EARLY:
            yield f"took {lasted:.3f} s from its first attempt on, expected {wanted.lasts} s"


def _of_failure(wanted: Mapping[str, Any] | None, found: Failure | None) -> Iterator[str]:
    failure = None if found is None else plain(found)
    if failure is None or wanted is None:
        if failure != wanted:
            yield f"failure {failure!r}, expected {wanted!r}"
    elif not failure.items() >= wanted.items():
        yield f"failure {failure!r}, expected {wanted!r}"


def _same(given: Any, value: Any) -> bool:
    """Whether a value is as expected; of a failure without a message, only the type counts."""
    if isinstance(value, dict) and isinstance(given, dict):
        if value.keys() == {"type"}:
            return bool(given.get("type") == value["type"])
        return given.keys() == value.keys() and all(_same(given[key], value[key]) for key in value)
    if isinstance(value, list) and isinstance(given, list):
        return len(given) == len(value) and all(map(_same, given, value))
    # Python has `True == 1`, but in JSON they differ.
    return json.dumps(given) == json.dumps(value)


def _together(places: Sequence[str], report: RunReport) -> Iterator[str]:
    """Whether places ran at the same time."""
    times = [(report.places[place].started_at, report.places[place].ended_at) for place in places]
    starts = [start for start, _ in times if start is not None]
    ends = [end for _, end in times if end is not None]
    if len(starts) < len(places) or (places and max(starts) >= min(ends)):
        yield f"{', '.join(places)} did not run at the same time"


def _apart(places: Sequence[str], report: RunReport) -> Iterator[str]:
    """Whether no two of these places ran at the same time."""
    ran = [(report.places[place].started_at, report.places[place].ended_at) for place in places]
    times = sorted((start, end) for start, end in ran if start is not None and end is not None)
    if any(start < end for (_, end), (start, _) in pairwise(times)):
        yield f"some of {', '.join(places)} ran at the same time"


def plain(value: Any) -> Any:
    """A value as in the JSON of a report, but failures with type and message only."""
    return _without_traceback(jsonable(value))


def exact(value: Any) -> Any:
    """A value as tagged JSON that shows the types of all its parts.

    Failures have type and message only. What the codec does not know is as in a report.
    """
    if is_plain(value):
        return value
    try:
        return _comparable(to_json(value))
    except NotPortableError:
        return plain(value)


def _comparable(data: Any) -> Any:
    if isinstance(data, list):
        return [_comparable(item) for item in data]
    if not isinstance(data, dict):
        return data
    match data.get(TAG):
        case "volnux.failure":
            return {"type": data[VALUE]["type"], "message": data[VALUE]["message"]}
        case "set" | "frozenset":
            items = sorted(map(_comparable, data[VALUE]), key=json.dumps)
            return {TAG: data[TAG], VALUE: items}
    if isinstance(data.get("class"), str):
        # A case names the classes of its own copy of the module.
        data = {**data, "class": data["class"].removeprefix("volnux.testing.")}
    return {key: _comparable(item) for key, item in data.items()}


def _without_traceback(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_traceback(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_traceback(item) for key, item in value.items() if key != "traceback"}
    return value


def _filled(value: Any, report: RunReport) -> Any:
    """An expected value, with `$run_id` replaced by the id of the run."""
    if value == "$run_id":
        return report.run_id
    if isinstance(value, Mapping):
        return {key: _filled(item, report) for key, item in value.items()}
    return value

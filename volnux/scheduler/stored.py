"""The format of jobs and runs in the store: JSON where possible.

A job that JSON cannot represent exactly (inputs that are objects, triggers of APScheduler other
than dates and intervals) is pickled, and pickles are loaded. So anyone who can write to a store can
run code as the user of its scheduler; a job with the path of a file allows that anyway.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import pickle
import zoneinfo
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from volnux.scheduler.targets import Target
from volnux.scheduler.trigger import ScheduleTrigger

__all__ = ["Work", "read_job", "read_work", "write_job", "write_work"]

Work = tuple[Target, int | None]
"""The data of a run: its target, and its maximum delay in seconds; None for no limit."""

_FIELDS = ("id", "name", "misfire_grace_time", "coalesce", "max_instances", "executor")
_RUN = "volnux.scheduler.executor:run_target"


class _NotJsonError(Exception):
    """JSON cannot represent a value exactly."""


def write_job(state: dict[str, Any]) -> bytes:
    """Write the state of a job, as returned by APScheduler's `Job.__getstate__`."""
    try:
        (target,) = state["args"]
        data = {
            "version": 1,
            **{name: state[name] for name in _FIELDS},
            "target": _target_data(target),
            "trigger": _trigger_data(state["trigger"]),
            "next_run_time": _moment_data(state["next_run_time"]),
        }
    except _NotJsonError:
        return pickle.dumps(state, pickle.HIGHEST_PROTOCOL)
    return json.dumps(data).encode()


def read_job(data: bytes) -> dict[str, Any]:
    """Read a state that `write_job` wrote or APScheduler pickled."""
    if not data.startswith(b"{"):
        found: dict[str, Any] = pickle.loads(data)
        return found
    state = json.loads(data)
    return {
        "version": 1,
        **{name: state[name] for name in _FIELDS},
        "func": _RUN,
        "args": (_target(state["target"]),),
        "kwargs": {},
        "trigger": _trigger(state["trigger"]),
        "next_run_time": _moment(state["next_run_time"]),
    }


def write_work(target: Target, grace: int | None) -> bytes:
    """Write the data of a due run."""
    try:
        return json.dumps({"target": _target_data(target), "grace": grace}).encode()
    except _NotJsonError:
        return pickle.dumps((target, grace))


def read_work(data: bytes) -> Work:
    """Read the data that `write_work` wrote."""
    if not data.startswith(b"{"):
        target, grace, *_ = pickle.loads(data)
        return target, grace
    state = json.loads(data)
    return _target(state["target"]), state["grace"]


def _target_data(target: Target) -> dict[str, Any]:
    data = {field.name: getattr(target, field.name) for field in dataclasses.fields(target)}
    _check({**data["inputs"]}, 50)
    return {name: value for name, value in data.items() if value}


def _target(data: dict[str, Any]) -> Target:
    folder = data.get("folder")
    if isinstance(folder, list):
        data = {**data, "folder": tuple(map(tuple, folder))}
    return Target(**data)


def _check(value: Any, levels: int) -> None:
    """Refuse a value that would change when it is written as JSON and read back."""
    kind = type(value)
    if value is None or kind in (bool, int):
        return
    if kind is float and math.isfinite(value):
        return
    if kind is str and value.isprintable():
        return
    if kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _NotJsonError from None
        return
    if levels and kind is list:
        for item in value:
            _check(item, levels - 1)
        return
    if levels and kind is dict and all(type(key) is str for key in value):
        for key, item in value.items():
            _check(key, 1)
            _check(item, levels - 1)
        return
    raise _NotJsonError


def _trigger_data(trigger: BaseTrigger) -> dict[str, Any]:
    kind = type(trigger)
    if kind is ScheduleTrigger:
        state = trigger.__getstate__()
        return {
            "kind": "schedule",
            **state,
            "start": state["start"] and state["start"].isoformat(),
            "begin": _moment_data(state["begin"]),
            "end": _moment_data(state["end"]),
        }
    if kind is DateTrigger:
        return {"kind": "date", "run_date": _moment_data(trigger.run_date)}
    if kind is IntervalTrigger and trigger.jitter is None:
        return {
            "kind": "interval",
            "seconds": trigger.interval.total_seconds(),
            "start_date": _moment_data(trigger.start_date),
            "end_date": _moment_data(trigger.end_date),
            "timezone": _zone_data(trigger.timezone),
        }
    raise _NotJsonError


def _trigger(data: dict[str, Any]) -> BaseTrigger:
    match data["kind"]:
        case "schedule":
            made = ScheduleTrigger.__new__(ScheduleTrigger)
            made.__setstate__(
                {
                    **data,
                    "expressions": tuple(data["expressions"]),
                    "start": data["start"] and dt.date.fromisoformat(data["start"]),
                    "begin": _moment(data["begin"]),
                    "end": _moment(data["end"]),
                }
            )
            return made
        case "date":
            return DateTrigger(_moment(data["run_date"]))
        case "interval":
            return IntervalTrigger(
                seconds=data["seconds"],
                start_date=_moment(data["start_date"]),
                end_date=_moment(data["end_date"]),
                timezone=_zone(data["timezone"]),
            )
        case kind:
            raise ValueError(f"the store has a trigger of a newer version of volnux: {kind}")


def _moment_data(moment: dt.datetime | None) -> dict[str, str] | None:
    if moment is None:
        return None
    return {"utc": moment.astimezone(dt.UTC).isoformat(), "zone": _zone_data(moment.tzinfo)}


def _moment(data: dict[str, str] | None) -> dt.datetime | None:
    if data is None:
        return None
    return dt.datetime.fromisoformat(data["utc"]).astimezone(_zone(data["zone"]))


def _zone_data(zone: dt.tzinfo | None) -> str:
    if zone == dt.UTC:
        return "utc"
    key = getattr(zone, "key", None)
    if not isinstance(zone, zoneinfo.ZoneInfo) or key is None:
        raise _NotJsonError
    return str(key)


def _zone(name: str) -> dt.tzinfo:
    return dt.UTC if name == "utc" else zoneinfo.ZoneInfo(name)

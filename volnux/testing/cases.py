"""Cases: each is a folder with a flow, the behaviour of its events, and the expected result.

`flow.pty` is the flow, and other `.pty` files in the folder are the files that it uses. `case.json`
has the purpose of the case, the behaviour of the events, and the expected result in the format of
the run report. Our cases are in the folder `cases` beside this module.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volnux.files import read_bytes
from volnux.strictjson import read_json
from volnux.testing.scripts import CaseError, EventScript, PlaceScript, read, written
from volnux.values.kinds import TAG

__all__ = ["CASES", "Case", "Expected", "ExpectedPlace", "Found", "all_cases", "load_case"]

CASES = Path(__file__).parent / "cases"
"""The folder of the cases in the package."""


@dataclass(frozen=True, slots=True)
class ExpectedPlace:
    """The expected end of a place.

    Attributes:
        state: `done`, `skipped` or `failed`.
        descriptor, attempts: as in the report.
        result, received: the values as tagged JSON of `volnux.values`; of a failure, the type and,
            if given, the message of the exception.
        failure: the type and, if given, the message of the exception.
        bypassed: whether the event bypassed `process`.
        polls: how many calls said "not yet".
        lasts: the minimum seconds from the start of its first attempt to the end of its last.
    """

    state: str
    descriptor: int | None = None
    attempts: int = 0
    result: Any = None
    received: Any = None
    failure: dict[str, Any] | None = None
    bypassed: bool = False
    polls: int = 0
    lasts: float = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A diagnostic of a file: its code, its line, and the file if it is one that the flow uses."""

    code: str
    line: int | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected result of a case.

    Attributes:
        status: how the run ends; None if it cannot start.
        places: every place of the flow, in reading order.
        pipeline: the name of the pipeline, if it is not that of the file.
        inputs: the inputs of the run, as in the report.
        settings: attributes of the graph, such as `timezone`.
        warnings: warnings and notes before the run.
        refused: errors that prevent the run from starting.
        together: places that run at the same time.
        apart: places, no two of which run at the same time.
        failure: the type and optionally the message of the failure of the run itself.
        scheduled_at: the instant in the report, in the time zone of the pipeline.
        faults: the inputs whose values prevent the run from starting.
    """

    status: str | None = None
    places: Mapping[str, ExpectedPlace] = field(default_factory=dict)
    pipeline: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Found, ...] = ()
    refused: tuple[Found, ...] = ()
    together: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    failure: dict[str, Any] | None = None
    scheduled_at: str | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A flow with its script and its expected result.

    Attributes:
        name: the name of its folder.
        about: what it tests, in a sentence.
        shows: the sentences of the language that it covers, by the names in `docs/conformance.md`.
        text: the Pointy text.
        files: the texts of the files that it uses, by their paths relative to its folder.
        events: the settings of the event classes, by event; the default is a plain class. `Parse`
            stands for all events of that name, `shared/clean.pty:Parse` for that of a used file.
        script: the behaviour of the events, by place; the default is success. `Fetch` stands for
            all copies without an entry of their own.
        inputs: the inputs for the run, by name.
        scheduled_at: the instant of the run, in ISO form with an offset; by default, its start.
        variables, secrets: their values, instead of those of the host. No secret may appear in the
            report or in a log record.
        on_failure: the setting in `Meta` of a pipeline class, or None.
        modules: the modules that hold the events, by name; `<file>_events` if empty.
        expected: the expected result.
    """

    name: str
    text: str
    expected: Expected
    about: str = ""
    shows: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, EventScript] = field(default_factory=dict)
    script: Mapping[str, PlaceScript] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    scheduled_at: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    on_failure: str | None = None
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@functools.cache
def all_cases() -> tuple[Case, ...]:
    """The cases of the package, by name."""
    return tuple(load_case(path.parent) for path in sorted(CASES.glob("*/case.json")))


def load_case(folder: str | Path) -> Case:
    """Read the case in a folder.

    Raises:
        CaseError: the folder does not contain a case.
    """
    folder = Path(folder)
    try:
        files = {
            path.relative_to(folder).as_posix(): read_bytes(path).decode("utf-8")
            for path in sorted(folder.rglob("*.pty"))
        }
        text = files.pop("flow.pty")
        data = read_json(read_bytes(folder / "case.json"))
    except (OSError, KeyError, ValueError) as error:
        raise CaseError(f"{folder} is not a case: {error}") from error
    return _case(folder.name, text, files, data)


def _case(name: str, text: str, files: Mapping[str, str], data: Any) -> Case:
    said = data.pop("expected", {}) if isinstance(data, dict) else {}
    expected = read(_Written, said, name, "expected")
    rest = read(_Rest, data, name)
    return Case(
        name=name,
        text=text,
        about=rest.about,
        shows=tuple(rest.shows),
        files=files,
        events={
            event: read(EventScript, said, name, f"events.{event}")
            for event, said in rest.events.items()
        },
        script={
            place: read(PlaceScript, said, name, f"script.{place}")
            for place, said in rest.script.items()
        },
        inputs=rest.inputs,
        scheduled_at=rest.scheduled_at,
        variables=rest.variables,
        secrets=rest.secrets,
        on_failure=rest.on_failure,
        modules={module: tuple(events) for module, events in rest.modules.items()},
        expected=Expected(
            status=expected.status,
            places={
                place: read(ExpectedPlace, said, name, f"expected.places.{place}")
                for place, said in expected.places.items()
            },
            pipeline=expected.pipeline,
            inputs=expected.inputs,
            settings=expected.settings,
            warnings=_found(expected.warnings, name, "expected.warnings"),
            refused=_found(expected.refused, name, "expected.refused"),
            together=tuple(expected.together),
            apart=tuple(expected.apart),
            failure=expected.failure,
            scheduled_at=expected.scheduled_at,
            faults=tuple(expected.faults),
        ),
    )


def _found(data: list[dict[str, Any]], name: str, at: str) -> tuple[Found, ...]:
    return tuple(read(Found, said, name, f"{at}.{number}") for number, said in enumerate(data))


def case_json(case: Case) -> str:
    """The text of `case.json`, a line for each place."""
    data: dict[str, Any] = {"about": case.about, "shows": list(case.shows)}
    data["events"] = {event: written(said) for event, said in case.events.items()}
    data["script"] = {place: written(said) for place, said in case.script.items()}
    data["inputs"] = dict(case.inputs)
    data["scheduled_at"] = case.scheduled_at
    data["variables"] = dict(case.variables)
    data["secrets"] = dict(case.secrets)
    data["on_failure"] = case.on_failure
    data["modules"] = {module: list(events) for module, events in case.modules.items()}
    end = case.expected
    expected: dict[str, Any] = {"status": end.status}
    expected["places"] = {place: written_place(said) for place, said in end.places.items()}
    expected["pipeline"] = end.pipeline
    expected["inputs"] = dict(end.inputs)
    expected["settings"] = dict(end.settings)
    expected["warnings"] = [written(said) for said in end.warnings]
    expected["refused"] = [written(said) for said in end.refused]
    expected["together"] = list(end.together)
    expected["apart"] = list(end.apart)
    expected["failure"] = end.failure
    expected["scheduled_at"] = end.scheduled_at
    expected["faults"] = list(end.faults)
    return _dumps({**_said(data), "expected": _said(expected)})


def written_place(place: ExpectedPlace) -> dict[str, Any]:
    """The expected result of a place, as JSON."""
    found = written(place)
    if place.descriptor is not None:
        found = {"state": place.state, "descriptor": place.descriptor, **found}
    return found


def _said(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in (None, {}, [], "")}


def _dumps(data: dict[str, Any], indent: str = "") -> str:
    """JSON with a line for each key of the first two levels below `indent`."""
    lines = []
    for key, value in data.items():
        inner = indent + "  "
        short = json.dumps(value, ensure_ascii=False)
        deep = (
            isinstance(value, dict)
            and TAG not in value
            and (key == "expected" or any(isinstance(item, dict) for item in value.values()))
        )
        text = _dumps(value, inner).rstrip("\n") if deep else short
        lines.append(f"{inner}{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}\n"


@dataclass
class _Rest:
    about: str = ""
    shows: list[str] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    script: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    scheduled_at: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    on_failure: str | None = None
    modules: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class _Written:
    status: str | None = None
    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipeline: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    together: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    failure: dict[str, Any] | None = None
    scheduled_at: str | None = None
    faults: list[str] = field(default_factory=list)

"""Ten conformance cases, and how the report of a host is compared with that of standalone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conformance.chosen import CHOSEN
from volnux.backends import get_backend
from volnux.graph import RunReport
from volnux.testing import Case, differences, write_case
from volnux.testing.running import report_of_case

__all__ = ["TEN", "furnish_cases", "unlike_standalone"]

TEN: tuple[Case, ...] = CHOSEN[::2][:10]

TELLS = """

def _tell(execution_context):
    import json
    import pathlib

    report = execution_context.report
    pathlib.Path("/marks", report.run_id).write_text(json.dumps(report.to_json()))


from volnux.signal.signals import pipeline_execution_end

pipeline_execution_end.connect(_tell)
"""


def furnish_cases(folder: Path, *, telling: bool = False) -> None:
    """Write the cases, each into a folder of its own.

    Args:
        folder: the folder of all pipelines.
        telling: whether the process of a run must write its report to a file.
    """
    for case in TEN:
        write_case(case, folder / case.name)
        if telling:
            module = folder / case.name / f"{case.name}_events.py"
            module.write_text((module.read_text() if module.exists() else "") + TELLS)


def unlike_standalone(case: Case, report: RunReport, folder: Path) -> list[str]:
    """Where a report differs from the expected one, or from that of standalone."""
    other = report_of_case(case, get_backend("standalone"), folder)
    found = differences(case.expected, report)
    if (report.status, dict(report.inputs)) != (other.status, dict(other.inputs)):
        found.append(f"{report.status}, {report.inputs} and {other.status}, {other.inputs}")
    for place, mine, theirs in zip(
        report.places, _told(report).values(), _told(other).values(), strict=True
    ):
        found += [
            f"{place}: {name} {mine[name]!r}, on standalone {theirs[name]!r}"
            for name in mine
            if mine[name] != theirs[name]
        ]
    return found


def _told(report: RunReport) -> dict[str, dict[str, Any]]:
    """The places without what differs from run to run: ids, times, the lines of tracebacks."""
    places = report.to_json()["places"]
    return {name: _without(place, report.run_id) for name, place in places.items()}


def _without(value: Any, run_id: str) -> Any:
    match value:
        case dict():
            left_out = ("started_at", "ended_at", "traceback")
            return {k: _without(v, run_id) for k, v in value.items() if k not in left_out}
        case list():
            return [_without(item, run_id) for item in value]
        case _:
            return "the run's id" if value == run_id else value

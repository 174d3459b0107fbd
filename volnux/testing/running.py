"""Runs a case on a backend: writes, links and runs it, and compares the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from volnux.backends.port import Backend, RefusedError, RunOptions
from volnux.errors import Diagnostic, PointyError
from volnux.events.link import Plan
from volnux.graph.jsonable import jsonable
from volnux.graph.report import RunReport
from volnux.loading import load_plan
from volnux.testing.cases import Case, Found
from volnux.testing.comparing import differences
from volnux.testing.writing import write_case

__all__ = ["report_of_case", "run_case"]


def run_case(
    case: Case, backend: Backend, folder: str | Path, *, options: RunOptions | None = None
) -> list[str]:
    """Run a case on a backend; return the differences from the expected result, one line each.

    Args:
        case: the case.
        backend: the backend.
        folder: an empty folder for its files.
        options: how to run.
    """
    path = write_case(case, folder)
    try:
        plan = load_plan(path)
    except PointyError as error:
        return _said("refused", case.expected.refused, error.diagnostics)
    found = _said("refused", case.expected.refused, [])
    found += _said("warnings", case.expected.warnings, _promised(case, plan.warnings))
    found += _settings(case, plan)
    if found or case.expected.status is None:
        return found
    try:
        report = _run(case, backend, plan, options)
    except RefusedError as error:
        return [f"{backend.name} refuses the file: {each.message}" for each in error.diagnostics]
    return differences(case.expected, report)


def report_of_case(
    case: Case, backend: Backend, folder: str | Path, *, options: RunOptions | None = None
) -> RunReport:
    """Run a case on a backend and return the report.

    Raises:
        PointyError: the flow or its events have errors.
        RefusedError: the backend cannot run it.
    """
    return _run(case, backend, load_plan(write_case(case, folder)), options)


def _run(case: Case, backend: Backend, plan: Plan, options: RunOptions | None) -> RunReport:
    inputs = plan.bind(case.inputs)
    backend.refuse(plan)
    options = options or RunOptions()
    report = backend.run(plan, inputs, options)
    options.control.raise_if_interrupted()
    return report


def _promised(case: Case, warnings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The warnings that a case can expect: advice on evaluations only if it expects some."""
    expected = {each.code for each in case.expected.warnings}
    return [w for w in warnings if w.code != "evaluations-differ" or w.code in expected]


def _said(kind: str, expected: Sequence[Found], diagnostics: Sequence[Diagnostic]) -> list[str]:
    """The differences between found and expected diagnostics."""
    found = sorted((each.code, each.span.line if each.span else 0) for each in diagnostics)
    wanted = sorted((each.code, each.line or 0) for each in expected)
    if [code for code, _ in found] == [code for code, _ in wanted] and all(
        line in (0, at) for (_, line), (_, at) in zip(wanted, found, strict=True)
    ):
        return []
    said = "; ".join(f"{each.code}: {each.message}" for each in diagnostics) or "nothing"
    return [f"{kind}: {said}; expected {', '.join(code for code, _ in wanted) or 'nothing'}"]


def _settings(case: Case, plan: Plan) -> list[str]:
    found = []
    for name, value in case.expected.settings.items():
        given = getattr(plan.graph, name)
        if name == "schedules":
            given = [schedule.expression for schedule in given]
        if jsonable(given) != value:
            found.append(f"{name} {jsonable(given)!r}, expected {value!r}")
    return found

"""Runs a case on a backend: writes, links and runs it, and compares the report."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from volnux.backends.port import Backend, RefusedError, RunOptions
from volnux.errors import Diagnostic, PointyError
from volnux.events.inputs import InputError
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
    found += _faults(case, plan)
    if found or case.expected.status is None:
        return found
    try:
        with _log_records() as logged:
            report = _run(case, backend, plan, options)
    except RefusedError as error:
        return [f"{backend.name} refuses the file: {each.message}" for each in error.diagnostics]
    return [*differences(case.expected, report), *_leaks(case, report, logged)]


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
    instant = _instant(case)
    inputs = plan.bind(case.inputs, scheduled_at=instant)
    backend.refuse(plan)
    options = replace(
        options or RunOptions(),
        scheduled_at=instant,
        variables=case.variables,
        secrets=case.secrets,
    )
    report = backend.run(plan, inputs, options)
    options.control.raise_if_interrupted()
    return report


def _instant(case: Case) -> dt.datetime | None:
    return None if case.scheduled_at is None else dt.datetime.fromisoformat(case.scheduled_at)


def _faults(case: Case, plan: Plan) -> list[str]:
    """The difference between the inputs that are at fault and those that are expected to be."""
    faults: dict[str, str] = {}
    try:
        plan.bind(case.inputs, scheduled_at=_instant(case))
    except InputError as error:
        faults = error.faults
    if sorted(faults) == sorted(case.expected.faults):
        return []
    said = "; ".join(faults.values()) or "none"
    return [f"faults: {said}; expected {', '.join(case.expected.faults) or 'none'}"]


@contextlib.contextmanager
def _log_records() -> Iterator[list[str]]:
    """The texts of what is logged in this process meanwhile."""
    texts: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: texts.append(handler.format(record))  # type: ignore[method-assign]  # a class of its own says no more
    logging.getLogger().addHandler(handler)
    try:
        yield texts
    finally:
        logging.getLogger().removeHandler(handler)


def _leaks(case: Case, report: RunReport, logged: Sequence[str]) -> list[str]:
    """Where a secret of a case appears."""
    shown = {"the report": report.dumps(), "a log record": "\n".join(logged)}
    for name, place in report.places.items():
        # A report is masked again when it becomes JSON.
        values = [place.result, place.received]
        if place.failure is not None:
            values += [place.failure, str(place.failure.exception)]
        shown[name] = repr(values)
    return [
        f"the secret {name} is in {where}"
        for name, secret in case.secrets.items()
        for where, text in shown.items()
        if any(form in text for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]))
    ]


def _promised(case: Case, warnings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The warnings that a case can expect: advice only if it expects some."""
    expected = {each.code for each in case.expected.warnings}
    return [w for w in warnings if w.code not in _ADVICE or w.code in expected]


_ADVICE = ("bad-annotation", "evaluations-differ", "nothing-piped", "pipe-type")


def _said(kind: str, expected: Sequence[Found], diagnostics: Sequence[Diagnostic]) -> list[str]:
    """The differences between found and expected diagnostics."""
    found = sorted(
        (each.code, each.span.line if each.span else 0, each.file) for each in diagnostics
    )
    wanted = sorted((each.code, each.line or 0, each.file or "") for each in expected)
    if [code for code, _, _ in found] == [code for code, _, _ in wanted] and all(
        line in (0, at) and file.endswith(name)
        for (_, line, name), (_, at, file) in zip(wanted, found, strict=True)
    ):
        return []
    said = "; ".join(f"{each.code}: {each.message}" for each in diagnostics) or "nothing"
    return [f"{kind}: {said}; expected {', '.join(code for code, *_ in wanted) or 'nothing'}"]


def _settings(case: Case, plan: Plan) -> list[str]:
    found = []
    for name, value in case.expected.settings.items():
        given = getattr(plan.graph, name)
        if name == "schedules":
            given = [schedule.expression for schedule in given]
        if jsonable(given) != value:
            found.append(f"{name} {jsonable(given)!r}, expected {value!r}")
    return found

"""The log of runs, `volnux.run`: it shows failures even if nobody reads the report.

ERROR: a failure that the flow does not handle. WARNING: an attempt that is repeated. INFO: a
failure that the flow handles. Python writes warnings and errors to standard error if the program
has not configured logging.
"""

from __future__ import annotations

import logging
from typing import Any

from volnux.errors import shortened, visible
from volnux.graph.outcome import Failure, RemoteTraceback
from volnux.graph.report import RunReport

__all__ = ["failed", "failed_batch", "failures_of", "handled", "log", "repeated"]

log = logging.getLogger("volnux.run")

_LONGEST = 50_000
"""The maximum length of a traceback in a log record, in characters."""


def repeated(
    pipeline: str, run_id: str, place: str, result: Any, attempt: int, wait: float
) -> None:
    """Log an attempt that failed and is repeated."""
    log.warning(
        "%s: attempt %d of %s failed, the next one follows in %g s: %s (run %s)",
        visible(pipeline),
        attempt,
        place,
        wait,
        _reason(result),
        visible(run_id),
        extra=_about(run_id, place, attempt),
    )


def handled(pipeline: str, run_id: str, place: str, result: Any, attempts: int) -> None:
    """Log a failure that the flow handles."""
    log.info(
        "%s: %s failed%s, and the flow handled it: %s (run %s)",
        visible(pipeline),
        place,
        _after(attempts),
        _reason(result),
        visible(run_id),
        extra=_about(run_id, place, attempts),
    )


def failed(pipeline: str, run_id: str, place: str, result: Any, attempts: int) -> None:
    """Log a failure that the flow does not handle, with the traceback of the event."""
    log.error(
        "%s: %s failed%s: %s (run %s)",
        visible(pipeline),
        place,
        _after(attempts),
        _reason(result),
        visible(run_id),
        exc_info=_exc_info(result),
        extra=_about(run_id, place, attempts),
    )


def failed_batch(pipeline: str, what: str, failure: Failure) -> None:
    """Log why a batch could not run, or why the data ended early."""
    log.error("%s: %s: %s", visible(pipeline), what, _reason(failure), exc_info=_exc_info(failure))


def failures_of(report: RunReport) -> None:
    """Log the failures of an ended run, for a backend that does not log them during the run."""
    for place, item in report.places.items():
        if item.failure is None and item.descriptor != 0:
            continue
        tell = handled if item.handled else failed
        result = item.result if item.failure is None else item.failure
        tell(report.pipeline, report.run_id, place, result, item.attempts)


def _about(run_id: str, place: str, attempt: int) -> dict[str, Any]:
    """The names that `RunContextFilter` gives to records from inside an event."""
    return {"run_id": run_id, "place": place, "attempt": attempt}


def _after(attempts: int) -> str:
    return f" after {attempts} attempts" if attempts > 1 else ""


def _reason(result: Any) -> str:
    if isinstance(result, Failure):
        return shortened(str(result))
    return f"it returned {shortened(repr(result))}"


def _exc_info(result: Any) -> Any:
    """The exception for a record, or its text if it is missing or must not be shown as it is."""
    if not isinstance(result, Failure) or "  File " not in result.traceback:
        return None  # the message is sufficient
    error, text = result.exception, result.traceback
    if error is None or len(result.message) + len(text) > _LONGEST or visible(text) != text:
        error = RemoteTraceback(visible(text[:_LONGEST]))
    return type(error), error, error.__traceback__

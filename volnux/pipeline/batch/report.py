"""The results of a batch pipeline: one for each batch, and the report of all batches."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from volnux.errors import VolnuxError, shortened
from volnux.graph.outcome import Failure, RunStatus, State
from volnux.graph.report import PlaceReport, RunReport
from volnux.pipeline.context import ExecutionContext

__all__ = ["BatchFailedError", "BatchProgress", "BatchReport", "BatchResult", "Tally"]

_MOST_FAILURES = 10


@dataclass(frozen=True, slots=True)
class BatchResult:
    """How one batch ended.

    Attributes:
        index: the number of the batch, from 0.
        status: how its run ended.
        report: the report of its run; None if there was no run, for the reason in `failure`.
        failure: why there is no report, such as inputs of a wrong type or a lost worker.
    """

    index: int
    status: RunStatus
    report: RunReport | None = None
    failure: Failure | None = None

    def __repr__(self) -> str:
        return f"<BatchResult {self.index} {self.status.value}>"

    @property
    def succeeded(self) -> bool:
        """Whether the batch is a success."""
        return self.status is RunStatus.SUCCESS

    @property
    def context(self) -> ExecutionContext | None:
        """The context of the batch, as returned by `Pipeline.start`; None if there is no report."""
        if self.report is None:
            return None
        context = ExecutionContext(None, self.report.run_id, self.report.inputs)
        context.finish(self.report)
        return context

    @property
    def results(self) -> dict[str, Any]:
        """The results of the events that returned one, by place."""
        context = self.context
        return {} if context is None else context.results

    def cause(self) -> BaseException | None:
        """The exception that made the batch fail, or its traceback; None if there is none."""
        first = self._first_failed()
        failure = self.failure if first is None else first.failure
        return None if failure is None else failure.cause()

    def bare(self) -> BatchResult:
        """The result without the exceptions of its failures, whose frames can then be freed."""
        report = self.report
        if report is not None:
            places = {
                place: item if item.failure is None else replace(item, failure=item.failure.bare())
                for place, item in report.places.items()
            }
            report = replace(report, places=places)
        return replace(self, report=report, failure=self.failure and self.failure.bare())

    def _first_failed(self) -> PlaceReport | None:
        """The first place that failed without being handled."""
        places = () if self.report is None else self.report.places.values()
        failed = (i for i in places if i.state is State.FAILED and not i.handled)
        return next((item for item in failed if item.descriptor is not None), None)

    def describe(self) -> str:
        """The batch and its failure, in one line."""
        reason = "" if self.failure is None else shortened(str(self.failure))
        first = self._first_failed()
        if first is not None:
            said = f": {shortened(str(first.failure))}" if first.failure else " failed"
            reason = first.event + said
        return f"batch {self.index}" + (f" ({reason})" if reason else "")

    def to_json(self) -> dict[str, Any]:
        """The batch as JSON."""
        return {
            "index": self.index,
            "status": self.status.value,
            "report": None if self.report is None else self.report.to_json(),
            "failure": None if self.failure is None else self.failure.to_json(),
        }


@dataclass(frozen=True, slots=True)
class BatchReport:
    """How all batches ended.

    Iteration gives the batches in order; `report[3]` is one.

    Attributes:
        pipeline: the name of the template.
        status: success if every batch succeeded, cancelled after a stop or Ctrl-C, else failed.
        succeeded, failed, cancelled: the numbers of batches with these outcomes.
        batches: all batches that began, in order; empty with `keep_results=False`.
        failures: the first failed batches, even with `keep_results=False`.
        failure: the exception of the data source, after which nothing was read; None otherwise.
        started_at, ended_at: aware, UTC.
    """

    pipeline: str
    status: RunStatus
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    batches: tuple[BatchResult, ...] = ()
    failures: tuple[BatchResult, ...] = ()
    failure: Failure | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None

    def __repr__(self) -> str:
        return (
            f"<BatchReport {self.pipeline} {self.status.value}: {self.succeeded} succeeded, "
            f"{self.failed} failed, {self.cancelled} cancelled>"
        )

    @property
    def total(self) -> int:
        """How many batches began."""
        return self.succeeded + self.failed + self.cancelled

    def __len__(self) -> int:
        return self.total

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[BatchResult]:
        return iter(self.batches)

    def __getitem__(self, index: int) -> BatchResult:
        return self.batches[index]

    def raise_for_status(self) -> None:
        """Raise an error unless every batch succeeded.

        Raises:
            BatchFailedError: some did not. Its cause is the exception of the first failed batch.
        """
        if self.status is RunStatus.SUCCESS:
            return
        causes = [batch.cause() for batch in self.failures]
        if self.failure is not None:
            causes.append(self.failure.cause())
        raise BatchFailedError(self) from next(filter(None, causes), None)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "format_version": 1,
            "pipeline": self.pipeline,
            "status": self.status.value,
            "started_at": self.started_at and self.started_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "total": self.total,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "failure": None if self.failure is None else self.failure.to_json(),
            "batches": [batch.to_json() for batch in self.batches],
        }

    def dumps(self, *, indent: int | None = None) -> str:
        """The JSON as text."""
        return json.dumps(self.to_json(), indent=indent, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """The progress of a batch pipeline.

    Attributes:
        done: how many batches have ended, in order.
        total: the total number of batches; None if it is known only after reading the data.
        succeeded, failed: the numbers of batches with these outcomes.
        last: the batch that ended last.
    """

    done: int
    total: int | None
    succeeded: int
    failed: int
    last: BatchResult


class BatchFailedError(VolnuxError):
    """Some batches did not succeed; `report` has the details."""

    def __init__(self, report: BatchReport) -> None:
        parts = [batch.describe() for batch in report.failures]
        if report.failed > len(parts):
            parts.append(f"and {report.failed - len(parts)} more")
        if report.failure is not None:
            parts.append(f"reading the data failed: {shortened(str(report.failure))}")
        said = f"{report.failed} of {report.total} batches of {report.pipeline} failed"
        if report.status is RunStatus.CANCELLED:
            said = f"the batches of {report.pipeline} were cancelled; {said}"
        super().__init__(said + (f": {', '.join(parts)}" if parts else ""))
        self.report = report

    def __reduce__(self) -> tuple[type[BatchFailedError], tuple[BatchReport]]:
        return BatchFailedError, (self.report,)


class Tally:
    """Counts results as they arrive, and creates the report."""

    def __init__(self, pipeline: str, *, keep: bool) -> None:
        self._pipeline = pipeline
        self._keep = keep
        self._counts = dict.fromkeys(RunStatus, 0)
        self._batches: list[BatchResult] = []
        self._failures: list[BatchResult] = []
        self._started = dt.datetime.now(dt.UTC)

    def add(self, result: BatchResult, total: int | None) -> BatchProgress:
        """Count a batch, and return the progress."""
        self._counts[result.status] += 1
        first = len(self._failures) < _MOST_FAILURES
        if result.status is RunStatus.FAILED and not first:
            # The frames of a million exceptions would keep the local variables of all their events
            # alive.
            result = result.bare()
        if self._keep:
            self._batches.append(result)
        if result.status is RunStatus.FAILED and first:
            self._failures.append(result)
        return BatchProgress(
            sum(self._counts.values()),
            total,
            self._counts[RunStatus.SUCCESS],
            self._counts[RunStatus.FAILED],
            result,
        )

    def report(self, *, stopped: bool, failure: Failure | None) -> BatchReport:
        """Create the report of the counted results."""
        status = RunStatus.SUCCESS
        if self._counts[RunStatus.FAILED] or failure is not None:
            status = RunStatus.FAILED
        if stopped or self._counts[RunStatus.CANCELLED]:
            status = RunStatus.CANCELLED
        return BatchReport(
            self._pipeline,
            status,
            succeeded=self._counts[RunStatus.SUCCESS],
            failed=self._counts[RunStatus.FAILED],
            cancelled=self._counts[RunStatus.CANCELLED],
            batches=tuple(self._batches),
            failures=tuple(self._failures),
            failure=failure,
            started_at=self._started,
            ended_at=dt.datetime.now(dt.UTC),
        )

"""The HTML report that `volnux run --report` writes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from volnux.backends.port import RunObserver
from volnux.cli import disk
from volnux.graph.outcome import FAILURE, Failure
from volnux.htmlreport import Attempt, html_of, versions
from volnux.shown import shown

if TYPE_CHECKING:
    from volnux.events import Outcome, Plan
    from volnux.graph import Graph, Node, RunReport

__all__ = ["HtmlFile"]


class HtmlFile(RunObserver):
    """The file with the report of a run. It observes the run, because a report has no attempts.

    Args:
        path: the path of the file.

    Attributes:
        fault: why the file was not written; None if it was.

    Raises:
        WriteError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        disk.check(path)
        self.fault: disk.WriteError | None = None
        self._path = path
        self._graph: Graph | None = None
        self._attempts: dict[str, list[Attempt]] = {}
        self._other = RunObserver()

    def before(self, other: RunObserver) -> RunObserver:
        """The observer of the run: this one, which tells another one everything."""
        self._other = other
        return self

    def write(self, report: RunReport) -> None:
        """Write the file, or set `fault`: the result of the run must still be shown."""
        text = html_of(
            report, self._graph, attempts=self._attempts, versions=versions(report.backend)
        )
        try:
            disk.write(self._path, text.encode())
        except disk.WriteError as error:
            self.fault = error

    def run_started(self, plan: Plan, run_id: str) -> None:
        self._graph = plan.graph
        self._other.run_started(plan, run_id)

    def place_started(self, node: Node, attempt: int) -> None:
        self._attempts.setdefault(node.id, []).append(Attempt(_now()))
        self._other.place_started(node, attempt)

    def place_retries(self, node: Node, outcome: Outcome) -> None:
        self._end(node, outcome)
        self._other.place_retries(node, outcome)

    def place_waits(self, node: Node, outcome: Outcome) -> None:
        self._other.place_waits(node, outcome)

    def place_reused(self, node: Node, outcome: Outcome) -> None:
        self._other.place_reused(node, outcome)

    def place_ended(self, node: Node, outcome: Outcome) -> None:
        self._end(node, outcome)
        self._other.place_ended(node, outcome)

    def cancelling(self, running: int) -> None:
        self._other.cancelling(running)

    def run_ended(self, report: RunReport) -> None:
        self._other.run_ended(report)

    def _end(self, node: Node, outcome: Outcome) -> None:
        """Note the end of the last attempt of a place."""
        attempts = self._attempts.get(node.id)
        if attempts:
            failure = _reason(outcome.result) if outcome.descriptor == FAILURE else None
            attempts[-1] = attempts[-1]._replace(ended_at=_now(), failure=failure)


def _reason(result: object) -> str:
    return str(result) if isinstance(result, Failure) else f"it returned {shown(result)}"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)

"""The groups with `task` that run in one run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prefect.client.schemas.objects import State
from prefect.task_runners import TaskRunner

from volnux.backends.port import RunOptions
from volnux.graph.execution import Execution
from volnux.kit.calls import Calls
from volnux.kit.reuse import Earlier, EarlierRun, Reuse
from volnux_prefect.page import Page
from volnux_prefect.parts import PartRun
from volnux_prefect.timelimit import TimeLimit
from volnux_prefect.translate import Blueprint

__all__ = ["Groups"]


class Groups:
    """Starts and ends the task runs of groups. A group is identified by its unit: see `Page`.

    Args:
        blueprint: the plan that runs.
        execution: the progress of the run.
        calls: the arguments of the run.
        options: the options of the run.
        page: the task runs of the run.
        reuse: the places of the run that keep an earlier outcome.

    Attributes:
        running: the groups that run, by unit.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        execution: Execution,
        calls: Calls,
        options: RunOptions,
        page: Page,
        reuse: Reuse,
    ) -> None:
        self._blueprint = blueprint
        self._execution = execution
        self._calls = calls
        self._options = options
        self._page = page
        self._reuse = reuse
        self.running: dict[int, PartRun] = {}

    def add(self, unit: int, index: int) -> bool:
        """Note that a place in a group is ready. Returns whether the group must be submitted."""
        known = self.running.get(unit)
        if known is None:
            known = self.running[unit] = self._new(unit)
        known.waiting.append(index)
        return len(known.waiting) == 1

    def submit(self, unit: int, runner: TaskRunner[Any], limit: TimeLimit | None) -> Any:
        """Submit a group to a task runner with threads, and return the future of its task run.

        Raises:
            Exception: whatever the task runner raises.
        """
        run = self.running[unit]
        run.limit = limit
        task = self._blueprint.task_at(self._execution.copies, unit)
        return run.submit(task, runner, self._page.edges_to(unit))

    def end(self, unit: int, ended: State[Any] | BaseException | None) -> PartRun:
        """Forget a group that has ended, and return it."""
        run = self.running.pop(unit)
        if run.task_run is not None and run.report is not None and isinstance(ended, State):
            end = run.report.end
            if end is not None and end.origin is not None:
                self._page.failed(end.origin, run.task_run, ended)
        return run

    def cancel(self) -> None:
        """Start no more events in any group."""
        for run in self.running.values():
            run.control.cancel()

    def give_up(self) -> None:
        """Stop waiting for all groups."""
        for run in self.running.values():
            run.control.give_up()
        self.running.clear()

    def _new(self, unit: int) -> PartRun:
        execution, calls = self._execution, self._calls
        part = self._blueprint.parts[execution.copies.node(unit)].part
        options = replace(
            self._options,
            run_id=calls.run_id,
            scheduled_at=calls.scheduled_at,
            index=execution.copies.index(unit),
            host=calls.host,
            earlier=self._earlier(),
        )
        taken = {row: execution.value(row, unit) for row in part.takes}
        return PartRun(part, calls.inputs, options, taken, execution.copies.items(unit))

    def _earlier(self) -> Earlier | None:
        """What a group must know of the earlier run: the places that the flow does not run anew."""
        earlier = self._options.earlier
        if earlier is None:
            return None
        return replace(earlier, runs=(EarlierRun(self._reuse.kept),), anew=frozenset())

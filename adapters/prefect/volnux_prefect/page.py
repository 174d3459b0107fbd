"""A run as Prefect's page shows it: edges, skipped places, and failures that are handled later.

Places without a real task run are reported in the same way as the states of Prefect's engine: as
Prefect events, which a background thread sends in bulk while the flow continues.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, StateType, TaskRun, TaskRunResult
from prefect.context import TagsContext

from volnux.graph.execution import Execution
from volnux.graph.model import Kind
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import RunReport
from volnux_prefect import compat
from volnux_prefect.endings import HANDLED, SKIPPED
from volnux_prefect.translate import Blueprint
from volnux_prefect.work import EventState

__all__ = ["Page", "tell_handled", "tell_skipped"]


class Page:
    """The task runs of a run.

    Args:
        blueprint: the plan that runs.
        execution: the progress of the run.
        flow_run_id: the id of the flow run. If None, skipped places are not reported.
    """

    def __init__(
        self, blueprint: Blueprint, execution: Execution, flow_run_id: uuid.UUID | None
    ) -> None:
        self._blueprint = blueprint
        self._nodes = blueprint.plan.graph.nodes
        self._execution = execution
        self._flow_run_id = flow_run_id
        self._ids: dict[int, uuid.UUID] = {}
        self._edges: dict[int, set[TaskRunResult]] = {}
        self._seen: set[int] = set()
        self._failed: dict[int, tuple[TaskRun, EventState]] = {}

    def ran(self, index: int, id: uuid.UUID) -> None:
        """Record the task run of a place."""
        self._ids[index] = id

    def ended(self, index: int, state: State[Any] | BaseException) -> None:
        """Record the final state, or the error, of the last task run of a place."""
        self._seen.add(index)
        if isinstance(state, EventState) and state.task_run is not None:
            self._failed[index] = state.task_run, state

    def edges_to(self, index: int) -> set[TaskRunResult]:
        """The task runs directly before a place. Places with the same predecessors share a set."""
        before = self._blueprint.before[index]
        known = self._edges.get(id(before))
        if known is None:
            known = self._edges[id(before)] = set()
            seen: set[int] = set()
            stack = list(before)
            while stack:
                source = stack.pop()
                if source in seen:
                    continue
                seen.add(source)
                if source in self._ids or self._skipped(source):
                    known.add(TaskRunResult(id=self._id_of(source)))
                else:
                    # It has no task run because an earlier place failed, so use what comes before
                    # it.
                    stack += self._blueprint.before[source]
        return known

    def tell_skipped_at_start(self) -> None:
        """Report the places that are skipped because the flow begins with a `!`."""
        for node, before in enumerate(self._blueprint.plan.graph.topology.before):
            if self._nodes[node].kind is Kind.FAIL and not before:
                self.tell_skipped(node)

    def tell_skipped(self, after: int) -> None:
        """Report a task run for each place that was skipped when `after` ended."""
        stack = [after]
        while stack:
            for index in self._blueprint.behind[stack.pop()]:
                if self._execution.states[index] is None or index in self._seen:
                    continue
                # This place ended without running, and the places after it may have done the same.
                self._seen.add(index)
                stack.append(index)
                if self._nodes[index].kind is Kind.EVENT and self._skipped(index):
                    self._tell_skipped(index)

    def tell_handled(self, report: RunReport) -> None:
        """Report failures that were handled later, by a branch of a group or by an *any* group."""
        for index, (task_run, failed) in self._failed.items():
            if report.places[self._nodes[index].id].handled:
                tell_handled(task_run, failed)

    def _id_of(self, index: int) -> uuid.UUID:
        """The id of a place's task run. For a skipped place, it is created here."""
        return self._ids.setdefault(index, uuid.uuid4())

    def _skipped(self, index: int) -> bool:
        return self._execution.states[index] is PlaceState.SKIPPED

    def _tell_skipped(self, index: int) -> None:
        task = self._blueprint.tasks[index]
        assert task is not None
        if self._flow_run_id is not None:
            place = self._nodes[index].id
            tell_skipped(place, task, self._flow_run_id, self._id_of(index), self.edges_to(index))


def tell_handled(task_run: TaskRun, failed: EventState) -> None:
    """Report that the failure of a task run was handled."""
    state: State[Any] = State(type=StateType.COMPLETED, name=HANDLED, message=failed.message)
    begun, ended = task_run.start_time or failed.timestamp, failed.timestamp
    times = {"end_time": ended, "total_run_time": ended - begun}
    compat.tell(task_run.model_copy(update=times), state, failed)


def tell_skipped(
    place: str,
    task: Task[Any, Any],
    flow_run_id: uuid.UUID,
    id: uuid.UUID,
    edges: Iterable[TaskRunResult],
) -> None:
    """Report a task run for a place that is not reached because another branch was taken."""
    # Prefect's page shows only cancelled task runs in grey.
    state: State[Any] = State(
        type=StateType.CANCELLED, name=SKIPPED, message="another branch was taken"
    )
    now, tags = state.timestamp, TagsContext.get()
    task_run = TaskRun(
        id=id,
        name=place,
        flow_run_id=flow_run_id,
        task_key=task.task_key,
        dynamic_key=f"skipped-{place}",
        task_version=task.version,
        tags=sorted({*task.tags, *(tags.current_tags if tags else ())}),
        task_inputs={"upstream": list(edges)},
        expected_start_time=now,
        start_time=now,
        end_time=now,
    )
    compat.tell(task_run, state)

"""A run as Prefect's page shows it: edges, skipped places, and failures that are handled later.

Places without a real task run are reported in the same way as the states of Prefect's engine: as
Prefect events, which a background thread sends in bulk while the flow continues.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, StateType, TaskRun, TaskRunResult
from prefect.context import TagsContext

from volnux.graph.copies import Block
from volnux.graph.execution import Execution
from volnux.graph.model import Kind
from volnux.graph.outcome import FAILURE
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import RunReport
from volnux_prefect import compat
from volnux_prefect.attempts import Attempts
from volnux_prefect.endings import HANDLED, SKIPPED
from volnux_prefect.states import EventState
from volnux_prefect.translate import Blueprint

__all__ = ["Page", "tell_handled", "tell_skipped"]


_MOST_EDGES = 1000
"""The maximum number of edges between two parts of a flow with an `each`.

Every task run lists those before it. Without a limit, one `each` with 2,000 items behind another
would have four million edges, which neither the server nor its page can handle.
"""


class Page:
    """The task runs of a run.

    A place is identified by its instance: see `volnux.graph.copies`. A group with `task` is one
    task run, which is identified by the instance of the first node of the group: its *unit*.

    Args:
        blueprint: the plan that runs.
        execution: the progress of the run.
        flow_run_id: the id of the flow run. If None, skipped places are not reported.
        attempts: the earlier attempts of the flow run, whose task runs are still on the page.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        execution: Execution,
        flow_run_id: uuid.UUID | None,
        attempts: Attempts | None = None,
    ) -> None:
        self._blueprint = blueprint
        self._execution = execution
        self._copies = execution.copies
        self._nodes = self._copies.nodes
        self._flow_run_id = flow_run_id
        self._attempts = attempts
        self._most = _MOST_EDGES if blueprint.plan.graph.eaches else sys.maxsize
        self._ids: dict[int, uuid.UUID] = {}
        self._edges: dict[tuple[int, int], set[TaskRunResult]] = {}
        self._seen: set[int] = set()
        # The units with a task run.
        self._told: set[int] = set()
        # How many copies of an `each` were looked at, by the instance that began it.
        self._begun: dict[int, int] = {}
        # The failed task runs, by the place whose failure they pass on.
        self._failed: dict[str, tuple[TaskRun, State[Any]]] = {}

    def unit(self, index: int) -> int:
        """The first instance of the group with `task` around a place; otherwise the place."""
        first = self._blueprint.grouped[self._copies.node(index)]
        return index if first is None else self._copies.seen(first, index)

    def ran(self, unit: int, id: uuid.UUID) -> None:
        """Record the task run of a place."""
        self._ids[unit] = id
        self._told.add(unit)
        if self._attempts is not None:
            self._attempts.ran(self._copies.place(unit), id)

    def ended(self, index: int, state: State[Any] | BaseException | None) -> None:
        """Record the final state, or the error, of the last task run of a place.

        Args:
            index: the place.
            state: None if it has no task run of its own.
        """
        self._seen.add(index)
        if isinstance(state, EventState) and state.task_run is not None:
            self.failed(self._copies.place(index), state.task_run, state)

    def failed(self, place: str, task_run: TaskRun, state: State[Any]) -> None:
        """Record a task run that failed because of a place."""
        self._failed[place] = task_run, state

    def edges_to(self, index: int) -> set[TaskRunResult]:
        """The task runs directly before a place. Places with the same predecessors share a set."""
        before = self._blueprint.before[self._copies.node(index)]
        scope, targets = self._scope(index, before)
        known = self._edges.get((id(before), scope))
        if known is None:
            known = self._edges[id(before), scope] = set()
            most = max(1, self._most // targets)
            seen: set[int] = set()
            stack = self._instances(before, index)
            while stack and len(known) < most:
                source = stack.pop()
                unit = self.unit(source)
                if unit in seen:
                    continue
                seen.add(unit)
                if unit in self._ids or self._skipped(source) or self._ran_earlier(unit):
                    known.add(TaskRunResult(id=self._id_of(unit)))
                else:
                    # It has no task run because an earlier place failed, so use what comes before
                    # it.
                    earlier = self._blueprint.before[self._copies.node(unit)]
                    stack += self._instances(earlier, unit)
        return known

    def tell_skipped_at_start(self) -> None:
        """Report the places that are skipped before any event ends.

        The flow begins with a `!`, an `each`, or an event that keeps an earlier outcome.
        """
        for node, before in enumerate(self._blueprint.plan.graph.topology.before):
            if not before and self._execution.states[node] is not None:
                self._note_no_list(node)
                self.tell_skipped(node)

    def tell_skipped(self, after: int) -> None:
        """Report a task run for each place that was skipped when `after` ended."""
        stack = [after]
        while stack:
            for index in self._behind(stack.pop()):
                if self._execution.states[index] is None or index in self._seen:
                    continue
                # This place ended without running, and the places after it may have done the same.
                self._seen.add(index)
                stack.append(index)
                if self._nodes[index].kind is Kind.EVENT and self._skipped(index):
                    self._tell_skipped(index)
                self._note_no_list(index)

    def tell_handled(self, report: RunReport) -> None:
        """Report failures that were handled later, by a branch of a group or by an *any* group."""
        for place, (task_run, failed) in self._failed.items():
            if place in report.places and report.places[place].handled:
                tell_handled(task_run, failed)

    # Copies of nodes.

    def _scope(self, index: int, before: tuple[int, ...]) -> tuple[int, int]:
        """Which places share the predecessors of a place.

        Returns the first instance of the copy around them, or -1, and their number.
        """
        targets = 1
        while (block := self._copies.block_of(index)) is not None:
            if any(block.start <= source < block.start + block.width for source in before):
                return block.base + block.number(index) * block.width, targets
            targets *= len(block.items)
            index = block.each
        return -1, targets

    def _instances(self, nodes: Iterable[int], index: int) -> list[int]:
        """The instances of nodes that an instance waited for."""
        if not self._copies.blocks:
            return list(nodes)
        topology = self._blueprint.plan.graph.topology
        around = topology.around[self._copies.node(index)]
        found = []
        for node in nodes:
            instances: list[int] = [self._copies.seen(node, index)]
            for each in topology.around[node]:
                if each in around:
                    continue
                begin = topology.index[each.each]
                blocks = [self._copies.blocks.get(self._copies.seen(begin, i)) for i in instances]
                instances = [
                    inner
                    for i, block in zip(instances, blocks, strict=True)
                    for inner in ((i,) if block is None else block.instances(node))
                ]
            found += instances
        return found

    def _behind(self, index: int) -> Iterator[int]:
        """The instances that wait for an instance, and the copies that started because of it."""
        block = self._copies.blocks.get(index)
        if block is not None:
            yield from self._heads(block)
            yield block.gather
            return
        for target in self._blueprint.behind[self._copies.node(index)]:
            found = self._copies.seen(target, index)
            yield found
            if self._nodes[found].kind is Kind.GATHER:
                block = self._copies.ended_by(found)
                if block is not None:
                    yield from self._heads(block)

    def _heads(self, block: Block) -> Iterator[int]:
        """The first instances of those copies that have started since the last call."""
        begun = self._begun.get(block.each, 0)
        self._begun[block.each] = block.started
        gather = self._copies.node(block.gather)
        heads = [node for node in self._blueprint.behind[block.start - 1] if node != gather]
        for number in range(begun, block.started):
            for head in heads:
                yield block.base + number * block.width + head - block.start

    # Places without a real task run.

    def _id_of(self, unit: int) -> uuid.UUID:
        """The id of a place's task run. For a skipped place, it is created here."""
        if unit not in self._ids:
            # The same one in each attempt of the flow run.
            around = self._flow_run_id or uuid.uuid4()
            self._ids[unit] = uuid.uuid5(around, self._copies.place(unit))
        return self._ids[unit]

    def _ran_earlier(self, unit: int) -> bool:
        """Whether a unit without a task run has one of an earlier attempt, which now counts."""
        known = self._attempts.task_runs.get(self._copies.place(unit)) if self._attempts else None
        if known is not None:
            self._ids[unit] = known
        return known is not None

    def _skipped(self, index: int) -> bool:
        return self._execution.states[index] is PlaceState.SKIPPED

    def _tell_skipped(self, index: int) -> None:
        unit = self.unit(index)
        if self._flow_run_id is None or unit in self._told:
            return
        self._told.add(unit)
        task = self._blueprint.task_at(self._copies, unit)
        tell_skipped(
            str(task.task_run_name), task, self._flow_run_id, self._id_of(unit), self.edges_to(unit)
        )

    def _note_no_list(self, index: int) -> None:
        """Log the failure of an `each` that received no list: it has no task run."""
        if self._nodes[index].kind is not Kind.EACH:
            return
        if self._execution.descriptors[index] == FAILURE:
            each = self._copies.of_each[self._copies.node(index)]
            failure = self._execution.results[index]
            compat.run_logger().error("[each=%s] failed: %s", each.name, failure)


def tell_handled(task_run: TaskRun, failed: State[Any]) -> None:
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

"""The catch of a group, and the end of an arm of an *any* group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from volnux.graph.outcome import FAILURE, State
from volnux_airflow import compat, replay
from volnux_airflow.flowoperator import NO_CALLBACKS, Branches, FlowOperator
from volnux_airflow.outcomes import TaskOutcome

__all__ = ["VolnuxGroupOperator"]


class VolnuxGroupOperator(FlowOperator):
    """Decides how a group of tasks ended, after all of them have ended.

    With `branches`, it is the catch of a group: a failure inside becomes its outcome 0. Without
    `branches`, it is the end of an arm of an *any* group (one arm is enough), and fails if the arm
    failed.

    Args:
        first: the task id of the group's first event. The group consists of all tasks of the DAG
            from that task to this one. The operator also adds edges from the tasks that do not end
            the group, to wait for them.
        ends: the tasks that end the group. Their edges to this task must be set like any others.
    """

    shallow_copy_attrs: Sequence[str] = ("branches", "ends")
    decides_group = True
    ui_color = "#f3e8fd"
    custom_operator_name = "decides how a group ended"

    def __init__(
        self,
        *,
        first: str,
        ends: str | Sequence[str],
        branches: Branches | None = None,
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs = {
            **NO_CALLBACKS,
            "trigger_rule": compat.TriggerRule.ALL_DONE,
            "retries": 0,
            **kwargs,
        }
        super().__init__(**kwargs)
        self.begin(branches, run_timeout)
        self.first = first
        self.ends = frozenset([ends] if isinstance(ends, str) else ends)
        # Otherwise an early `upstream_failed` would start this task while an arm still runs.
        tasks = list(self.dag.task_dict.values())
        begin = next(i for i, task in enumerate(tasks) if task.task_id == first)
        for task in tasks[begin:]:
            if _is_watched(task) and task.task_id not in self.ends:
                self.set_upstream(task)

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Decide how the group ended."""
        ti = context["ti"]
        outcomes = self.outcomes_of(context)
        refusal = self.refusal(context, outcomes)
        if refusal is not None:
            raise compat.AirflowFailException(refusal)
        graph = replay.group_of(self)
        events = replay.events_of(graph)
        states = outcomes.states(events)
        begin = graph.nodes[0].id
        if states.get(begin) == "skipped":
            raise compat.AirflowSkipException("the group was not taken")
        ran = [task for task in events if states.get(task) in ("success", "failed")]
        ends = dict.fromkeys(events) | dict(zip(ran, outcomes.of(ran), strict=True))
        first = ends[begin]
        if begin not in ran or (first is not None and first.descriptor is None):
            raise compat.AirflowFailException("the group never started")
        execution = replay.replay(graph, ends, states, outcomes)
        last = len(graph.nodes) - 1
        state, descriptor = execution.states[last], execution.descriptors[last]
        if state is State.SKIPPED:
            raise compat.AirflowSkipException("the group was not taken")
        if descriptor is None:
            raise compat.AirflowFailException("the group failed")
        failure = execution.origin(last) if descriptor == FAILURE else None
        done = descriptor != FAILURE or self.takes(FAILURE)
        left = TaskOutcome.of(descriptor, failure, done=done)
        self.leave(ti, left, outcomes.codec.write(failure, self.task_id))
        self.outcome = f"descriptor {descriptor}" + (f": {failure}" if failure else "")
        if not done:
            raise compat.AirflowFailException(f"the group failed with {self.outcome}")
        self.log.info("the group finished with %s", self.outcome)
        self.go_on(context, descriptor)
        return None


def _is_watched(task: Any) -> bool:
    return isinstance(task, FlowOperator) and task.ends_a_place and not task.decides_group

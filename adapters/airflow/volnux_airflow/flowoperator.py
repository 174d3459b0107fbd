"""What all tasks of a flow have in common: continuing with some downstream tasks, and stopping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from volnux.errors import did_you_mean
from volnux.graph.outcome import FAILURE, SUCCESS
from volnux.hooks import Listener
from volnux_airflow import compat
from volnux_airflow.outcomes import Outcomes

__all__ = ["NO_CALLBACKS", "Branches", "FlowOperator", "Watcher", "ways_to"]

Branches = Mapping[int, str | Sequence[str]]
"""For each descriptor, the direct downstream tasks that continue after it."""


class Watcher(Listener):
    """Is notified of events in a run inside one process (`volnux run --backend airflow`)."""

    def stopped(self) -> bool:
        """Whether no more tasks may start."""
        return False


NO_CALLBACKS: Mapping[str, Any] = {
    "on_execute_callback": None,
    "on_failure_callback": None,
    "on_success_callback": None,
    "on_retry_callback": None,
    "on_skipped_callback": None,
    "outlets": None,
    "execution_timeout": None,
}
"""What tasks added by Volnux do not take from `default_args`, which is for the user's tasks."""


class FlowOperator(compat.BaseOperator, compat.BranchMixIn):
    """What both operators have in common: continuing with some downstream tasks, and stopping.

    Attributes:
        decides_group: whether the task decides how a group ended.
        branches: for each descriptor, the direct downstream tasks that continue after it; the
            others are skipped. A failure (0) without an entry is unhandled. None: all tasks
            continue after 1.
        outcome: how the task ended, as text for the user.
    """

    inherits_from_skipmixin = True
    template_fields: Sequence[str] = ("outcome",)
    # Shown under "Rendered Templates" once the task has ended.
    overwrite_rtif_after_execution = True
    shallow_copy_attrs: Sequence[str] = ("branches",)
    watcher: ClassVar[Watcher] = Watcher()

    outcome: str
    branches: dict[int, tuple[str, ...]] | None
    decides_group: ClassVar[bool] = False

    # No __init__ here: Airflow processes all arguments again for each __init__ in the class
    # hierarchy.
    def begin(self, branches: Branches | None) -> None:
        self.outcome = ""
        self.branches = None
        if branches is not None:
            self.branches = {
                descriptor: (targets,) if isinstance(targets, str) else tuple(targets)
                for descriptor, targets in branches.items()
            }

    def refusal(self, context: Mapping[str, Any], outcomes: Outcomes) -> str | None:
        """Why no more tasks of this run may start; None if they may."""
        unknown = self._unknown_input(context["dag_run"].conf)
        if unknown is not None:
            return unknown
        stopper = self._stopped_by(outcomes)
        if stopper is not None:
            return f"the run was ended by {stopper}"
        return "the run was cancelled" if self.watcher.stopped() else None

    def _unknown_input(self, conf: Mapping[str, Any] | None) -> str | None:
        """Describe an unknown name in the configuration of a run, which Airflow does not check.

        In a DAG with other tasks, the name may be meant for them.
        """
        known = list(self.dag.params)
        unknown = [name for name in conf or {} if name not in known]
        if not unknown or not all(map(_is_ours, self.dag.tasks)):
            return None
        hint = did_you_mean(unknown[0], known, f"inputs: {', '.join(known)}")
        return f"there is no input '{unknown[0]}'; " + (hint if known else "this DAG has none")

    def _stopped_by(self, outcomes: Outcomes) -> str | None:
        """The task with `stop_on_exception` that ended the run, if there is one."""
        others = [
            task.task_id
            for task in self.dag.tasks
            if isinstance(task, FlowOperator) and task.may_stop_run and task.task_id != self.task_id
        ]
        if others:
            outcomes.leave_out_unfinished(others)
        for task_id, outcome in zip(others, outcomes.of(others), strict=True):
            if outcome is not None and outcome.failure is not None and not outcome.done:
                return task_id
        return None

    @property
    def may_stop_run(self) -> bool:
        """Whether an exception in this task ends the whole run."""
        return False

    def takes(self, descriptor: int) -> bool:
        """Whether any downstream task continues after this descriptor."""
        if self.branches is None:
            return descriptor == SUCCESS
        return descriptor in self.branches

    def go_on(self, context: Any, descriptor: int) -> None:
        """Skip the direct downstream tasks that this descriptor does not lead to."""
        if self.branches is None:
            return
        # The list of task instances shows this for every task, mapped or not.
        handled = ", a handled failure" if descriptor == FAILURE else ""
        context["map_index_template"] = f"descriptor {descriptor}{handled}"
        if not self.downstream_task_ids:
            return
        live = set(self.branches.get(descriptor, ()))
        live.update(task.task_id for task in self.downstream_list if _decides_group(task))
        if live >= self.downstream_task_ids:
            return
        self.skip_all_except(context["ti"], sorted(live))


def _is_ours(task: Any) -> bool:
    return isinstance(task, FlowOperator | compat.EmptyOperator)


def _decides_group(task: Any) -> bool:
    return isinstance(task, FlowOperator) and task.decides_group


def ways_to(task: Any) -> Iterator[tuple[str, set[int] | None]]:
    """The tasks before a task, each with the descriptors that lead to it. Joins are skipped over.

    None means that the task does not branch.
    """
    for source in task.upstream_list:
        if isinstance(source, compat.EmptyOperator):
            yield from ways_to(source)
            continue
        branches = getattr(source, "branches", None)
        if branches is None:
            yield source.task_id, None
        else:
            yield source.task_id, {d for d, heads in branches.items() if task.task_id in heads}

"""What the tasks of a flow share: going on to some of the tasks downstream, and stopping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from volnux.errors import nearest
from volnux.graph.outcome import FAILURE, SUCCESS
from volnux.hooks import Listener
from volnux_airflow import compat
from volnux_airflow.outcomes import Outcomes

__all__ = ["NO_CALLBACKS", "Branches", "FlowOperator", "Watcher", "ways_to"]

Branches = Mapping[int, str | Sequence[str]]
"""For a descriptor, the direct downstream tasks that go on after it."""


class Watcher(Listener):
    """Hears of events in a run inside one process (`volnux run --backend airflow`)."""

    def stopped(self) -> bool:
        """Whether nothing more is to start."""
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
"""What tasks that Volnux adds do not take from `default_args`: nobody wrote these tasks."""


class FlowOperator(compat.BaseOperator, compat.BranchMixIn):
    """What both operators share: going on to some of the tasks downstream, and stopping.

    Attributes:
        decides_group: whether the task decides how a group ended.
        branches: for a descriptor, the direct downstream tasks that go on after it; the others are
            skipped. A failure (0) that has no entry is unhandled. None: all go on after 1.
        outcome: how it ended, for a person.
    """

    inherits_from_skipmixin = True
    template_fields: Sequence[str] = ("outcome",)
    # What a person reads in "Rendered Templates" once the task has ended.
    overwrite_rtif_after_execution = True
    shallow_copy_attrs: Sequence[str] = ("branches",)
    watcher: ClassVar[Watcher] = Watcher()

    outcome: str
    branches: dict[int, tuple[str, ...]] | None
    decides_group: ClassVar[bool] = False

    # No __init__: each one in a line of operators costs Airflow's whole treatment of arguments.
    def begin(self, branches: Branches | None) -> None:
        self.outcome = ""
        self.branches = None
        if branches is not None:
            self.branches = {
                descriptor: (targets,) if isinstance(targets, str) else tuple(targets)
                for descriptor, targets in branches.items()
            }

    def refusal(self, context: Mapping[str, Any], outcomes: Outcomes) -> str | None:
        """Why nothing of this run is to start any more; None where all is well."""
        unknown = self._unknown_input(context["dag_run"].conf)
        if unknown is not None:
            return unknown
        stopper = self._stopped_by(outcomes)
        if stopper is not None:
            return f"the run was ended by {stopper}"
        return "the run was cancelled" if self.watcher.stopped() else None

    def _unknown_input(self, conf: Mapping[str, Any] | None) -> str | None:
        """What is wrong with the names in a run's configuration, which Airflow does not check.

        In a DAG with other tasks it may be meant for those.
        """
        known = list(self.dag.params)
        unknown = [name for name in conf or {} if name not in known]
        if not unknown or not all(map(_is_ours, self.dag.tasks)):
            return None
        close = nearest(unknown[0], known)
        hint = f"did you mean '{close[0]}'?" if close else f"inputs: {', '.join(known)}"
        return f"there is no input '{unknown[0]}'; " + (hint if known else "this DAG has none")

    def _stopped_by(self, outcomes: Outcomes) -> str | None:
        """The task with `stop_on_exception` that ended the run, if one did."""
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
        """Whether anything goes on after this descriptor."""
        if self.branches is None:
            return descriptor == SUCCESS
        return descriptor in self.branches

    def go_on(self, context: Any, descriptor: int) -> None:
        """Skip the direct downstream tasks that this descriptor does not lead to."""
        if self.branches is None:
            return
        # The list of task instances shows this of every task, mapped or not.
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
    """The tasks before one, joins looked through, each with its descriptors that lead there.

    None stands for a task that does not branch.
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

"""What all tasks of a flow have in common: continuing with some downstream tasks, and stopping."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from volnux.errors import did_you_mean
from volnux.events.outcome import Host
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, run_too_long
from volnux.hooks import Listener
from volnux_airflow import compat
from volnux_airflow.hostvalues import AirflowHost
from volnux_airflow.outcomes import OUTCOME_KEY, Outcomes, TaskOutcome

__all__ = ["NO_CALLBACKS", "RUN_TIMEOUT", "Branches", "FlowOperator", "Watcher", "ways_to"]

Branches = Mapping[int, str | Sequence[str]]
"""For each descriptor, the direct downstream tasks that continue after it."""

RUN_TIMEOUT = run_too_long(0).type
"""The type of the failure of a run that has reached its time limit."""


class Watcher(Listener):
    """Is notified of events in a run inside one process (`volnux run --backend airflow`).

    Attributes:
        host: where the variables and secrets of the run come from.
    """

    host: Host = AirflowHost()

    def start_of(self, run: Any) -> dt.datetime:
        """When a DAG run began; its time limit counts from there."""
        began: dt.datetime = run.start_date
        return began

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
    """What the operators have in common: continuing with some downstream tasks, and stopping.

    Attributes:
        decides_group: whether the task decides how a group ended.
        ends: if it decides, the tasks that end its group.
        branches: for each descriptor, the direct downstream tasks that continue after it; the
            others are skipped. A failure (0) without an entry is unhandled. None: all tasks
            continue after 1.
        run_timeout: seconds that the whole run may take; None for no limit.
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
    run_timeout: float | None
    ends: frozenset[str] = frozenset()
    decides_group: ClassVar[bool] = False

    # No __init__ here: Airflow processes all arguments again for each __init__ in the class
    # hierarchy.
    def begin(self, branches: Branches | None, run_timeout: float | None) -> None:
        self.outcome = ""
        self.run_timeout = run_timeout
        self.branches = None
        if branches is not None:
            self.branches = {
                descriptor: (targets,) if isinstance(targets, str) else tuple(targets)
                for descriptor, targets in branches.items()
            }

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render nothing: the fields are text for the user, not templates."""

    def refusal(self, context: Mapping[str, Any], outcomes: Outcomes) -> str | None:
        """Why no more tasks of this run may start; None if they may."""
        unknown = self._unknown_input(context["dag_run"].conf)
        if unknown is not None:
            return unknown
        stopper = self._stopped_by(outcomes)
        if stopper is not None:
            return f"the run was ended by {stopper}"
        if self.is_late(context):
            return self.too_late().message
        return "the run was cancelled" if self.watcher.stopped() else None

    def seconds_left(self, context: Mapping[str, Any]) -> float | None:
        """The seconds that are left of the time limit of the run; None if it has no limit."""
        if self.run_timeout is None:
            return None
        began = self.watcher.start_of(context["dag_run"])
        return self.run_timeout - (dt.datetime.now(dt.UTC) - began).total_seconds()

    def is_late(self, context: Mapping[str, Any]) -> bool:
        """Whether the run has reached its time limit."""
        left = self.seconds_left(context)
        return left is not None and left <= 0

    def too_late(self) -> Failure:
        """The failure of a run that has reached its time limit."""
        assert self.run_timeout is not None
        return run_too_long(self.run_timeout)

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

    @property
    def watching(self) -> frozenset[str]:
        """The downstream tasks that only watch this one: it is not an end of their group."""
        return frozenset(
            task.task_id
            for task in self.downstream_list
            if isinstance(task, FlowOperator)
            and task.decides_group
            and self.task_id not in task.ends
        )

    def is_passed_by(self, outcomes: Outcomes) -> bool:
        """Whether Airflow has started this task although no branch that was taken leads to it.

        A task skips the branches that it does not take when it ends. If a person marks it as a
        success while it runs, it cannot do that: then the flow continues as after descriptor 1.
        """
        ways = list(ways_to(self))
        if all(when is None or SUCCESS in when for _, when in ways):
            return False
        sources = [source for source, _ in ways]
        ends = outcomes.of(sources)
        for (_, when), end in zip(ways, ends, strict=True):
            if when is not None and end is not None and end.done and end.descriptor in when:
                return False
        states = outcomes.states(sources)
        for (source, when), end in zip(ways, ends, strict=True):
            descriptor = end.descriptor if end is not None and end.done else SUCCESS
            if states.get(source) == "success" and (when is None or descriptor in when):
                return False
        return True

    def leave(self, ti: Any, outcome: TaskOutcome, result: Any = None) -> None:
        """Store how the task ended, and its result, for the tasks after it."""
        ti.xcom_push(key=OUTCOME_KEY, value=outcome.to_json())
        if outcome.returned:
            ti.xcom_push(key="return_value", value=result)

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

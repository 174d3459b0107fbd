"""The common part of all tasks of a flow: continuing with some downstream tasks, and stopping."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from volnux.backends.port import RunControl, RunObserver
from volnux.errors import did_you_mean
from volnux.events.outcome import Host
from volnux.events.spec import EventSpec
from volnux.events.visible import Visible
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, run_too_long
from volnux.hooks import Listener
from volnux.shown import shown
from volnux.values.codec import from_json
from volnux_airflow import compat
from volnux_airflow.codec import codec_of
from volnux_airflow.hostvalues import AirflowHost
from volnux_airflow.outcomes import NOT_STARTED, OUTCOME_KEY, Outcomes, TaskOutcome
from volnux_airflow.runinputs import RunInputs

__all__ = [
    "ITEM",
    "NO_CALLBACKS",
    "RUN_TIMEOUT",
    "SHORT",
    "Branches",
    "FlowOperator",
    "Watcher",
    "label_of",
    "operator_of",
    "targets_of",
    "ways_to",
]

Branches = Mapping[int, str | Sequence[str]]
"""For each descriptor, the direct downstream tasks that continue after it."""

RUN_TIMEOUT = run_too_long(0).type
"""The type of the failure of a run that has reached its time limit."""


SHORT = "|truncate(250, true, '…', 0)"
"""Cuts the name of a task instance in a template, since Airflow stores no longer ones."""

ITEM = "{{ (task.task_id ~ '[' ~ ti.map_index ~ '] ' ~ task.item_label)" + SHORT + " }}"
"""The template of the name of a mapped task instance: its place and its item."""

_LONGEST_ITEM = 80
"""The maximum length of an item in that name."""


class Watcher(Listener):
    """Is notified of events in a run inside one process (`volnux run --backend airflow`).

    Attributes:
        host: the source of the run's variables and secrets.
        observer: is told about the events of a part of the flow in one task.
    """

    host: Host = AirflowHost()

    def start_of(self, run: Any) -> dt.datetime:
        """The time at which a DAG run began. Its time limit is measured from then."""
        began: dt.datetime = run.start_date
        return began

    observer: RunObserver | None = None

    def stopped(self) -> bool:
        """Whether no more tasks may start."""
        return False

    def cancels(self, control: RunControl) -> None:
        """Cancel the part of the flow with this control when the run is cancelled."""


NO_CALLBACKS: Mapping[str, Any] = {
    "on_execute_callback": None,
    "on_failure_callback": None,
    "on_success_callback": None,
    "on_retry_callback": None,
    "on_skipped_callback": None,
    "outlets": None,
    "execution_timeout": None,
}
"""Arguments of tasks that Volnux adds: `default_args` for these are only for the user's tasks."""


class FlowOperator(compat.BaseOperator, compat.BranchMixIn):
    """The common part of the operators: continuing with some downstream tasks, and stopping.

    Attributes:
        decides_group: whether the task decides how a group ended.
        ends_a_place: whether a group must wait for the task; it waits for the gather of an `each`.
        ends: if `decides_group`, the tasks that end its group.
        branches: for each descriptor, the direct downstream tasks that continue after it; the
            others are skipped. A failure (0) without an entry is unhandled. None if all tasks
            continue after descriptor 1.
        run_timeout: seconds that the whole run may take; None for no limit.
        outcome: a text for the user that says how the task ended.
        inputs: the inputs of the pipeline.
        item_label: the item of a mapped task, as its name shows it; see `show`.
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
    inputs: RunInputs = RunInputs()
    item_label: str = ""
    ends: frozenset[str] = frozenset()
    decides_group: ClassVar[bool] = False
    ends_a_place: ClassVar[bool] = True

    # No __init__ here: Airflow processes all arguments again for each __init__ in the class
    # hierarchy.
    def begin(self, branches: Branches | None, run_timeout: float | None) -> None:
        self.outcome = ""
        self.run_timeout = run_timeout
        self.branches = None if branches is None else targets_of(branches)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render nothing: the fields are text for the user, not templates."""

    def outcomes_of(self, context: Mapping[str, Any]) -> Outcomes:
        """Reads what the other tasks of the run stored."""
        codec = codec_of(context["dag_run"].run_id, _classes_of(self.dag))
        others = {task.task_id for task in self.dag.tasks if operator_of(task) is None}
        return Outcomes(context["ti"], codec, others)

    def admit(
        self,
        context: Mapping[str, Any],
        outcomes: Outcomes,
        *,
        so_far: TaskOutcome = NOT_STARTED,
    ) -> dict[str, Any]:
        """Let the task start, and return the inputs of the run.

        Args:
            context: the context of the task.
            outcomes: the outcomes of the other tasks.
            so_far: what the task stores if it may not start: the attempts that it has made.

        Raises:
            AirflowSkipException: the flow took no branch to this task.
            AirflowFailException: the task may not start.
        """
        refusal = self.refusal(context, outcomes)
        if refusal is None:
            if self.is_passed_by(outcomes):
                raise compat.AirflowSkipException("another branch was taken")
            try:
                return self.inputs.of_run(self.dag, context)
            except Exception as error:  # noqa: BLE001 - a reader is the user's code
                refusal = str(error)
        ti = context["ti"]
        number = None if ti.map_index < 0 else ti.map_index
        self.leave(ti, replace(so_far, number=number))
        raise compat.AirflowFailException(f"{refusal}: not started")

    def refusal(self, context: Mapping[str, Any], outcomes: Outcomes) -> str | None:
        """The reason why no more tasks of this run may start; None if they may start."""
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
        """The seconds until the run reaches its time limit; None if it has no limit."""
        if self.run_timeout is None:
            return None
        began = self.watcher.start_of(context["dag_run"])
        return self.run_timeout - (dt.datetime.now(dt.UTC) - began).total_seconds()

    def limit_of(self, context: Mapping[str, Any], own: dt.timedelta | None) -> float | None:
        """The seconds that a call may take: its own limit, at most until the limit of the run."""
        left = self.seconds_left(context)
        limits = [] if own is None else [own.total_seconds()]
        if left is not None:
            limits.append(max(left, 0.1))
        return min(limits, default=None)

    def is_late(self, context: Mapping[str, Any]) -> bool:
        """Whether the run has reached its time limit."""
        left = self.seconds_left(context)
        return left is not None and left <= 0

    def too_late(self) -> Failure:
        """The failure of a run that has reached its time limit."""
        assert self.run_timeout is not None
        return run_too_long(self.run_timeout)

    def _unknown_input(self, conf: Mapping[str, Any] | None) -> str | None:
        """Describe an unknown name in a run's configuration, if any: Airflow does not check this.

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
        others = list(filter(_may_stop_run, self.dag.tasks))
        plain = [
            task.task_id
            for task in others
            if isinstance(task, FlowOperator) and task.task_id != self.task_id
        ]
        if plain:
            outcomes.leave_out_unfinished(plain)
        for task_id, outcome in zip(plain, outcomes.of(plain), strict=True):
            if outcome is not None and outcome.stops:
                return task_id
        mapped = (task.task_id for task in others if not isinstance(task, FlowOperator))
        return next(filter(outcomes.any_stops, mapped), None)

    @classmethod
    def may_stop_run(cls, arguments: Mapping[str, Any]) -> bool:
        """Whether an exception in a task with these arguments ends the whole run."""
        return False

    @classmethod
    def events_in(cls, arguments: Mapping[str, Any]) -> Iterable[EventSpec]:
        """The events that a task with these arguments runs."""
        return ()

    @property
    def watching(self) -> frozenset[str]:
        """The downstream tasks that only watch this task, because it does not end their group."""
        return frozenset(
            task.task_id
            for task in self.downstream_list
            if isinstance(task, FlowOperator)
            and task.decides_group
            and self.task_id not in task.ends
        )

    def is_passed_by(self, outcomes: Outcomes) -> bool:
        """Whether Airflow has started this task although the flow took no branch to it.

        When a task ends, it skips the branches that it does not take. It cannot do this if a person
        marked it as a success while it ran. Then the flow continues as after descriptor 1.
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

    def leave(self, ti: Any, outcome: TaskOutcome, stored: Any = None) -> None:
        """Store how the task ended, and its result as JSON, for the tasks after it."""
        ti.xcom_push(key=OUTCOME_KEY, value=outcome.to_json())
        if outcome.returned:
            ti.xcom_push(key="return_value", value=stored)

    def takes(self, descriptor: int) -> bool:
        """Whether any downstream task continues after this descriptor."""
        if self.branches is None:
            return descriptor == SUCCESS
        return descriptor in self.branches

    def go_on(self, context: Any, descriptor: int) -> None:
        """Skip the direct downstream tasks that this descriptor does not lead to."""
        if self.branches is None:
            return
        handled = ", a handled failure" if descriptor == FAILURE else ""
        self.show(context, f"descriptor {descriptor}{handled}")
        if not self.downstream_task_ids:
            return
        live = set(self.branches.get(descriptor, ()))
        live.update(task.task_id for task in self.downstream_list if _decides_group(task))
        if live >= self.downstream_task_ids:
            return
        self.skip_all_except(context["ti"], sorted(live))

    def show(self, context: Any, text: str) -> None:
        """Show a text in Airflow's list of task instances, for tasks that are mapped and others."""
        if self.item_label:
            self.item_label += f": {text}"
        else:
            self.item_label = text
            context["map_index_template"] = "{{ task.item_label" + SHORT + " }}"


def targets_of(branches: Branches) -> dict[int, tuple[str, ...]]:
    """Branches with a tuple of task ids for each descriptor."""
    return {
        descriptor: (targets,) if isinstance(targets, str) else tuple(targets)
        for descriptor, targets in branches.items()
    }


def label_of(item: Any, classes: Visible) -> str:
    """The item of a mapped task, as its name shows it."""
    # A large item is in a file, and what reads an object is the user's code.
    with contextlib.suppress(Exception):
        item = from_json(item, classes=classes)
    return shown(item, _LONGEST_ITEM)


def operator_of(task: Any) -> type[FlowOperator] | None:
    """The class of a task, mapped or not, if it is one of ours."""
    kind = task.operator_class if isinstance(task, compat.MappedOperator) else type(task)
    return kind if issubclass(kind, FlowOperator) else None


def _classes_of(dag: Any) -> Visible:
    """The classes that results of the tasks of a DAG may be of."""
    specs = {
        spec.function: spec
        for task in dag.tasks
        if (kind := operator_of(task)) is not None
        for spec in kind.events_in(_arguments_of(task))
    }
    return Visible(specs.values())


def _may_stop_run(task: Any) -> bool:
    """Whether a task, mapped or not, may end the whole run."""
    kind = operator_of(task)
    return kind is not None and kind.may_stop_run(_arguments_of(task))


def _arguments_of(task: Any) -> Mapping[str, Any]:
    """The arguments of a task that do not depend on the item."""
    arguments: Mapping[str, Any]
    is_mapped = isinstance(task, compat.MappedOperator)
    arguments = task.partial_kwargs if is_mapped else vars(task)
    return arguments


def _is_ours(task: Any) -> bool:
    return isinstance(task, compat.EmptyOperator) or operator_of(task) is not None


def _decides_group(task: Any) -> bool:
    return isinstance(task, FlowOperator) and task.decides_group


def ways_to(task: Any) -> Iterator[tuple[str, set[int] | None]]:
    """The upstream tasks of a task, each with the descriptors after which the flow continues here.

    Instead of a join, its own upstream tasks are yielded. None means that the upstream task has no
    branches.
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

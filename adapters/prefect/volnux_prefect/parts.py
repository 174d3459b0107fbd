"""Groups with `task`: one task run each, in which the embedded backend runs the events."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.context import TaskRunContext
from prefect.task_runners import TaskRunner

from volnux.backends.parts import Part
from volnux.backends.port import RunControl, RunObserver, RunOptions
from volnux.events.outcome import Outcome
from volnux.graph.copies import Items
from volnux.graph.model import Graph, Node
from volnux.graph.outcome import RunStatus
from volnux.graph.outcome import State as PlaceState
from volnux.graph.places import template_of
from volnux.graph.report import RunReport
from volnux.shown import cut
from volnux_prefect import compat, logs
from volnux_prefect.endings import summary
from volnux_prefect.states import log_wait
from volnux_prefect.timelimit import TimeLimit

__all__ = ["Holder", "PartRun", "outermost", "task_of_part"]


@dataclass
class PartRun:
    """One run of such a group: the argument of its task.

    Attributes:
        part: the group as a plan of its own.
        inputs: the inputs of the flow run.
        options: how to run it.
        taken: the values that it takes from outside; see `Part.run`.
        items: the items around it; see `Part.run`.
        limit: the time limit of the flow run, or None.
        waiting: the places in it that are ready in the flow.
        control: cancels it.
        started: how many attempts of its places have begun, and when the first one did, by place.
        outcomes: how its places ended, by place.
        report: its report, once it has ended.
        task_run: its task run, if it failed.
    """

    part: Part
    inputs: Mapping[str, Any]
    options: RunOptions
    taken: Mapping[int, Any]
    items: Items
    limit: TimeLimit | None = None
    waiting: list[int] = field(default_factory=list)
    control: RunControl = field(default_factory=RunControl)
    started: dict[str, tuple[int, float]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    report: RunReport | None = None
    task_run: TaskRun | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # See `Work`: only the context of a task run is pickled, and nothing there needs this.
        return type(None), ()

    def submit(self, task: Task[Any, Any], runner: TaskRunner[Any], after: set[Any]) -> Any:
        """Submit it to a task runner, and return the future of its task run.

        Args:
            task: its task.
            runner: a task runner with threads.
            after: the task runs directly before it.
        """
        return runner.submit(task, {"upstream": Holder(self)}, dependencies={"upstream": after})

    @property
    def interrupted(self) -> bool:
        """Whether an event in it raised `KeyboardInterrupt`."""
        report = self.report
        asked = self.control.cancelled and not self.control.interrupted
        return report is not None and report.status is RunStatus.CANCELLED and not asked

    def outcome(self, place: str) -> Outcome | None:
        """How a place has ended; None if it has not, or was given up."""
        outcome = self.outcomes.get(place)
        if outcome is None or self.report is None:
            return outcome
        return None if self.report.places[place].descriptor is None else outcome


class Holder:
    """Holds a `PartRun`. Prefect does not search objects of a plain class for futures."""

    __slots__ = ("run",)

    def __init__(self, run: PartRun) -> None:
        self.run = run

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def outermost(graph: Graph) -> tuple[int | None, ...]:
    """For each node, the index of the first node of the outermost group with `task` around it."""
    index = graph.topology.index
    found: list[int | None] = [None] * len(graph.nodes)
    ranges = [(index[group.first], index[group.last]) for group in graph.tasks]
    for first, last in sorted(ranges, key=lambda ends: (ends[0], -ends[1])):
        if found[first] is None:
            found[first : last + 1] = [first] * (last + 1 - first)
    return tuple(found)


def task_of_part(graph: Graph, name: str) -> Task[Any, Any]:
    """The task of a group. It has no retries: the events in it repeat their attempts themselves."""
    task: Task[Any, Any] = Task(
        run_part, name=name, task_run_name=name, cache_policy=NO_CACHE, log_prints=None
    )
    vars(task)["cache_policy"] = compat.OwnKey()
    task.description = f"The group {name} of {graph.name}."
    task.task_key = f"{graph.name}.{name}"
    return task


def run_part(upstream: Holder) -> State[Any]:
    """Run a group to its end, and return the state of its task run."""
    run = upstream.run
    logs.send_from(run.part.plan.specs)
    observer = _Inside(run, contextvars.copy_context())
    options = replace(run.options, observer=observer, control=run.control)
    run.report = run.part.run(run.inputs, options, taken=run.taken, items=run.items)
    report = _without_late_cancel(run.report)
    said = cut(summary(report), _LONGEST)
    if report.status is RunStatus.SUCCESS:
        return State(type=StateType.COMPLETED, message=said)
    run.task_run = compat.current_task_run()
    if run.limit is not None and run.limit.is_over:
        return State(type=StateType.FAILED, name="TimedOut", message=str(run.limit.error()))
    if report.status is RunStatus.CANCELLED:
        return State(type=StateType.CANCELLED, message=said)
    return State(type=StateType.FAILED, message=said)


def _without_late_cancel(report: RunReport) -> RunReport:
    """The report as if nobody had cancelled the group, if all its places had ended by then."""
    places = report.places.values()
    if report.status is not RunStatus.CANCELLED or any(
        place.state is PlaceState.CANCELLED for place in places
    ):
        return report
    failed = report.end is not None and report.end.origin is not None
    return replace(report, status=RunStatus.FAILED if failed else RunStatus.SUCCESS)


_LONGEST = 500
"""The maximum length of the message of a state."""


class _Inside(RunObserver):
    """Notes the outcomes in a group, and lets the logs of its events reach its task run.

    Args:
        run: the group.
        context: the context of its task run.
    """

    def __init__(self, run: PartRun, context: contextvars.Context) -> None:
        self._run = run
        self._context = context

    def place_started(self, node: Node, attempt: int) -> None:
        """See `RunObserver`. It is called in the thread, or in the coroutine, of the attempt."""
        if TaskRunContext.get() is None:
            for variable, value in self._context.items():
                variable.set(value)
        logs.PLACE.set(node.id)
        _, first = self._run.started.get(node.id, (0, time.time()))
        self._run.started[node.id] = attempt, first

    def place_waits(self, node: Node, outcome: Outcome) -> None:
        """See `RunObserver`."""
        spec = self._run.part.plan.spec(template_of(node.id))
        self._context.copy().run(log_wait, spec, node.id, outcome)

    def place_ended(self, node: Node, outcome: Outcome) -> None:
        """See `RunObserver`."""
        self._run.outcomes[node.id] = outcome

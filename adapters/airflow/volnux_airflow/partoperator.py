"""The operator for a part of a flow: the embedded backend runs its events inside one task."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from volnux.backends.parts import Part
from volnux.backends.port import RunControl, RunOptions
from volnux.events.failures import failure_of
from volnux.events.portable import Carrier
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, RunStatus
from volnux.graph.places import place_name
from volnux.graph.report import RunReport
from volnux.kit.codec import Codec
from volnux_airflow import compat, traces
from volnux_airflow.carried import CarriedHost
from volnux_airflow.declared import Inputs
from volnux_airflow.flowoperator import (
    ITEM,
    RUN_TIMEOUT,
    SHORT,
    Branches,
    FlowOperator,
    label_of,
    targets_of,
)
from volnux_airflow.flowpart import FlowPart
from volnux_airflow.instants import Calendar
from volnux_airflow.outcomes import NOT_STARTED, TaskOutcome
from volnux_airflow.output import secrets_hidden
from volnux_airflow.partreport import PLACES_KEY, stored_places
from volnux_airflow.placelog import places_in_log
from volnux_airflow.runinputs import RunInputs

__all__ = ["VolnuxPartOperator"]


class VolnuxPartOperator(FlowOperator):
    """Runs a part of a flow in one task: its events, with their retries, branches and groups.

    Args:
        part: the part.
        inputs: the inputs of the pipeline. Their values are the params of the run.
        readers: for some inputs, a function that checks and converts the value.
        calendar: the time zone and schedules of the pipeline; UTC if None.
        run_timeout: seconds that the whole run may take.
        item: the item of a mapped task; if the part has a `batch`, a list of items.
        branches: as of `VolnuxEventOperator`.
        **kwargs: as for `BaseOperator`.
    """

    shallow_copy_attrs: Sequence[str] = ("branches", "inputs", "part")
    ui_color = "#e8f0fe"
    custom_operator_name = "runs a part of the flow"

    def __init__(
        self,
        *,
        part: FlowPart,
        inputs: Inputs | RunInputs = (),
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        calendar: Calendar | None = None,
        run_timeout: float | None = None,
        item: Any = None,
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**_SETTINGS, **kwargs})
        self.begin(branches, run_timeout)
        self.part = part
        self.inputs = RunInputs.of(inputs, readers, calendar)
        self.item = item
        if part.each is not None:
            self.item_label = label_of(item, part.plan.visible)
        # Made for each run: a lock cannot be copied, and Airflow copies DAGs.
        self._control: RunControl | None = None

    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        part: FlowPart,
        inputs: Inputs = (),
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        calendar: Calendar | None = None,
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> Any:
        """A task that `expand` maps over the items of an `each`; see Airflow's `partial`."""
        template = ITEM if part.batch is None else _ITEMS
        return super().partial(
            task_id=task_id,
            part=part,
            inputs=RunInputs(inputs, readers, calendar),
            branches=None if branches is None else targets_of(branches),
            **{"map_index_template": template, **_SETTINGS, **kwargs},
        )

    @classmethod
    def may_stop_run(cls, arguments: Mapping[str, Any]) -> bool:
        """See `FlowOperator`."""
        part: FlowPart = arguments["part"]
        return part.may_stop_run

    @classmethod
    def events_in(cls, arguments: Mapping[str, Any]) -> Iterable[EventSpec]:
        """See `FlowOperator`."""
        part: FlowPart = arguments["part"]
        return part.events

    def execute(self, context: Mapping[str, Any]) -> None:
        """Run the part, and store its places, its outcome and its result."""
        ti = context["ti"]
        outcomes = self.outcomes_of(context)
        self._control = control = RunControl()
        inputs = self.admit(context, outcomes)
        try:
            taken = {row: self.part.value(row).read(outcomes) for row in self.part.cut().takes}
            items = self._items(ti, outcomes.codec)
        except Exception as error:  # noqa: BLE001 - a stored result may be unreadable
            self._fails(context, failure_of(error, attempts=0))
            return
        runs = self._runs(context, inputs, control, taken, items)
        ends = [self._end_of(report) for _, report in runs]
        if self.part.batch is not None:
            ends += [(NOT_STARTED, "not started")] * (len(items) - len(ends))
        try:
            stored = self._store_places(ti, [report for _, report in runs], ends, outcomes.codec)
        except Exception as error:  # noqa: BLE001 - what writes an object is the user's code
            self._fails(context, failure_of(error, attempts=0))
            return
        outcome = ends[0][0] if self.part.batch is None else _together(ends)
        if self.part.each is not None:
            outcome = replace(outcome, number=ti.map_index)
        self.leave(ti, outcome, stored)
        wrong = [
            f"{(report.end and report.end.origin) or name}: {value}"
            for (name, report), (end, value) in zip(runs, ends, strict=False)
            if end.descriptor != SUCCESS
        ]
        if len(wrong) > _MOST_NAMED:
            wrong[_MOST_NAMED:] = [f"and {len(wrong) - _MOST_NAMED} more"]
        self.outcome = "; ".join(wrong) or f"descriptor {SUCCESS}"
        if not outcome.done:
            first = next((value for end, value in ends if not end.done), None)
            cause = first.cause() if isinstance(first, Failure) else None
            raise compat.AirflowFailException(f"{self.task_id} failed: {self.outcome}") from cause
        self.go_on(context, SUCCESS if outcome.descriptor is None else outcome.descriptor)

    def _fails(self, context: Mapping[str, Any], failure: Failure) -> None:
        """End the task with a failure that is not one of its events."""
        ti = context["ti"]
        done = self.takes(FAILURE)
        number = None if self.part.each is None else ti.map_index
        self.leave(ti, replace(TaskOutcome.of(FAILURE, failure, done=done), number=number))
        self.outcome = str(failure)
        if not done:
            raise compat.AirflowFailException(f"{self.task_id} failed: {self.outcome}")
        self.go_on(context, FAILURE)

    def _store_places(
        self,
        ti: Any,
        reports: Sequence[RunReport],
        ends: Sequence[tuple[TaskOutcome, Any]],
        codec: Codec,
    ) -> Any:
        """Store the places of the part, and return its result as JSON.

        Raises:
            StoreError: a large value cannot be stored.
        """
        known: dict[int, Any] = {}

        def write(value: Any, place: str) -> Any:
            # The result of the part is that of one of its places, and need not be written again.
            if id(value) not in known:
                known[id(value)] = codec.write(value, place)
            return known[id(value)]

        ti.xcom_push(key=PLACES_KEY, value=codec.pack(stored_places(reports, write), self.task_id))
        results = [write(value, self.task_id) for _, value in ends]
        return results[0] if self.part.batch is None else results

    def on_kill(self) -> None:
        """End the run of the part, and its processes; called when the task is ended from outside.

        Airflow calls this in a signal handler, whose thread may hold a lock of the run.
        """
        if self._control is not None:
            threading.Thread(target=self._control.give_up, daemon=True).start()

    def _runs(
        self,
        context: Mapping[str, Any],
        inputs: Mapping[str, Any],
        control: RunControl,
        taken: Mapping[int, Any],
        items: Sequence[tuple[int, Any]],
    ) -> list[tuple[str, RunReport]]:
        """Run the part, for each of its items; the reports, each with the name of its part.

        There are fewer reports than items if the run ends before all of them have started.
        """
        options = RunOptions(
            run_id=context["dag_run"].run_id,
            # Within the task, large values need no file.
            carrier=Carrier(),
            control=control,
            observer=self.watcher.observer,
            context=traces.context_of(context["dag_run"].run_id, inputs),
            scheduled_at=self.inputs.scheduled_at(context),
            host=self._host(),
        )
        self.watcher.cancels(control)
        try:
            watched = traces.part_of_trace(context["ti"], context["dag_run"].run_id)
            with places_in_log(), self._secrets_hidden(), watched:
                each = self.part.each
                if each is None:
                    report = self._timed(context).run(inputs, options, taken=taken)
                    return [(self.task_id, report)]
                runs: list[tuple[str, RunReport]] = []
                for number, item in items:
                    own = replace(options, index=(number,))
                    part = self._timed(context)
                    report = part.run(inputs, own, taken=taken, items=((each.name, item),))
                    runs.append((place_name(self.task_id, (number,)), report))
                    if control.cancelled or self.part.stopped(report) or self.is_late(context):
                        break
                return runs
        except BaseException:
            # Airflow's timeout, for instance: leave no process behind.
            control.give_up()
            raise

    def _items(self, ti: Any, codec: Codec) -> list[tuple[int, Any]]:
        """The items of this task with their indices."""
        if self.part.each is None:
            return []
        size = self.part.batch
        items = [self.item] if size is None else self.item
        first = ti.map_index * (size or 1)
        return [(number, codec.read(item)) for number, item in enumerate(items, first)]

    def _timed(self, context: Mapping[str, Any]) -> Part:
        """The part, limited to the time that is left for the run."""
        part = self.part.cut()
        left = self.seconds_left(context)
        if left is None:
            return part
        graph = replace(part.plan.graph, run_timeout=max(left, 0.1))
        return replace(part, plan=replace(part.plan, graph=graph))

    def _host(self) -> CarriedHost:
        graph = self.part.plan.graph
        return CarriedHost(
            self.watcher.host,
            [variable.name for variable in graph.all_variables],
            [secret.name for secret in graph.all_secrets],
        )

    def _secrets_hidden(self) -> contextlib.AbstractContextManager[None]:
        has_secrets = bool(self.part.plan.graph.all_secrets)
        return secrets_hidden() if has_secrets else contextlib.nullcontext()

    def _end_of(self, report: RunReport) -> tuple[TaskOutcome, Any]:
        """The outcome of a run of the part, and what it pipes on or failed with."""
        end = report.end
        assert end is not None
        late = report.failure is not None and report.failure.type == RUN_TIMEOUT
        if late or report.status is RunStatus.CANCELLED:
            why = self.too_late() if late else "the run was cancelled"
            return TaskOutcome(done=False, descriptor=None), why
        value = end.value if report.succeeded else end.failure
        if report.succeeded:
            return TaskOutcome(done=True, descriptor=SUCCESS, returned=value is not None), value
        stops = self.part.stopped(report)
        outcome = TaskOutcome.of(FAILURE, value, done=self.takes(FAILURE) and not stops)
        return replace(outcome, stops=stops), value


_MOST_NAMED = 20
"""The maximum number of items that the text of an outcome names."""

_ITEMS = (
    "{{ (task.task_id ~ '[' ~ ti.map_index * task.part.batch ~ '…' "
    "~ (ti.map_index * task.part.batch + task.item|length - 1) ~ '] ' ~ task.item_label)"
    + SHORT
    + " }}"
)
"""The template of the name of a task instance for several items."""

_SETTINGS: Mapping[str, Any] = {
    # The events inside have retries and time limits of their own.
    "retries": 0,
    "execution_timeout": None,
    "trigger_rule": compat.TriggerRule.ALL_SUCCESS,
}
"""Always passed, so that `default_args` cannot change the meaning of a flow."""


def _together(ends: Sequence[tuple[TaskOutcome, Any]]) -> TaskOutcome:
    """The outcome of several items as that of one task."""
    done = all(end.done for end, _ in ends)
    return TaskOutcome(
        done=done,
        descriptor=SUCCESS if done else FAILURE,
        returned=True,
        stops=any(end.stops for end, _ in ends),
        items=[end.to_json() for end, _ in ends],
    )

"""The two ends of an `each`: the task that checks the list, and the one that gathers the results.

Between them is a mapped task, which runs once for every item.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from volnux.errors import VolnuxError
from volnux.events.failures import failure_of
from volnux.events.given import Given
from volnux.events.outcome import Call
from volnux.events.scope import Scope
from volnux.graph.model import VariableSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, NoItems, no_list
from volnux.graph.places import place_name
from volnux.kit.calls import list_of
from volnux.kit.codec import Codec
from volnux_airflow import compat
from volnux_airflow.declared import Inputs, variable_specs
from volnux_airflow.flowoperator import NO_CALLBACKS, Branches, FlowOperator
from volnux_airflow.instants import Calendar
from volnux_airflow.outcomes import NOT_STARTED, OUTCOME_KEY, Outcomes, Piped, TaskOutcome
from volnux_airflow.runinputs import RunInputs
from volnux_airflow.values import piped

__all__ = ["VolnuxEachOperator", "VolnuxGatherOperator"]


class VolnuxEachOperator(FlowOperator):
    """Begins an `each`: checks the list, and returns it for the mapped task.

    Args:
        each: the name of the item.
        source: the input or variable with the list; by default, the list is what is piped.
        scope: the uses around the `each`, if it belongs to a used file; `source` and `variables`
            are then those of that file.
        receives: what is piped: a task id, or a value of `volnux_airflow.values`.
        batch: how many items one instance of the mapped task runs; the list is then returned in
            lists of this length.
        inputs: the inputs of the pipeline.
        readers: for some inputs, a function that checks and converts the value.
        variables: the variables of the pipeline, each with the text after its name in `@variable`.
        calendar: the time zone and schedules of the pipeline; UTC if None.
        run_timeout: seconds that the whole run may take.
        branches: as of `VolnuxEventOperator`.
        **kwargs: as for `BaseOperator`.
    """

    shallow_copy_attrs: Sequence[str] = ("branches", "given", "inputs", "receives")
    ends_a_place = False
    ui_color = "#e6f4ea"
    custom_operator_name = "checks the list"

    def __init__(
        self,
        *,
        each: str,
        source: str | None = None,
        receives: str | Piped | None = None,
        batch: int | None = None,
        inputs: Inputs = (),
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        variables: Mapping[str, str | VariableSpec] | None = None,
        scope: Scope | None = None,
        calendar: Calendar | None = None,
        run_timeout: float | None = None,
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**NO_CALLBACKS, "retries": 0, **kwargs})
        self.begin(branches, run_timeout)
        self.each = each
        self.source = source
        self.receives = None if receives is None else piped(receives)
        self.batch = batch
        self.inputs = RunInputs(inputs, readers, calendar)
        named = () if source is None else (source,)
        self.given = Given.of((), named, variable_specs(variables or {}), (), scope)

    def execute(self, context: Mapping[str, Any]) -> list[Any]:
        """Return the list; fail if there is none."""
        ti = context["ti"]
        outcomes = self.outcomes_of(context)
        inputs = self.admit(context, outcomes)
        items = self._items(context, outcomes, inputs)
        if not isinstance(items, Failure):
            left = TaskOutcome(done=True, descriptor=SUCCESS, returned=True)
            # Airflow maps a task only over what `execute` returns.
            ti.xcom_push(key=OUTCOME_KEY, value=left.to_json())
            self.outcome = f"{len(items)} item{'' if len(items) == 1 else 's'}"
            self.log.info("each %s: %s", self.each, self.outcome)
            size = self.batch
            if size is None:
                return items
            return [items[start : start + size] for start in range(0, len(items), size)]
        done = self.takes(FAILURE)
        self.leave(ti, TaskOutcome.of(FAILURE, items, done=done))
        self.outcome = str(items)
        if not done:
            raise compat.AirflowFailException(self.outcome)
        self.log.warning("%s (a failure that the flow handles)", self.outcome)
        # No instance of the mapped task will run.
        return []

    def _items(
        self, context: Mapping[str, Any], outcomes: Outcomes, inputs: Mapping[str, Any]
    ) -> list[Any] | Failure:
        """The items as JSON, or the failure that says why there are none."""
        found: Any = None
        if self.source is None:
            try:
                found = None if self.receives is None else self.receives.read(outcomes)
            except Exception as error:  # noqa: BLE001 - a stored result may be unreadable
                return failure_of(error, attempts=0)
        else:
            call = Call(
                self.task_id,
                context["dag_run"].run_id,
                inputs,
                scheduled_at=self.inputs.scheduled_at(context),
                host=self.watcher.host,
            )
            found = list_of(self.given, self.source, call)
            if isinstance(found, NoItems):
                return found.failure
        if not isinstance(found, list | tuple):
            return no_list(self.each, self.source, found)
        fault = self._too_many(len(found))
        if fault is not None:
            return Failure("EachError", f"each={self.each} {fault}")
        try:
            return [
                outcomes.codec.write(item, self.task_id, f"item {number} of each={self.each}")
                for number, item in enumerate(found)
            ]
        except Exception as error:  # noqa: BLE001 - what writes a registered class may raise anything
            return failure_of(error, attempts=0)

    def _too_many(self, count: int) -> str | None:
        """Why Airflow cannot map a task over so many items."""
        most = compat.longest_list()
        batch = self.batch or 1
        if math.ceil(count / batch) <= most:
            return None
        return (
            f"has {count} items, but Airflow maps a task over at most {most} "
            f"([core] max_map_length): write batch={math.ceil(count / most)}, so that "
            "several items share a task"
        )


class VolnuxGatherOperator(FlowOperator):
    """Ends an `each`: gathers the results of the mapped task, and decides how the `each` ended.

    Args:
        each: the task id of the `VolnuxEachOperator`.
        copies: the task id of the mapped task.
        one_is_enough: whether the `each` is done if one item is done; otherwise all must be.
        batched: whether an instance of the mapped task runs several items.
        run_timeout: seconds that the whole run may take.
        branches: as of `VolnuxEventOperator`.
        **kwargs: as for `BaseOperator`.
    """

    ui_color = "#e6f4ea"
    custom_operator_name = "gathers results"

    def __init__(
        self,
        *,
        each: str,
        copies: str,
        one_is_enough: bool = False,
        batched: bool = False,
        run_timeout: float | None = None,
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> None:
        rule = compat.TriggerRule.ALL_DONE
        super().__init__(**{**NO_CALLBACKS, "trigger_rule": rule, "retries": 0, **kwargs})
        self.begin(branches, run_timeout)
        self.each = each
        self.copies = copies
        self.one_is_enough = one_is_enough
        self.batched = batched

    def execute(self, context: Mapping[str, Any]) -> None:
        """Store the list of the results; fail if the `each` failed."""
        ti = context["ti"]
        outcomes = self.outcomes_of(context)
        state = outcomes.states([self.each]).get(self.each)
        if state == "skipped":
            raise compat.AirflowSkipException("the each was not taken")
        refusal = self.refusal(context, outcomes)
        if refusal is not None:
            self._fail(ti, NOT_STARTED, refusal)
        begin = outcomes.of([self.each])[0] if state in ("success", "failed") else None
        if begin is None and state == "failed":
            begin = _lost(self.each)
        if begin is None or begin.descriptor is None:
            self._fail(ti, NOT_STARTED, "the each never started")
        if begin.descriptor != FAILURE:
            self._decide(ti, self._ends(outcomes), outcomes.codec)
        elif begin.done:
            # The flow goes on with the failure as the result.
            self.leave(ti, replace(begin, descriptor=SUCCESS))
        else:
            self._fail(ti, begin, str(begin.read(None, outcomes.codec)))

    def _ends(self, outcomes: Outcomes) -> list[tuple[TaskOutcome, Any]]:
        """How each item ended, with its result as JSON."""
        given = outcomes.stored(self.each)
        states: Mapping[str, str] = {}
        ends: list[tuple[TaskOutcome, Any]] = []
        for number, (outcome, result) in enumerate(outcomes.of_mapped(self.copies, len(given))):
            is_marked = False
            if outcome is None or not outcome.done:
                states = states or outcomes.states([self.copies])
                # A person marked it as a success.
                is_marked = states.get(f"{self.copies}_{number}") == "success"
            if outcome is None:
                place = place_name(self.copies, (number,))
                outcome = _lost(place)
                result = outcome.stored(None, outcomes.codec, place)
            for i in range(len(given[number]) if self.batched else 1):
                item = outcome.of_item(i)
                if is_marked and not item.done:
                    ends.append((TaskOutcome(done=True, descriptor=SUCCESS), None))
                else:
                    ends.append((item, result[i] if outcome.items else result))
        return ends

    def _decide(self, ti: Any, ends: Sequence[tuple[TaskOutcome, Any]], codec: Codec) -> None:
        done = sum(outcome.done for outcome, _ in ends)
        self.outcome = f"{done} of {len(ends)} items are done"
        if done == len(ends) or (done and self.one_is_enough):
            # A list of values as JSON is the JSON of a list.
            results = [stored if end.done else None for end, stored in ends]
            try:
                packed = codec.pack(results, self.task_id)
            except VolnuxError as error:  # the large list cannot be stored
                failure = failure_of(error, attempts=0)
                self._fail(ti, TaskOutcome.of(FAILURE, failure, done=False), str(failure))
            self.leave(ti, TaskOutcome(done=True, descriptor=SUCCESS, returned=True), packed)
            self.log.info("%s", self.outcome)
            return
        for end, stored in ends:
            if not end.done and end.descriptor is not None:
                value = _read(codec, stored)
                left = TaskOutcome.of(FAILURE, value, done=False)
                self._fail(ti, left, f"{self.outcome}; the first failure: {value}", stored)
        self._fail(ti, NOT_STARTED, f"{self.outcome}, and no further item was started")

    def _fail(self, ti: Any, outcome: TaskOutcome, text: str, stored: Any = None) -> NoReturn:
        self.leave(ti, outcome, stored)
        self.outcome = text
        raise compat.AirflowFailException(text)


def _read(codec: Codec, stored: Any) -> Any:
    """The result of an item that failed."""
    try:
        return codec.read(stored)
    except Exception as error:  # noqa: BLE001 - a stored result may be unreadable
        return failure_of(error, attempts=0)


def _lost(place: str) -> TaskOutcome:
    """The outcome of a task whose worker was killed before the task stored one."""
    failure = Failure("volnux.WorkerLost", f"the worker that ran {place} died")
    return TaskOutcome.of(FAILURE, failure, done=False)

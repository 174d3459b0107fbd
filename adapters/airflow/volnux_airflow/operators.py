"""The operator for events.

It is a plain Airflow operator, which also works in a DAG file written by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from volnux.events.outcome import Call, Outcome, Polls
from volnux.events.run import raised
from volnux.events.scope import Scope
from volnux.events.spec import EventSpec, spec_of
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, no_branch
from volnux.graph.places import place_name
from volnux.graph.sources import source_of_items
from volnux.hooks import Hooks, hooks_of
from volnux.kit.codec import Codec
from volnux_airflow import attempt, compat, retries, storable, traces, waiting
from volnux_airflow.declared import Inputs, home_of_event, offered, shown_arguments
from volnux_airflow.eventsettings import cause_of, operator_name, settings_of
from volnux_airflow.flowoperator import (
    ITEM,
    RUN_TIMEOUT,
    Branches,
    FlowOperator,
    label_of,
    targets_of,
)
from volnux_airflow.instants import Calendar
from volnux_airflow.outcomes import Outcomes, Piped, TaskOutcome
from volnux_airflow.retries import AttemptFailedError
from volnux_airflow.runinputs import RunInputs
from volnux_airflow.values import piped

__all__ = ["VolnuxEventOperator"]


class VolnuxEventOperator(FlowOperator):
    """Runs one attempt of an event in an Airflow task.

    Args:
        event: the event class or decorated function.
        name: the event's name in the flow; the task's id if None.
        attempts: the maximum number of attempts (`Event * 3`); by default, the event's retry policy
            decides.
        timeout: seconds that one call may take.
        every: seconds between two calls of an event that says "not yet"; by default, the event's
            own `every`.
        within: seconds from the first call until an event that says "not yet" has failed; by
            default, the event's own `within`.
        executor: `inline` or `process`; by default, the event's own executor.
        receives: the value that is piped to it: a task id, or a value of `volnux_airflow.values`.
        received_from: the places from which that value comes, for messages; by default, the tasks
            in `receives`.
        inputs: the inputs of the pipeline. Their values are the params of the run.
        readers: for some inputs, a function that checks and converts the value.
        arguments: the arguments of the event in the flow, by name; a `Name` in a value refers to an
            input, a variable or a secret.
        variables: the variables of the pipeline, each with the text after its name in `@variable`.
        secrets: the names of the pipeline's secrets.
        scope: the uses around the event, if it belongs to a used file; `arguments`, `variables` and
            `secrets` are then those of that file.
        calendar: the time zone and schedules of the pipeline; UTC if None.
        run_timeout: seconds that the whole run may take.
        tags: listed in the task's documentation, after the docstring of the event.
        each: if the task is mapped over the items of an `each`, the name of the item, which stands
            for the item like an input. The item is also what is piped to the event.
        item: the item of a mapped task.
        spec: the spec of the linked event. It replaces the first seven arguments, `received_from`,
            `arguments`, `variables`, `secrets` and `scope`.
        **kwargs: as for `BaseOperator`; `retries` and `execution_timeout` come from the event.
            These arguments override the event's own `airflow`, which overrides `default_args`.

    Raises:
        TypeError: `airflow` of the event has a setting that is not allowed there.
    """

    shallow_copy_attrs: Sequence[str] = (
        "branches",
        "inputs",
        "receives",
        "spec",
    )
    ui_color = "#e8f0fe"
    runs_process: ClassVar[bool] = True

    def __init__(
        self,
        *,
        event: Any = None,
        name: str | None = None,
        attempts: int | None = None,
        timeout: float | None = None,
        every: float | None = None,
        within: float | None = None,
        executor: str | None = None,
        receives: str | Piped | None = None,
        received_from: str | None = None,
        inputs: Inputs | RunInputs = (),
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        arguments: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        scope: Scope | None = None,
        calendar: Calendar | None = None,
        run_timeout: float | None = None,
        tags: Sequence[str] = (),
        each: str | None = None,
        item: Any = None,
        spec: EventSpec | None = None,
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> None:
        if spec is None:
            if received_from is None and receives is not None:
                received_from = piped(receives).sources
            spec = spec_of(
                name or kwargs["task_id"],
                event,
                factor=attempts,
                executor=executor,
                timeout=timeout,
                every=every,
                within=within,
                home=home_of_event(event),
                offered=offered(arguments or {}, variables or {}, secrets, scope),
            ).receives_from(received_from)
        if self.runs_process:
            self.custom_operator_name = operator_name(spec)
        super().__init__(**{**self.own_arguments(spec), **settings_of(spec, tags), **kwargs})
        self.begin(branches, run_timeout)
        self.spec = spec
        self.receives = None if receives is None else piped(receives)
        self.inputs = RunInputs.of(inputs, readers, calendar)
        self.each = each
        self.item = item
        if each is not None:
            self.item_label = label_of(item, spec.visible)
        if self.runs_process and spec.given is not None and spec.given.arguments:
            self.arguments = storable.cleaned(shown_arguments(spec.given.arguments))
            self.template_fields = ("arguments", *self.template_fields)
        self._own_timeout = self.execution_timeout

    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        event: Any = None,
        name: str | None = None,
        attempts: int | None = None,
        timeout: float | None = None,
        every: float | None = None,
        within: float | None = None,
        executor: str | None = None,
        each: str | None = None,
        received_from: str | None = None,
        inputs: Inputs = (),
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        arguments: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        scope: Scope | None = None,
        calendar: Calendar | None = None,
        tags: Sequence[str] = (),
        spec: EventSpec | None = None,
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> Any:
        """A task that `expand` maps over the items of an `each`; see Airflow's `partial`.

        Airflow takes the settings of a mapped task from here, not from `__init__`.
        """
        if spec is None:
            if received_from is None and each is not None:
                received_from = source_of_items(each)
            spec = spec_of(
                name or task_id,
                event,
                factor=attempts,
                executor=executor,
                timeout=timeout,
                every=every,
                within=within,
                home=home_of_event(event),
                offered=offered(arguments or {}, variables or {}, secrets, scope),
            ).receives_from(received_from)
        return super().partial(
            task_id=task_id,
            spec=spec,
            each=each,
            inputs=RunInputs(inputs, readers, calendar),
            branches=None if branches is None else targets_of(branches),
            **{"map_index_template": ITEM, **settings_of(spec, tags), **kwargs},
        )

    @classmethod
    def own_arguments(cls, spec: EventSpec) -> dict[str, Any]:
        """The arguments of another operator that runs the event in place of its `process`."""
        return {}

    @classmethod
    def may_stop_run(cls, arguments: Mapping[str, Any]) -> bool:
        """See `FlowOperator`."""
        spec: EventSpec = arguments["spec"]
        return spec.stop_on_exception

    @classmethod
    def events_in(cls, arguments: Mapping[str, Any]) -> Iterable[EventSpec]:
        """See `FlowOperator`."""
        return (arguments["spec"],)

    def pre_execute(self, context: Any) -> None:
        """Disable Airflow's own time limit: each call has it, not all calls of a start together."""
        self.execution_timeout = None

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Call the event, then end, wait, retry, branch or fail as the flow says."""
        number = self.attempt(context["ti"])
        polls = None
        if number > 1 or context["task_reschedule_count"]:
            polls = waiting.kept(context)
        if not context["task_reschedule_count"]:
            retries.wait_for_rest(self, context, number)
        return self._go_on_from(context, number, polls)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any
    ) -> Any:
        """Continue after a wait in the triggerer; see `compat.start_again`."""
        if next_method != "execute":
            # The triggerer has failed.
            return super().resume_execution(next_method, next_kwargs, context)
        number = compat.taken_state(context, next_kwargs)["number"]
        return self._go_on_from(context, number, waiting.kept(context))

    def _go_on_from(self, context: Mapping[str, Any], number: int, polls: Polls | None) -> Any:
        """Call the event, from the attempt with this number on, until the task ends or leaves."""
        # Airflow counts only instances with a slot for the `at_once` of an `each`.
        counts = self.each is not None and self.max_active_tis_per_dagrun is not None
        while True:
            outcomes = self.outcomes_of(context)
            inputs = self.admit(context, outcomes, so_far=waiting.so_far(number, polls))
            outcome = self._run(context, outcomes, inputs, number, polls)
            if not outcome.waits:
                if not retries.in_same_try(self, context, outcome):
                    return self.go_on_after(context, outcome)
                number += 1
            waiting.wait(self, context, outcome, number, keeps_slot=counts)
            polls = outcome.polls

    def go_on_after(self, context: Mapping[str, Any], outcome: Outcome) -> Any:
        """End, retry, branch or fail after an attempt."""
        if outcome.retry_after is None:
            return self._end(context, outcome)
        wait = self.seconds_to_wait(context, outcome.retry_after)
        waiting.keep(context, outcome, waiting.after(wait))
        raise AttemptFailedError(waiting.told(self.spec, outcome), wait) from cause_of(outcome)

    def seconds_to_wait(self, context: Mapping[str, Any], seconds: float) -> float:
        """The seconds to wait before the next call: at most until the time limit of the run."""
        left = self.seconds_left(context)
        return seconds if left is None else min(seconds, max(left, 0) + 0.1)

    def attempt(self, ti: Any) -> int:
        """The number of this attempt. It starts at 1 again when a task is cleared."""
        left: int = ti.max_tries - ti.try_number + 1
        return max(1, self.spec.retry.max_attempts - left)

    def _run(
        self,
        context: Mapping[str, Any],
        outcomes: Outcomes,
        inputs: Mapping[str, Any],
        number: int,
        polls: Polls | None,
    ) -> Outcome:
        """Make one call of the event, which belongs to the attempt with this number."""
        call = self.call_of(context, inputs, number)._replace(polls=polls)
        try:
            call = self.with_piped(context, outcomes, call)
            call = call._replace(carrier=outcomes.codec.carrier())
        except Exception as error:  # noqa: BLE001 - a stored result may be unreadable
            outcome = raised(self.spec, call, error, time.time())._replace(retry_after=None)
            self.watcher.began(self.spec, call)
            self.watcher.ended(self.spec, call, outcome)
            return outcome
        hooks = hooks_of(traces.about_task(call, context["ti"]), self.watcher)
        return self.make_call(context, call, hooks, outcomes.codec)

    def call_of(self, context: Mapping[str, Any], inputs: Mapping[str, Any], number: int) -> Call:
        """The arguments of a call, without what is piped to it."""
        return Call(
            task_id=self._place(context["ti"]),
            run_id=context["dag_run"].run_id,
            inputs=inputs,
            attempt=number,
            scheduled_at=self.inputs.scheduled_at(context),
            host=None if self.spec.given is None else self.watcher.host,
        )

    def with_piped(self, context: Mapping[str, Any], outcomes: Outcomes, call: Call) -> Call:
        """The arguments of a call with the item and the piped value, which may be unreadable."""
        if self.each is not None:
            item = outcomes.codec.read(self.item)
            index = (context["ti"].map_index,)
            call = call._replace(previous_result=item, numbers=index, items=((self.each, item),))
        if self.receives is not None:
            call = call._replace(previous_result=self.receives.read(outcomes))
        return call

    def make_call(self, context: Any, call: Call, hooks: Hooks, codec: Codec) -> Outcome:
        """Call the event; a subclass may do something else in place of `process`."""
        judged = partial(self._judged, context)
        return attempt.run(
            self.spec, call, hooks, judged, codec, self.limit_of(context, self._own_timeout)
        )

    def _end(self, context: Mapping[str, Any], outcome: Outcome) -> Any:
        """Finish the task after its last attempt: store the outcome, then continue or fail."""
        ti = context["ti"]
        descriptor = outcome.descriptor
        failure = outcome.result if isinstance(outcome.result, Failure) else None
        stop = self.spec.stop_on_exception and outcome.raised
        late = outcome.raised and failure is not None and failure.type == RUN_TIMEOUT
        done = descriptor != FAILURE or (self.takes(FAILURE) and not stop and not late)
        stored = None if failure is not None else outcome.packed
        self.leave(
            ti,
            TaskOutcome(
                done=done,
                descriptor=None if late else descriptor,
                attempts=outcome.attempts,
                returned=stored is not None,
                failure=None if failure is None or late else failure.to_json(),
                started_at=outcome.polls.since if outcome.polls else outcome.started_at,
                ended_at=outcome.ended_at,
                bypassed=outcome.bypassed,
                stops=stop and not late,
                number=None if self.each is None else ti.map_index,
                polls=outcome.polls.number if outcome.polls else 0,
            ),
            stored,
        )
        self.outcome = attempt.describe(outcome)
        if not done:
            error = compat.AirflowFailException(f"{self._place(ti)} failed with {self.outcome}")
            raise error from cause_of(outcome)
        if descriptor == FAILURE:
            self._handled(ti, failure)
        else:
            self.log.info("%s finished with %s", self._place(ti), self.outcome)
        self.go_on(context, descriptor)
        return None

    def _place(self, ti: Any) -> str:
        return place_name(self.task_id, () if self.each is None else (ti.map_index,))

    def _handled(self, ti: Any, failure: Failure | None) -> None:
        """Log a handled failure, and disable success callbacks and assets for it."""
        self.outcome += " (a failure that the flow handles)"
        if failure is not None and failure.traceback:
            self.log.warning("%s", failure.traceback.rstrip())
        self.log.warning("%s finished with %s", self._place(ti), self.outcome)
        self.on_success_callback = []
        self.outlets = []

    def _judged(self, context: Mapping[str, Any], outcome: Outcome) -> Outcome:
        """The outcome as the flow sees it: a descriptor without a branch is a failure."""
        if self.is_late(context):
            late = self.too_late()
            return outcome._replace(
                descriptor=FAILURE, result=late, retry_after=None, raised=True, bypassed=False
            )
        ti = context["ti"]
        if ti.try_number > ti.max_tries and not outcome.waits:
            outcome = outcome._replace(retry_after=None)
        descriptor = outcome.descriptor
        if descriptor <= SUCCESS or self.takes(descriptor):
            return outcome
        return outcome._replace(descriptor=FAILURE, result=self._no_branch(descriptor))

    def _no_branch(self, descriptor: int) -> Failure:
        taken = list(self.branches or ())
        if self.branches is None and self.downstream_task_ids - self.watching:
            taken = [SUCCESS]
        return no_branch(self.spec.name, descriptor, taken)

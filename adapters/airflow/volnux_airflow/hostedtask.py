"""The task of an event that is an operator of Airflow: that operator, with our outcome around it.

The class of such a task has two bases: `HostedTask`, which admits, repeats and branches as for any
event, and the class of the operator, whose `execute` is called in place of `process`.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

from volnux.events.approval import ApprovalEvent
from volnux.events.base import EventBase, NotYet, event_class_of
from volnux.events.executors import ExecutorSpec
from volnux.events.given import NOTHING, SecretError
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.hooks import Hooks
from volnux.kit.codec import Codec
from volnux.masking import hide
from volnux_airflow import attempt, compat, waiting
from volnux_airflow.flowoperator import FlowOperator
from volnux_airflow.hostedkinds import (
    kind_of,
    known_native,
    parameters_of,
    settings_of,
    stand_ins,
)
from volnux_airflow.operators import VolnuxEventOperator
from volnux_airflow.triggered import trigger

__all__ = ["AskingTask", "HostedTask", "operator_class", "reserved"]


_WAITING: Mapping[type[BaseException], str] = {
    compat.TaskDeferred: "it waits for a trigger",
    compat.TaskAwaitingInput: "it waits for an answer",
    compat.AirflowRescheduleException: "it looks again later",
}
"""What an operator raises in order to wait without a worker."""


class HostedTask(VolnuxEventOperator):
    """Runs one attempt of an event that is an operator; see `operator_class`."""

    runs_process: ClassVar[bool] = False
    _begun: bool = False
    """Whether an attempt is under way: the operator may call its own `execute` again."""
    _fault: Exception | None = None
    """Why the operator did not get its arguments."""
    _leaving: BaseException | None = None
    """What the operator raised to wait without a worker, for Airflow."""
    _resumed: bool = False
    """Whether the attempt began before the operator waited."""
    _own: Callable[[], Any]
    """The work of the operator."""
    _bound: EventSpec
    """The spec of an event whose `process` is this work."""

    @classmethod
    def own_arguments(cls, spec: EventSpec) -> dict[str, Any]:
        """See `VolnuxEventOperator`. What is only known in a run has a template in its place."""
        return stand_ins(spec, cls)

    @classmethod
    def partial(cls, *, event: Any = None, spec: EventSpec | None = None, **kwargs: Any) -> Any:
        """See `VolnuxEventOperator`."""
        settings = settings_of(event if spec is None else spec.target)
        return super().partial(event=event, spec=spec, **{**settings, **kwargs})

    def late_arguments(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the operator that are only known in a run.

        Args:
            names: the values of the names that the operator takes.
        """
        known = parameters_of(type(self))
        takes = known_native(self.spec).takes
        return {name: names[name] for name in takes if name in known and name in names}

    def ended(self, returned: Any) -> tuple[int | bool, Any]:
        """The descriptor and the result, made of what the operator returned."""
        return True, returned

    # Airflow calls this for mapped tasks as well, but `render_template_fields` only for others.
    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Any,
        jinja_env: Any,
        seen_oids: set[int],
    ) -> None:
        render = super()._do_render_template_fields
        if parent is not self:
            # An object within the value of a field.
            render(parent, template_fields, context, jinja_env, seen_oids)
            return
        try:
            names = self._names(context)
            late = self.late_arguments(names)
            if late:
                self._construct_again(late)
            # Values of a run are not rendered as templates.
            fields = [name for name in template_fields if name not in (*late, "outcome")]
            seen: Any = {**context, **names}
            render(parent, fields, seen, jinja_env, seen_oids)
        except Exception as error:  # noqa: BLE001 - an attempt reports it
            self._fault = error

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render the fields of the operator, which sees what it takes from the flow."""
        super(FlowOperator, self).render_template_fields(context, jinja_env)

    def _names(self, context: Any) -> dict[str, Any]:
        """The names that the templates and arguments of the operator may use, with their values.

        Raises:
            NotGivenError: something is missing, or of another type.
        """
        spec, outcomes = self.spec, self.outcomes_of(context)
        inputs = self.inputs.of_run(self.dag, context)
        call = self.call_of(context, inputs, self.attempt(context["ti"]))
        call = self.with_piped(context, outcomes, call)
        seen, resolved = spec.inputs(call), NOTHING
        if spec.given is not None:
            resolved = spec.given.resolve(call, seen, spec.reader)
        for secret in resolved.secrets:
            _check_hidden(secret)
        found = {**seen, **resolved.extra, **resolved.arguments}
        names = {name: found[name] for name in self.taken if name in found}
        if self.receives is not None or self.each is not None:
            read = None if spec.receiver is None else spec.receiver.read
            names["previous_result"] = (
                call.previous_result if read is None else read(call.previous_result)
            )
        return names

    @property
    def taken(self) -> Sequence[str]:
        """The names that the operator takes from the flow."""
        return known_native(self.spec).takes

    def _construct_again(self, late: Mapping[str, Any]) -> None:
        """Let the constructor of the operator see the values that are only known in a run."""
        kept = {name: vars(self)[name] for name in _plumbing() if name in vars(self)}
        given = {**self.own_arguments(self.spec), **late}
        super(FlowOperator, self).__init__(
            task_id=self.task_id, default_args=self.dag.default_args, **given
        )
        vars(self).update(kept)

    def pre_execute(self, context: Any) -> None:
        """Prepare the attempt. What the operator itself prepares belongs to the attempt."""
        if self._begun:
            super(FlowOperator, self).pre_execute(context)
        else:
            super().pre_execute(context)

    def post_execute(self, context: Any, result: Any = None) -> None:
        """What the operator does after its work belongs to the attempt."""
        if self._begun:
            super(FlowOperator, self).post_execute(context, result)

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Run one attempt, or the part of it until the operator waits without a worker."""
        own: Any = super(FlowOperator, self).execute
        if self._begun:
            return own(context)
        self._own = functools.partial(own, context)
        return super().execute(context)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any
    ) -> Any:
        """Continue the attempt after the operator has waited."""
        own = super(FlowOperator, self).resume_execution
        if self._begun:
            return own(next_method, next_kwargs, context)
        next_kwargs = compat.taken_state(context, next_kwargs)
        self._own = functools.partial(own, next_method, next_kwargs, context)
        self._resumed = True
        # As a running event may finish, it is not admitted again.
        inputs, outcomes = self.inputs.of_run(self.dag, context), self.outcomes_of(context)
        number, polls = self.attempt(context["ti"]), waiting.kept(context)
        return self.go_on_after(context, self._run(context, outcomes, inputs, number, polls))

    def make_call(self, context: Any, call: Call, hooks: Hooks, codec: Codec) -> Outcome:
        """See `VolnuxEventOperator`. Raises what the operator raised in order to wait."""
        before = 0 if call.polls is None else call.polls.number

        def judged(outcome: Outcome) -> Outcome:
            if outcome.waits and outcome.polls is not None:
                # The operator has not said "not yet".
                outcome = outcome._replace(polls=outcome.polls._replace(number=before))
            return self._judged(context, outcome)

        self._bound = self._bind(context)
        limit = self.limit_of(context, self._own_timeout)
        outcome = attempt.run(self._bound, call, hooks, judged, codec, limit)
        if self._leaving is None or outcome.retry_after is None:
            return outcome
        wait = self.seconds_to_wait(context, outcome.retry_after)
        waiting.keep(context, outcome, waiting.after(wait), self._leaving)
        raise self._until(self._leaving, self.seconds_left(context))

    def _bind(self, context: Mapping[str, Any]) -> EventSpec:
        task = self

        def process(self: EventBase, **given: Any) -> tuple[int | bool, Any]:
            return task._attempt(context)

        spec = self.spec.copy()
        bases = (spec.event_class,)
        members: dict[str, Any] = {"process": process, "__module__": spec.event_class.__module__}
        # The operator asks the question of an approval.
        members["asks_a_person"] = False
        made: Any = type(spec.event_class)
        spec.event_class = made(spec.event_class.__name__, bases, members)
        spec.executor = ExecutorSpec()
        spec.named, spec._previous, spec.extra, spec.is_async = (), False, False, False
        spec.may_bypass = spec.may_bypass and not self._resumed
        # The operator itself limits how long it waits.
        spec.within = math.inf
        return spec

    def _attempt(self, context: Mapping[str, Any]) -> tuple[int | bool, Any]:
        if self._fault is not None:
            raise self._fault
        self._begun = True
        try:
            self.pre_execute(context)
            returned = self.work(context)
            self.post_execute(context, returned)
        except tuple(_WAITING) as leaving:
            self._leaving = leaving
            self._bound.every = _longest(leaving)
            says = next(text for kind, text in _WAITING.items() if isinstance(leaving, kind))
            raise NotYet(says) from None
        except compat.AirflowTaskTimeout:
            # Airflow does this only for a timeout that reaches it.
            self.on_kill()
            raise
        finally:
            self._begun = False
        return self.ended(returned)

    def work(self, context: Mapping[str, Any]) -> Any:
        """Do the work of the operator, and return what it returns."""
        try:
            return self._own()
        except compat.DagRunTriggerException as asked:
            trigger(asked, context["ti"])
            return None

    def _until(self, leaving: BaseException, left: float | None) -> BaseException:
        """What the operator raised, so that it waits no longer than the run may take."""
        if left is None:
            return leaving
        most = min(_longest(leaving), max(left, 0) + 0.1)
        if isinstance(leaving, compat.AirflowRescheduleException):
            leaving.reschedule_date = datetime.now(UTC) + timedelta(seconds=most)
        elif isinstance(leaving, compat.TaskDeferred | compat.TaskAwaitingInput):
            leaving.timeout = timedelta(seconds=most)
        return leaving


def _longest(leaving: BaseException) -> float:
    """The seconds that an operator waits at most."""
    if isinstance(leaving, compat.AirflowRescheduleException):
        left: timedelta = leaving.reschedule_date - datetime.now(UTC)
        return max(left.total_seconds(), 0)
    most = getattr(leaving, "timeout", None)
    if most is None:
        return _A_YEAR
    return most.total_seconds() if isinstance(most, timedelta) else float(most)


_A_YEAR = 365 * 86_400.0


class AskingTask(HostedTask):
    """Asks a person the question of an approval."""

    @classmethod
    def own_arguments(cls, spec: EventSpec) -> dict[str, Any]:
        """See `HostedTask`."""
        return {
            **super().own_arguments(spec),
            "response_timeout": timedelta(seconds=spec.within),
        }

    @property
    def taken(self) -> Sequence[str]:
        """The names in the question."""
        return self.spec.named

    def late_arguments(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """The question with the values of its names. A person must not see a secret."""
        return {"subject": hide(_asks(self.spec).question.format_map(names))}

    def make_call(self, context: Any, call: Call, hooks: Hooks, codec: Codec) -> Outcome:
        """See `HostedTask`. The time limit holds for all attempts together."""
        if call.polls is not None:
            left = call.polls.since + self.spec.within - time.time()
            cast("Any", self).response_timeout = timedelta(seconds=max(left, 0.1))
        return super().make_call(context, call, hooks, codec)

    def work(self, context: Mapping[str, Any]) -> Any:
        """See `HostedTask`. If nobody has answered in time, the event has waited too long."""
        from airflow.providers.standard.exceptions import HITLTimeoutError

        try:
            return super().work(context)
        except HITLTimeoutError:
            self._bound.within = 0
            raise NotYet(cast("Any", self).subject) from None

    def ended(self, returned: Any) -> tuple[int | bool, Any]:
        """The descriptor of the answer, and the answer."""
        (answer,) = returned["chosen_options"]
        return _asks(self.spec).options[answer], answer


def operator_class(event: Any) -> type[VolnuxEventOperator]:
    """The class of the tasks of an event.

    Args:
        event: the event class or decorated function.

    Raises:
        EventDefinitionError: there is no such operator.
    """
    kind = kind_of(event)
    if kind is None:
        return VolnuxEventOperator
    asks = issubclass(cast("type[EventBase]", event_class_of(event)), ApprovalEvent)
    return _joined(AskingTask if asks else HostedTask, kind)


@functools.cache
def _joined(task: type[HostedTask], kind: Any) -> type[HostedTask]:
    """The operator, with our outcome around it."""
    fields = kind.template_fields
    members = {
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "template_fields": (*([fields] if isinstance(fields, str) else fields), "outcome"),
        "shallow_copy_attrs": (*kind.shallow_copy_attrs, *task.shallow_copy_attrs),
        "ui_color": kind.ui_color,
        # Airflow would not start such a task.
        "inherits_from_empty_operator": False,
    }
    return cast("type[HostedTask]", type(kind)(kind.__name__, (task, kind), members))


def _asks(spec: EventSpec) -> type[ApprovalEvent]:
    return cast("type[ApprovalEvent]", spec.event_class)


@functools.cache
def reserved() -> frozenset[str]:
    """The names of attributes that an operator cannot have, because our tasks have them."""
    ours = {"each", "item", "receives", "spec", "_own_timeout"}
    for base in AskingTask.__mro__:
        if issubclass(base, FlowOperator):
            ours.update(vars(base), base.__annotations__)
    known = {*dir(compat.BaseOperator), *dir(compat.BranchMixIn)}
    return frozenset(name for name in ours - known if not name.startswith("__"))


@functools.cache
def _plumbing() -> frozenset[str]:
    """The attributes that every operator has."""
    return frozenset(vars(compat.BaseOperator(task_id="any")))


def _check_hidden(secret: str) -> None:
    """Check that Airflow hides a secret in the fields that it shows.

    Raises:
        SecretError: the secret is too short for that.
    """
    shortest = compat.conf.getint("logging", "min_length_masked_secret", fallback=5)
    if len(secret) < shortest:
        raise SecretError(
            f"a secret of an operator has at least {shortest} characters: Airflow would show a "
            "shorter one in its rendered templates ([logging] min_length_masked_secret)"
        )

"""The operators: one for events, one for the catch of a group and the end of an arm.

They are plain Airflow operators, usable in a DAG file written by hand: a generated DAG needs
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from volnux.events.inputs import bind_inputs
from volnux.events.run import Call, Outcome, raised, run_attempt
from volnux.events.spec import EventSpec
from volnux.graph.execution import Execution
from volnux.graph.model import Graph, InputSpec, Kind
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, State
from volnux_airflow import compat
from volnux_airflow.outcomes import OUTCOME_KEY, Outcomes, Piped, TaskOutcome

__all__ = ["AttemptFailedError", "ExactRetryPolicy", "VolnuxEventOperator", "VolnuxGroupOperator"]


class AttemptFailedError(compat.AirflowException):
    """An attempt failed and is to be repeated; the retry policy takes the delay from it."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ExactRetryPolicy(compat.RetryPolicy):
    """Repeats what our own policy repeats, after exactly its wait (Airflow's adds jitter)."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> compat.RetryDecision:
        """See Airflow's `RetryPolicy.evaluate`."""
        if isinstance(exception, AttemptFailedError):
            return compat.RetryDecision.retry(timedelta(seconds=exception.retry_after))
        # The worker died or Airflow itself failed: the task's own `retries` decide.
        return compat.RetryDecision.default()


class _FlowOperator(compat.BaseOperator, compat.BranchMixIn):
    """What all our operators share: going on to some of the tasks downstream, and stopping.

    Args:
        goes_on: for a descriptor, the direct downstream tasks that go on; the others are skipped.
            A failure (0) that has no entry is unhandled.
        always: direct downstream tasks that watch, and are never skipped by this one.
        stoppers: tasks with `stop_on_exception`, whose failure ends the run.
    """

    inherits_from_skipmixin = True
    shallow_copy_attrs: Sequence[str] = ("goes_on", "always", "stoppers")

    def __init__(
        self,
        *,
        goes_on: Mapping[int, Sequence[str]] | None = None,
        always: Sequence[str] = (),
        stoppers: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.goes_on = None if goes_on is None else {d: tuple(t) for d, t in goes_on.items()}
        self.always = tuple(always)
        self.stoppers = tuple(stoppers)

    def stopped_by(self, outcomes: Outcomes) -> str | None:
        """The task that ended the run, if one did."""
        others = [task for task in self.stoppers if task != self.task_id]
        for task, outcome in zip(others, outcomes.of(others), strict=True):
            if outcome is not None and outcome.failure is not None and not outcome.done:
                return task
        return None

    def takes(self, descriptor: int) -> bool:
        """Whether anything goes on after this descriptor."""
        if self.goes_on is None:
            return descriptor == SUCCESS
        return descriptor in self.goes_on

    def go_on(self, context: Mapping[str, Any], descriptor: int) -> None:
        """Skip the direct downstream tasks that this descriptor does not lead to."""
        if self.goes_on is None or not self.downstream_task_ids:
            return
        live = {*self.goes_on.get(descriptor, ()), *self.always}
        if live >= self.downstream_task_ids:
            return
        self.skip_all_except(context["ti"], sorted(live))


class VolnuxEventOperator(_FlowOperator):
    """Runs one attempt of an event in an Airflow task.

    Args:
        event: the event class or decorated function.
        name: the event's name in the flow; the event's own name if None.
        spec: what linking read from the event; read here if None.
        receives: what is piped to it.
        inputs: the inputs of the pipeline, which come as the params of the run.
        **kwargs: as for `BaseOperator`; `retries` and `execution_timeout` come from the event.
    """

    shallow_copy_attrs: Sequence[str] = (
        *_FlowOperator.shallow_copy_attrs,
        "spec",
        "receives",
        "inputs",
        "readers",
    )
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        spec: EventSpec,
        receives: Piped | None = None,
        inputs: Sequence[InputSpec] = (),
        readers: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("retries", spec.retry.max_attempts - 1)
        kwargs.setdefault("retry_delay", timedelta(seconds=spec.retry.backoff_factor))
        kwargs.setdefault("retry_policy", ExactRetryPolicy())
        if spec.timeout is not None:
            kwargs.setdefault("execution_timeout", timedelta(seconds=spec.timeout))
        super().__init__(**kwargs)
        self.spec = spec
        self.receives = receives
        self.inputs = tuple(inputs)
        self.readers = readers or {}

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Run one attempt; end, retry, branch or fail as the flow says."""
        ti = context["ti"]
        outcomes = Outcomes(ti)
        stopper = self.stopped_by(outcomes)
        if stopper is not None:
            self._leave(ti, TaskOutcome(done=False, descriptor=None, attempts=0))
            raise compat.AirflowFailException(f"the run was ended by {stopper}: not started")
        attempt = self.attempt(ti)
        outcome = self._run(context, outcomes, attempt)
        if outcome.retry_after is not None and ti.try_number <= ti.max_tries:
            raise AttemptFailedError(
                f"attempt {attempt} of {self.spec.retry.max_attempts} failed: {outcome.result}",
                outcome.retry_after,
            )
        return self._end(context, outcome)

    def attempt(self, ti: Any) -> int:
        """The number of this attempt, which counts from 1 again when a task is cleared."""
        return max(1, self.spec.retry.max_attempts - (ti.max_tries - ti.try_number + 1))

    def _run(self, context: Mapping[str, Any], outcomes: Outcomes, attempt: int) -> Outcome:
        call = Call(
            task_id=self.task_id,
            run_id=context["dag_run"].run_id,
            attempt=attempt,
            portable=True,
        )
        try:
            previous = self.receives.read(outcomes) if self.receives is not None else None
            inputs = bind_inputs(self.inputs, dict(context["params"]), self.readers)
        except Exception as error:  # noqa: BLE001 - a wrong input is a failure of the event
            return raised(self.spec, call, error, 0.0)._replace(retry_after=None)
        call = call._replace(inputs=inputs, previous_result=previous)
        return run_attempt(self.spec, call, convert=self._convert)

    def _convert(self, error: BaseException) -> BaseException:
        if isinstance(error, compat.AirflowTaskTimeout):
            return TimeoutError(f"{self.spec.name} took longer than {self.spec.timeout:g} s")
        return error

    def _end(self, context: Mapping[str, Any], outcome: Outcome) -> Any:
        """The last attempt has ended."""
        ti = context["ti"]
        descriptor, result = outcome.descriptor, outcome.result
        if descriptor > SUCCESS and not self.takes(descriptor):
            result = _no_branch(self.spec.name, descriptor, self.goes_on)
            descriptor = FAILURE
        failure = result if isinstance(result, Failure) else None
        stop = self.spec.stop_on_exception and outcome.raised
        done = descriptor != FAILURE or (self.takes(FAILURE) and not stop)
        self._leave(
            ti,
            TaskOutcome(
                done=done,
                descriptor=descriptor,
                attempts=outcome.attempts,
                failure=None if failure is None else failure.to_json(),
                started_at=outcome.started_at,
                ended_at=outcome.ended_at,
                bypassed=outcome.bypassed,
            ),
        )
        if failure is None and result is not None:
            ti.xcom_push(key="return_value", value=result)
        if failure is not None and failure.traceback:
            self.log.error("%s", failure.traceback.rstrip())
        if not done:
            reason = failure or f"{self.spec.name} returned a failure"
            raise compat.AirflowFailException(f"{self.task_id} failed: {reason}")
        self.log.info("%s finished with descriptor %s", self.task_id, descriptor)
        self.go_on(context, descriptor)
        return None

    def _leave(self, ti: Any, outcome: TaskOutcome) -> None:
        ti.xcom_push(key=OUTCOME_KEY, value=outcome.to_json())


class VolnuxGroupOperator(_FlowOperator):
    """Ends a group, or an arm of one, once all of its tasks have ended: the catch of the graph.

    It runs the flow's own state machine over what the group's tasks left behind.

    Args:
        group: the part of the graph, with one last node that stands for this task.
        first: the group's first event.
        catches: whether a failure of the group is this task's outcome 0 (a catch with a branch),
            or its own failure (the end of an arm).
    """

    shallow_copy_attrs: Sequence[str] = (*_FlowOperator.shallow_copy_attrs, "group", "first")
    ui_color = "#f3e8fd"

    def __init__(self, *, group: Graph, first: str, **kwargs: Any) -> None:
        kwargs.setdefault("trigger_rule", compat.TriggerRule.ALL_DONE)
        super().__init__(**kwargs)
        self.group = group
        self.first = first

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Decide how the group ended."""
        ti = context["ti"]
        outcomes = Outcomes(ti)
        stopper = self.stopped_by(outcomes)
        if stopper is not None:
            raise compat.AirflowFailException(f"the run was ended by {stopper}")
        events = [node.id for node in self.group.nodes if node.kind is Kind.EVENT]
        states = outcomes.states(events)
        if states.get(self.first) == "skipped":
            raise compat.AirflowSkipException("the group was not taken")
        ends = dict(zip(events, outcomes.of(events), strict=True))
        if ends[self.first] is None and states.get(self.first) != "failed":
            raise compat.AirflowFailException("the group never started")
        execution = self._replay(ends, outcomes)
        last = len(self.group.nodes) - 1
        state, descriptor = execution.states[last], execution.descriptors[last]
        if state is State.SKIPPED:
            raise compat.AirflowSkipException("the group was not taken")
        if descriptor is None:
            raise compat.AirflowFailException("the group failed")
        failure = execution.origin(last) if descriptor == FAILURE else None
        done = descriptor != FAILURE or self.takes(FAILURE)
        ti.xcom_push(
            key=OUTCOME_KEY,
            value=TaskOutcome(
                done=done,
                descriptor=descriptor,
                failure=failure.to_json() if isinstance(failure, Failure) else None,
            ).to_json(),
        )
        if failure is not None and not isinstance(failure, Failure):
            ti.xcom_push(key="return_value", value=failure)
        if not done:
            raise compat.AirflowFailException(f"the group failed: {failure}")
        self.log.info("the group finished with descriptor %s", descriptor)
        self.go_on(context, descriptor)
        return None

    def _replay(self, ends: Mapping[str, TaskOutcome | None], outcomes: Outcomes) -> Execution:
        """The state machine of the group, told how each of its events ended."""
        execution = Execution(self.group)
        failed = [task for task, end in ends.items() if end is not None and end.descriptor == 0]
        results = dict(zip(failed, outcomes.results(failed), strict=True))
        ready = execution.start()
        while ready:
            index = ready.pop()
            task = self.group.nodes[index].id
            end = ends[task]
            if end is None or end.descriptor is None:
                # No word of it: its worker was killed before it could leave one.
                lost = Failure("volnux.WorkerLost", f"the worker that ran {task} died")
                ready += execution.finish(index, FAILURE, lost)
            else:
                ready += execution.finish(index, end.descriptor, results.get(task))
        return execution


def _no_branch(name: str, descriptor: int, goes_on: Mapping[int, Sequence[str]] | None) -> Failure:
    known = ", ".join(str(d) for d in sorted(goes_on or {})) or "none"
    return Failure(
        "UnhandledDescriptor",
        f"{name} finished with descriptor {descriptor}, which has no branch "
        f"(descriptors with a branch: {known})",
    )

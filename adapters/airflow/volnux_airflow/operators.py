"""The operators: one for events, one for the catch of a group and the end of an arm.

They are plain Airflow operators, usable in a DAG file written by hand: a generated DAG needs
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from volnux.events.inputs import bind_inputs
from volnux.events.run import Call, Outcome, raised
from volnux.events.spec import EventSpec, spec_of
from volnux.fields import InputDataField
from volnux.graph.model import InputSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, State
from volnux_airflow import attempt, compat, replay, traces
from volnux_airflow.outcomes import OUTCOME_KEY, Outcomes, Piped, TaskOutcome
from volnux_airflow.values import piped

__all__ = [
    "AttemptFailedError",
    "Branches",
    "ExactRetryPolicy",
    "Inputs",
    "VolnuxEventOperator",
    "VolnuxGroupOperator",
    "Watcher",
]

Branches = Mapping[int, str | Sequence[str]]
"""For a descriptor, the direct downstream tasks that go on after it."""

Inputs = Mapping[str, str | InputDataField] | Sequence[InputSpec]
"""The inputs of a pipeline by name: a type of `@input`, or a field of a pipeline class."""


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


_EXACT = ExactRetryPolicy()


class Watcher:
    """Hears of events in a run inside one process (`volnux run --backend airflow`)."""

    def stopped(self) -> bool:
        """Whether nothing more is to start."""
        return False

    def started(self, task_id: str, attempt: int) -> None:
        """An attempt begins."""

    def retries(self, task_id: str, outcome: Outcome) -> None:
        """An attempt failed and is repeated."""

    def ended(self, task_id: str, outcome: Outcome) -> None:
        """The last attempt ended."""


class _FlowOperator(compat.BaseOperator, compat.BranchMixIn):
    """What both operators share: going on to some of the tasks downstream, and stopping.

    Attributes:
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

    # No __init__: each one in a line of operators costs Airflow's whole treatment of arguments.
    def _begin(self, branches: Branches | None) -> None:
        self.outcome = ""
        self.branches = None
        if branches is not None:
            self.branches = {
                descriptor: (targets,) if isinstance(targets, str) else tuple(targets)
                for descriptor, targets in branches.items()
            }

    def stopped_by(self, outcomes: Outcomes) -> str | None:
        """The task with `stop_on_exception` that ended the run, if one did."""
        dag = self.dag
        others = [
            task.task_id
            for task in dag.tasks
            if isinstance(task, VolnuxEventOperator)
            and task.spec.stop_on_exception
            and task.task_id != self.task_id
        ]
        if others:
            outcomes.leave_out_unfinished(others)
        for task_id, outcome in zip(others, outcomes.of(others), strict=True):
            if outcome is not None and outcome.failure is not None and not outcome.done:
                return task_id
        return None

    def takes(self, descriptor: int) -> bool:
        """Whether anything goes on after this descriptor."""
        if self.branches is None:
            return descriptor == SUCCESS
        return descriptor in self.branches

    def go_on(self, context: Mapping[str, Any], descriptor: int) -> None:
        """Skip the direct downstream tasks that this descriptor does not lead to."""
        if self.branches is None or not self.downstream_task_ids:
            return
        live = set(self.branches.get(descriptor, ()))
        live.update(t.task_id for t in self.downstream_list if isinstance(t, VolnuxGroupOperator))
        if live >= self.downstream_task_ids:
            return
        self.skip_all_except(context["ti"], sorted(live))


class VolnuxEventOperator(_FlowOperator):
    """Runs one attempt of an event in an Airflow task.

    Args:
        event: the event class or decorated function.
        name: the event's name in the flow; the task's id if None.
        attempts: at most so many attempts (`Event * 3`); else the event's retry policy holds.
        timeout: seconds that one attempt may take.
        executor: `inline` or `process`; else the event's own executor.
        receives: what is piped to it: a task id, or a value of `volnux_airflow.values`.
        inputs: the inputs of the pipeline, which come as the params of the run.
        readers: for some inputs a function that checks and converts a value.
        spec: what linking read from the event, in place of the first five.
        **kwargs: as for `BaseOperator`; `retries` and `execution_timeout` come from the event.
    """

    shallow_copy_attrs: Sequence[str] = ("branches", "spec", "receives", "inputs", "readers")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        event: Any = None,
        name: str | None = None,
        attempts: int | None = None,
        timeout: float | None = None,
        executor: str | None = None,
        receives: str | Piped | None = None,
        inputs: Inputs = (),
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        spec: EventSpec | None = None,
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> None:
        if spec is None:
            spec = spec_of(
                name or kwargs["task_id"],
                event,
                factor=attempts,
                executor=executor,
                timeout=timeout,
            )
        # Given always, so that `default_args` for other tasks cannot change what a flow means.
        kwargs.setdefault("retries", spec.retry.max_attempts - 1)
        kwargs.setdefault("retry_delay", timedelta(seconds=spec.retry.backoff_factor))
        kwargs.setdefault("retry_exponential_backoff", 0)
        kwargs.setdefault("retry_policy", _EXACT)
        if spec.timeout is not None:
            kwargs.setdefault("execution_timeout", timedelta(seconds=spec.timeout))
        super().__init__(**kwargs)
        self._begin(branches)
        self.spec = spec
        self.receives = None if receives is None else piped(receives)
        self.inputs, found = _input_specs(inputs)
        self.readers = {**found, **(readers or {})}

    @property
    def watching(self) -> frozenset[str]:
        """The tasks downstream that only watch this one: it is not an end of their group."""
        return frozenset(
            task.task_id
            for task in self.downstream_list
            if isinstance(task, VolnuxGroupOperator) and self.task_id not in task.ends
        )

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Run one attempt; end, retry, branch or fail as the flow says."""
        ti = context["ti"]
        outcomes = Outcomes(ti)
        stopper = self.stopped_by(outcomes)
        if stopper is not None or self.watcher.stopped():
            self._leave(ti, TaskOutcome(done=False, descriptor=None, attempts=0))
            reason = f"the run was ended by {stopper}" if stopper else "the run was cancelled"
            raise compat.AirflowFailException(f"{reason}: not started")
        number = self.attempt(ti)
        self.watcher.started(self.task_id, number)
        outcome = self._run(context, outcomes, number)
        if outcome.retry_after is not None and ti.try_number <= ti.max_tries:
            self.watcher.retries(self.task_id, outcome)
            raise AttemptFailedError(
                f"attempt {number} of {self.spec.retry.max_attempts} failed: {outcome.result}",
                outcome.retry_after,
            )
        return self._end(context, outcome)

    def attempt(self, ti: Any) -> int:
        """The number of this attempt, which counts from 1 again when a task is cleared."""
        left: int = ti.max_tries - ti.try_number + 1
        return max(1, self.spec.retry.max_attempts - left)

    def _run(self, context: Mapping[str, Any], outcomes: Outcomes, number: int) -> Outcome:
        call = Call(
            task_id=self.task_id,
            run_id=context["dag_run"].run_id,
            attempt=number,
            portable=True,
        )
        params = context["params"]
        try:
            previous = self.receives.read(outcomes) if self.receives is not None else None
            given = {item.name: params[item.name] for item in self.inputs if item.name in params}
            inputs = bind_inputs(self.inputs, given, self.readers)
        except Exception as error:  # noqa: BLE001 - a wrong input is a failure of the event
            return raised(self.spec, call, error, 0.0)._replace(retry_after=None)
        call = call._replace(inputs=inputs, previous_result=previous)
        return traces.watched(
            self.spec,
            call,
            context["ti"],
            lambda spec, call: attempt.run(spec, call, self._judged),
        )

    def _end(self, context: Mapping[str, Any], outcome: Outcome) -> Any:
        """The last attempt has ended."""
        ti = context["ti"]
        descriptor, result = outcome.descriptor, outcome.result
        self.watcher.ended(self.task_id, outcome)
        failure = result if isinstance(result, Failure) else None
        stop = self.spec.stop_on_exception and outcome.raised
        done = descriptor != FAILURE or (self.takes(FAILURE) and not stop)
        returned = failure is None and result is not None
        self._leave(
            ti,
            TaskOutcome(
                done=done,
                descriptor=descriptor,
                attempts=outcome.attempts,
                returned=returned,
                failure=None if failure is None else failure.to_json(),
                started_at=outcome.started_at,
                ended_at=outcome.ended_at,
                bypassed=outcome.bypassed,
            ),
        )
        if returned:
            ti.xcom_push(key="return_value", value=result)
        if failure is not None and failure.traceback:
            self.log.error("%s", failure.traceback.rstrip())
        self.outcome = attempt.describe(outcome)
        if not done:
            raise compat.AirflowFailException(f"{self.task_id} failed with {self.outcome}")
        if descriptor == FAILURE:
            self.outcome += " (a failure that the flow handles)"
        self.log.info("%s finished with %s", self.task_id, self.outcome)
        self.go_on(context, descriptor)
        return None

    def _judged(self, outcome: Outcome) -> Outcome:
        """The outcome as the flow takes it: a descriptor without a branch is a failure."""
        descriptor = outcome.descriptor
        if descriptor <= SUCCESS or self.takes(descriptor):
            return outcome
        return outcome._replace(descriptor=FAILURE, result=self._no_branch(descriptor))

    def _no_branch(self, descriptor: int) -> Failure:
        taken = sorted(self.branches or ())
        if self.branches is None and self.downstream_task_ids - self.watching:
            taken = [SUCCESS]
        known = ", ".join(map(str, taken)) or "none"
        return Failure(
            "UnhandledDescriptor",
            f"{self.spec.name} finished with descriptor {descriptor}, which has no branch "
            f"(descriptors with a branch: {known})",
        )

    def _leave(self, ti: Any, outcome: TaskOutcome) -> None:
        ti.xcom_push(key=OUTCOME_KEY, value=outcome.to_json())


class VolnuxGroupOperator(_FlowOperator):
    """Decides how a group of tasks ended, once all of it has ended.

    With `branches` it is the catch of a group: a failure inside is its outcome 0. Without, it ends
    an arm of a group for which one arm is enough, and fails where the arm failed.

    Args:
        first: the task id of the group's first event. The group is all tasks that the DAG has
            from that one up to this; those that do not end the group are watched besides.
        ends: the tasks that end the group; their edges to this task are made like any others.
    """

    shallow_copy_attrs: Sequence[str] = ("branches", "ends")
    ui_color = "#f3e8fd"

    def __init__(
        self,
        *,
        first: str,
        ends: str | Sequence[str],
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", compat.TriggerRule.ALL_DONE)
        kwargs.setdefault("retries", 0)
        super().__init__(**kwargs)
        self._begin(branches)
        self.first = first
        self.ends = frozenset([ends] if isinstance(ends, str) else ends)
        # Else an early `upstream_failed` would let it act while an arm still runs.
        tasks = list(self.dag.task_dict.values())
        begin = next(i for i, task in enumerate(tasks) if task.task_id == first)
        for task in tasks[begin:]:
            if isinstance(task, VolnuxEventOperator) and task.task_id not in self.ends:
                self.set_upstream(task)

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Decide how the group ended."""
        ti = context["ti"]
        outcomes = Outcomes(ti)
        stopper = self.stopped_by(outcomes)
        if stopper is not None or self.watcher.stopped():
            raise compat.AirflowFailException(f"the run was ended by {stopper or 'a person'}")
        graph = replay.group_of(self)
        events = replay.events_of(graph)
        states = outcomes.states(events)
        if states.get(self.first) == "skipped":
            raise compat.AirflowSkipException("the group was not taken")
        ran = [task for task in events if states.get(task) in ("success", "failed")]
        ends = dict.fromkeys(events) | dict(zip(ran, outcomes.of(ran), strict=True))
        if self.first not in ran:
            raise compat.AirflowFailException("the group never started")
        execution = replay.replay(graph, ends, states, outcomes)
        last = len(graph.nodes) - 1
        state, descriptor = execution.states[last], execution.descriptors[last]
        if state is State.SKIPPED:
            raise compat.AirflowSkipException("the group was not taken")
        if descriptor is None:
            raise compat.AirflowFailException("the group failed")
        failure = execution.origin(last) if descriptor == FAILURE else None
        raised_ = isinstance(failure, Failure)
        done = descriptor != FAILURE or self.takes(FAILURE)
        left = TaskOutcome(
            done=done,
            descriptor=descriptor,
            returned=failure is not None and not raised_,
            failure=failure.to_json() if isinstance(failure, Failure) else None,
        )
        ti.xcom_push(key=OUTCOME_KEY, value=left.to_json())
        if left.returned:
            ti.xcom_push(key="return_value", value=failure)
        self.outcome = f"descriptor {descriptor}" + (f": {failure}" if failure else "")
        if not done:
            raise compat.AirflowFailException(f"the group failed with {self.outcome}")
        self.log.info("the group finished with %s", self.outcome)
        self.go_on(context, descriptor)
        return None


def _input_specs(
    inputs: Inputs,
) -> tuple[tuple[InputSpec, ...], dict[str, Callable[[Any], Any]]]:
    """The inputs as specs, and the readers of those that are fields."""
    if not isinstance(inputs, Mapping):
        return tuple(inputs), {}
    specs: list[InputSpec] = []
    readers: dict[str, Callable[[Any], Any]] = {}
    for name, kind in inputs.items():
        if isinstance(kind, str):
            # The params of the DAG know the default, and whether a value is required.
            specs.append(InputSpec(name, kind, required=False))
        else:
            specs.append(kind.spec())
            readers[name] = kind.read
    return tuple(specs), readers

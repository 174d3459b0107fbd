"""The operators: one for events, and one for the catch of a group and the end of an arm.

They are plain Airflow operators, which also work in a DAG file written by hand. A generated DAG
needs nothing else.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from volnux.events.inputs import bind_inputs
from volnux.events.modules import display_text
from volnux.events.outcome import Call, Outcome
from volnux.events.run import raised
from volnux.events.spec import EventSpec, spec_of
from volnux.graph.model import InputSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, State, no_branch
from volnux.hooks import hooks_of
from volnux.pipeline.fields import InputDataField
from volnux_airflow import attempt, compat, hostsettings, replay, storable, traces
from volnux_airflow.flowoperator import NO_CALLBACKS, Branches, FlowOperator, ways_to
from volnux_airflow.outcomes import OUTCOME_KEY, Outcomes, Piped, TaskOutcome
from volnux_airflow.retries import EXACT, AttemptFailedError
from volnux_airflow.values import piped

__all__ = ["Inputs", "VolnuxEventOperator", "VolnuxGroupOperator"]

Inputs = Mapping[str, str | InputDataField] | Sequence[InputSpec]
"""The inputs of a pipeline by name: each a type of `@input`, or a field of a pipeline class."""


class VolnuxEventOperator(FlowOperator):
    """Runs one attempt of an event in an Airflow task.

    Args:
        event: the event class or decorated function.
        name: the event's name in the flow; the task's id if None.
        attempts: the maximum number of attempts (`Event * 3`); by default, the event's retry policy
            decides.
        timeout: seconds that one attempt may take.
        executor: `inline` or `process`; by default, the event's own executor.
        receives: what is piped to it: a task id, or a value of `volnux_airflow.values`.
        inputs: the inputs of the pipeline, which come as the params of the run.
        readers: for some inputs, a function that checks and converts the value.
        tags: listed in the task's documentation, after the docstring of the event.
        spec: what linking read from the event, instead of the first five arguments.
        **kwargs: as for `BaseOperator`; `retries` and `execution_timeout` come from the event.
            These arguments override the event's own `airflow`, which overrides `default_args`.

    Raises:
        TypeError: `airflow` of the event has a setting that is not allowed there.
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
        tags: Sequence[str] = (),
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
        # Always passed, so that `default_args` for other tasks cannot change the meaning of a flow.
        kwargs.setdefault("retries", spec.retry.max_attempts - 1)
        kwargs.setdefault("retry_delay", timedelta(seconds=spec.retry.backoff_factor))
        kwargs.setdefault("retry_exponential_backoff", 0)
        kwargs.setdefault("max_retry_delay", None)
        kwargs.setdefault("retry_policy", EXACT)
        limit = None if spec.timeout is None else timedelta(seconds=spec.timeout)
        kwargs.setdefault("execution_timeout", limit)
        kwargs.setdefault("trigger_rule", compat.TriggerRule.ALL_SUCCESS)
        if spec.event_class.airflow:
            kwargs = {**hostsettings.of(spec), **kwargs}
        if "doc_md" not in kwargs:
            kwargs["doc_md"] = _doc_of(spec, tags)
        self.custom_operator_name = _operator_name(spec)
        super().__init__(**kwargs)
        self.begin(branches)
        self.spec = spec
        self.receives = None if receives is None else piped(receives)
        self.inputs, found = _input_specs(inputs)
        self.readers = {**found, **(readers or {})}

    @property
    def may_stop_run(self) -> bool:
        """See `FlowOperator`."""
        return self.spec.stop_on_exception

    @property
    def watching(self) -> frozenset[str]:
        """The downstream tasks that only watch this one, because it does not end their group."""
        return frozenset(
            task.task_id
            for task in self.downstream_list
            if isinstance(task, VolnuxGroupOperator) and self.task_id not in task.ends
        )

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Run one attempt, then end, retry, branch or fail as the flow says."""
        ti = context["ti"]
        outcomes = Outcomes(ti)
        refusal = self.refusal(context, outcomes)
        if refusal is not None:
            self._leave(ti, TaskOutcome(done=False, descriptor=None, attempts=0))
            raise compat.AirflowFailException(f"{refusal}: not started")
        if self._is_passed_by(outcomes):
            raise compat.AirflowSkipException("another branch was taken")
        outcome = self._run(context, outcomes, self.attempt(ti))
        if outcome.retry_after is not None:
            most = self.spec.retry.max_attempts
            raise AttemptFailedError(
                f"attempt {outcome.attempts} of {most} failed: {outcome.result}",
                outcome.retry_after,
            ) from _cause(outcome)
        return self._end(context, outcome)

    def _is_passed_by(self, outcomes: Outcomes) -> bool:
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

    def attempt(self, ti: Any) -> int:
        """The number of this attempt. It starts at 1 again when a task is cleared."""
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
            names = [item.name for item in self.inputs if item.name in params]
            given = {name: self._param(params, name) for name in names}
            inputs = bind_inputs(self.inputs, given, self.readers)
        except Exception as error:  # noqa: BLE001 - a wrong input is a failure of the event
            outcome = raised(self.spec, call, error, 0.0)._replace(retry_after=None)
            self.watcher.began(self.spec, call)
            self.watcher.ended(self.spec, call, outcome)
            return outcome
        call = call._replace(inputs=inputs, previous_result=previous)
        hooks = hooks_of(traces.about_task(call, context["ti"]), self.watcher)
        return attempt.run(self.spec, call, hooks, partial(self._judged, context["ti"]))

    def _param(self, params: Mapping[str, Any], name: str) -> Any:
        """A param of the run. Null, as from an empty field of the form, means the default."""
        value = params[name]
        return self.dag.params[name] if value is None else value

    def _end(self, context: Mapping[str, Any], outcome: Outcome) -> Any:
        """Called when the last attempt has ended."""
        ti = context["ti"]
        descriptor, result = outcome.descriptor, outcome.result
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
        self.outcome = attempt.describe(outcome)
        if not done:
            error = compat.AirflowFailException(f"{self.task_id} failed with {self.outcome}")
            raise error from _cause(outcome)
        if descriptor == FAILURE:
            self._handled(failure)
        else:
            self.log.info("%s finished with %s", self.task_id, self.outcome)
        self.go_on(context, descriptor)
        return None

    def _handled(self, failure: Failure | None) -> None:
        """Mark a handled failure: to Airflow a success, but without success callbacks or assets."""
        self.outcome += " (a failure that the flow handles)"
        if failure is not None and failure.traceback:
            self.log.warning("%s", failure.traceback.rstrip())
        self.log.warning("%s finished with %s", self.task_id, self.outcome)
        self.on_success_callback = []
        self.outlets = []

    def _judged(self, ti: Any, outcome: Outcome) -> Outcome:
        """The outcome as the flow sees it: a descriptor without a branch is a failure."""
        if ti.try_number > ti.max_tries:
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

    def _leave(self, ti: Any, outcome: TaskOutcome) -> None:
        ti.xcom_push(key=OUTCOME_KEY, value=outcome.to_json())


class VolnuxGroupOperator(FlowOperator):
    """Decides how a group of tasks ended, after all of them have ended.

    With `branches`, it is the catch of a group: a failure inside becomes its outcome 0. Without
    `branches`, it ends an arm of a group for which one arm is enough, and fails if the arm failed.

    Args:
        first: the task id of the group's first event. The group consists of all tasks of the DAG
            from that task to this one. Tasks that do not end the group are also watched.
        ends: the tasks that end the group. Their edges to this task must be set like any others.
    """

    shallow_copy_attrs: Sequence[str] = ("branches", "ends")
    decides_group = True
    ui_color = "#f3e8fd"
    custom_operator_name = "decides how a group ended"

    def __init__(
        self,
        *,
        first: str,
        ends: str | Sequence[str],
        branches: Branches | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs = {
            **NO_CALLBACKS,
            "trigger_rule": compat.TriggerRule.ALL_DONE,
            "retries": 0,
            **kwargs,
        }
        super().__init__(**kwargs)
        self.begin(branches)
        self.first = first
        self.ends = frozenset([ends] if isinstance(ends, str) else ends)
        # Otherwise an early `upstream_failed` would start this task while an arm still runs.
        tasks = list(self.dag.task_dict.values())
        begin = next(i for i, task in enumerate(tasks) if task.task_id == first)
        for task in tasks[begin:]:
            if isinstance(task, VolnuxEventOperator) and task.task_id not in self.ends:
                self.set_upstream(task)

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Decide how the group ended."""
        ti = context["ti"]
        outcomes = Outcomes(ti)
        refusal = self.refusal(context, outcomes)
        if refusal is not None:
            raise compat.AirflowFailException(refusal)
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


def _cause(outcome: Outcome) -> BaseException | None:
    """The cause of the error about a failed attempt: the exception of the event.

    Airflow cannot log text that is not valid Unicode, and would end the task, so such text is
    escaped.
    """
    failure = outcome.result
    if not isinstance(failure, Failure):
        return None
    if failure.exception is not None:
        try:
            "".join(traceback.format_exception(failure.exception)).encode()
        except Exception:  # noqa: BLE001 - the __str__ of an exception may raise anything
            return failure.bare().cause()
    return failure.cause()


def _doc_of(spec: EventSpec, tags: Iterable[str]) -> str | None:
    """The documentation of an event's task: the docstring of the event, and the tags."""
    parts = [inspect.cleandoc(spec.target.__doc__)] if spec.target.__doc__ else []
    if tags:
        parts.append("tags: " + ", ".join(tags))
    return storable.cleaned("\n\n".join(parts)) or None


def _operator_name(spec: EventSpec) -> str:
    """What Airflow's page shows below the name of a task: where the code of its event is."""
    name = f"{display_text(spec.target.__module__)}.{spec.target.__qualname__}"
    return storable.cleaned(name)[-storable.LONGEST_TEXT :]


def _input_specs(
    inputs: Inputs,
) -> tuple[tuple[InputSpec, ...], dict[str, Callable[[Any], Any]]]:
    """The specs of the inputs, and the readers of those that are fields."""
    if not isinstance(inputs, Mapping):
        return tuple(inputs), {}
    specs: list[InputSpec] = []
    readers: dict[str, Callable[[Any], Any]] = {}
    for name, kind in inputs.items():
        if isinstance(kind, str):
            # The params of the DAG have the default, and say whether a value is required.
            specs.append(InputSpec(name, kind, required=False))
        else:
            specs.append(kind.spec())
            readers[name] = kind.read
    return tuple(specs), readers

"""What a Prefect task does: it runs one attempt of an event and returns a Prefect state.

All tasks have the same function, `run_work`, whose argument says which event to run. So a task is
pickled by name for a worker process, without any objects that the pipeline created.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Collection
from typing import Any, Protocol

import cloudpickle
from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from volnux.events.base import NotSentError, WorkerLost
from volnux.events.modules import at_home
from volnux.events.outcome import Call, Outcome, Polls
from volnux.events.run import raised
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE
from volnux.hooks import About, Hooks, hooks_of
from volnux.kit.attempt import as_taken
from volnux_prefect import compat, logs
from volnux_prefect.arguments import parameters_of
from volnux_prefect.attempt import attempt, picklable, stored_attempt
from volnux_prefect.endings import HANDLED
from volnux_prefect.loop import RunLoop
from volnux_prefect.states import (
    TIMED_OUT,
    EventState,
    cancelled_state,
    log_failure,
    state_of_outcome,
    waiting_state,
)
from volnux_prefect.taskoptions import named
from volnux_prefect.tasktargets import cached_outcome, is_native, native_spec
from volnux_prefect.timelimit import TimeLimit

__all__ = [
    "Listener",
    "Work",
    "is_away",
    "outcome_of",
    "repeat_told",
    "run_work",
    "submit",
]


class Listener(Protocol):
    """Is notified of attempts in the process that drives the run.

    Attributes:
        hooks: the listeners of the run.
        loop: the event loop of the run.
        ends: whether the run is ending. If so, failed attempts are not repeated.
    """

    hooks: Hooks
    loop: RunLoop

    @property
    def ends(self) -> bool:
        """See the class."""

    def began(self, index: int, call: Call) -> None:
        """Called when a call begins: an attempt, or its continuation after "not yet"."""

    def repeats(self, index: int, outcome: Outcome) -> None:
        """Called when an attempt will be repeated."""


class Work:
    """One event with its arguments: the argument of `run_work`.

    Prefect does not search objects of a plain class for futures. For large inputs and results, the
    search would take long.

    Attributes:
        index: the index of its node in the graph.
        spec: the event.
        call: the arguments of its first call in this task run.
        taken: the descriptors that have a branch.
        strict: whether results must be picklable even if nothing pickles them.
        limit: the time limit of the run, or None.
        listener: the listener in this process; None in another process.
        failed: the outcome and the state name of an attempt that will be repeated; else None.
        polls: the calls so far that said "not yet".
        task_run: the task run that it continues, after "not yet"; None for a new one.
        earlier: what is added to the number of Prefect's attempt.
    """

    __slots__ = (
        "call",
        "earlier",
        "failed",
        "index",
        "limit",
        "listener",
        "polls",
        "spec",
        "strict",
        "taken",
        "task_run",
    )

    def __init__(
        self,
        index: int,
        spec: EventSpec,
        call: Call,
        taken: frozenset[int],
        listener: Listener | None = None,
        *,
        strict: bool = False,
        limit: TimeLimit | None = None,
        task_run: TaskRun | None = None,
    ) -> None:
        self.index = index
        self.spec = spec
        self.call = call
        self.taken = taken
        self.listener = listener
        self.strict = strict
        self.limit = limit
        self.failed: tuple[Outcome, str] | None = None
        self.polls = call.polls
        self.task_run = task_run
        self.earlier = call.attempt - (1 if task_run is None else task_run.run_count)

    def __reduce__(self) -> tuple[Any, ...]:
        # If the event itself starts tasks in other processes, Prefect pickles the context of its
        # task run, which contains this object. Those tasks do not need the object, and it may not
        # be picklable.
        return type(None), ()

    def open(self) -> Work:
        """Return the work itself."""
        return self

    def sealed(self) -> SealedWork:
        """The work in the form that is sent to another process.

        Raises:
            Exception: whatever its inputs and results raise when they are pickled.
        """
        parts = (self.index, self.spec, self.call, self.taken)
        with at_home(self.spec.home):
            sealed = cloudpickle.dumps(parts)
        return SealedWork(self.spec.home, sealed, self.limit, self.earlier, self.polls)


class SealedWork:
    """A pickled `Work` for another process, and the folder of its modules.

    Attributes:
        polls: see `Work`.
    """

    __slots__ = ("_earlier", "_home", "_limit", "_parts", "polls")

    def __init__(
        self,
        home: str | None,
        parts: bytes,
        limit: TimeLimit | None,
        earlier: int,
        polls: Polls | None,
    ) -> None:
        self._home = home
        self._earlier = earlier
        self._limit = limit
        self._parts = parts
        self.polls = polls

    def open(self) -> Work:
        """Restore the work, with the events imported in this process."""
        with at_home(self._home):
            parts = cloudpickle.loads(self._parts)
        work = Work(*parts, strict=True, limit=self._limit)
        work.earlier = self._earlier
        return work


def run_work(upstream: Work | SealedWork) -> State[Any]:
    """Run one attempt of an event, and return its state. Every task has this function."""
    work = upstream.open()
    spec = work.spec
    listener = work.listener
    if work.failed is not None and listener is not None and listener.ends:
        # The run was stopped while this attempt waited for its turn.
        outcome, failed = work.failed
        return state_of_outcome(spec, outcome, as_taken(spec, outcome, work.taken), failed)
    logs.send_from([spec])
    if upstream.polls is not None and upstream.polls.under_way:
        compat.goes_on(upstream.polls.since)
    attempt_number = work.earlier + compat.attempt_number()
    call = work.call._replace(attempt=attempt_number, polls=upstream.polls)
    if attempt_number != work.call.attempt:
        # An answer is for one attempt: the next one asks again.
        call = call._replace(answer=None)
    if work.limit is not None and work.limit.is_over:
        outcome = raised(spec, call, work.limit.error(), time.time())._replace(retry_after=None)
        return state_of_outcome(spec, outcome, outcome, TIMED_OUT)
    if listener is not None:
        listener.began(work.index, call)
        hooks = listener.hooks
    else:
        hooks = hooks_of(About("", "prefect", call.run_id))
    hooks.began(spec, call)
    loop = None if listener is None else listener.loop
    run = stored_attempt if compat.persists() else attempt
    outcome, late = run(native_spec(spec), call, loop, work.limit)
    if listener is None:
        outcome = outcome._replace(pid=os.getpid())
    if work.strict:
        outcome = picklable(spec, call, outcome)
    upstream.polls = outcome.polls
    if outcome.waits:
        compat.store_nothing()
        hooks.attempt_ended(spec, call, outcome)
        if work.limit is not None and work.limit.is_over:
            return state_of_outcome(spec, outcome, outcome, TIMED_OUT)
        if listener is not None and listener.ends:
            return cancelled_state(spec, outcome)
        return waiting_state(spec, call, outcome)
    again = outcome.retry_after is not None
    if again and listener is not None:
        if listener.ends:
            again, outcome = False, outcome._replace(retry_after=None)
        else:
            listener.repeats(work.index, outcome)
            work.failed = outcome._replace(retry_after=None), TIMED_OUT if late else "Failed"
    over = work.limit is not None and work.limit.ends_before(outcome.retry_after)
    if over:
        again, outcome = False, outcome._replace(retry_after=None)
    if again:
        compat.store_nothing()
    judged = as_taken(spec, outcome, work.taken)
    if judged.descriptor == FAILURE and is_native(spec):
        # Under the key of its own cache policy, a failure would later count as a result.
        compat.store_nothing()
    hooks.attempt_ended(spec, call, judged)
    stops = spec.stop_on_exception and judged.raised
    handled = (
        judged.descriptor == FAILURE and FAILURE in work.taken and not (again or stops or over)
    )
    failed = HANDLED if handled else TIMED_OUT if late else "Failed"
    state = state_of_outcome(spec, outcome, judged, failed)
    log_failure(call.task_id, judged, state, again=again, handled=handled)
    return state


def is_away(runner: TaskRunner[Any] | None) -> bool:
    """Whether a task runner runs its tasks in other processes."""
    return not isinstance(runner, ThreadPoolTaskRunner | None)


def submit(
    work: Work,
    task: Task[Any, Any],
    runner: TaskRunner[Any],
    after: set[Any],
    inputs: Collection[str],
) -> Any:
    """Submit work to a task runner.

    Args:
        work: the work of one task run.
        task: the task of its place.
        runner: the task runner.
        after: the task runs directly before it.
        inputs: the names of the flow's parameters.

    Returns:
        The future of its task run, or the error if it could not be submitted.
    """
    sent: Any = work
    try:
        if is_away(runner):
            try:
                sent = work.sealed()
            except Exception as error:  # noqa: BLE001 - pickling the user's inputs and results may raise anything
                return NotSentError(f"{work.spec.name} cannot be sent to a worker process: {error}")
        own: Any = _with_later_delays(named(work.spec, task, work.call), work.call.attempt - 1)
        parameters, shown = parameters_of(work.spec, sent, after, inputs)
        if work.task_run is not None:
            return compat.submit_again(runner, own, work.task_run, parameters)
        return runner.submit(own, parameters, dependencies=shown)
    except Exception as error:  # noqa: BLE001 - a task runner's cluster may fail in any way
        return error


def outcome_of(
    spec: EventSpec, call: Call, ended: State[Any] | BaseException, started: float
) -> Outcome:
    """The outcome of an event.

    Args:
        spec: the event.
        call: the arguments of its last attempt.
        ended: the final state of its task run, or the error if there is none.
        started: when it began, in seconds since the epoch, if the state does not say that.
    """
    if isinstance(ended, EventState) and ended.outcome is not None:
        return ended.outcome._replace(result=compat.result_of(ended))
    if isinstance(ended, State) and ended.is_completed() and is_native(spec):
        return cached_outcome(spec, call, compat.result_of(ended))
    if isinstance(ended, BaseException):
        error = ended
    else:
        error = WorkerLost(f"the task run of {spec.name} ended in the state {ended.name}")
    outcome = raised(spec, call, error, started)
    # Prefect itself repeats attempts, except those whose process was lost.
    return outcome if isinstance(ended, WorkerLost) else outcome._replace(retry_after=None)


def repeat_told(task: Any, task_run: Any, state: Any) -> bool:
    """The retry condition of tasks: whether the attempt reported that it must be repeated."""
    told = compat.returned_state(state)
    outcome = told.outcome if isinstance(told, EventState) else None
    return outcome is not None and outcome.retry_after is not None


def _with_later_delays(task: Task[Any, Any], earlier: int) -> Task[Any, Any]:
    """The task for attempts that follow `earlier` others: its delays are those of later retries."""
    delays = task.retry_delay_seconds
    if not earlier or not isinstance(delays, list):
        return task
    own = copy.copy(task)
    own.retry_delay_seconds = delays[earlier:] or delays[-1:]
    return own

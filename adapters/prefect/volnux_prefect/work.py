"""What a Prefect task does: it runs one attempt of an event and returns a Prefect state.

All tasks have the same function, `run_work`, whose argument says which event to run. So a task is
pickled by name for a worker process, without any objects that the pipeline created.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection
from typing import Any, Protocol

import cloudpickle
from prefect import Task
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import PrivateAttr

from volnux.events.base import NotSentError, WorkerLost
from volnux.events.modules import at_home
from volnux.events.outcome import Call, Outcome
from volnux.events.run import raised
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.hooks import About, Hooks, hooks_of
from volnux.kit.attempt import as_taken
from volnux.shown import cut, shown
from volnux_prefect import compat, logs
from volnux_prefect.arguments import parameters_of
from volnux_prefect.attempt import attempt, picklable, stored_attempt
from volnux_prefect.endings import HANDLED
from volnux_prefect.loop import RunLoop
from volnux_prefect.taskoptions import named
from volnux_prefect.timelimit import TimeLimit

__all__ = [
    "EventState",
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

    def began(self, index: int, attempt: int) -> None:
        """Called when an attempt begins."""

    def repeats(self, index: int, outcome: Outcome) -> None:
        """Called when an attempt will be repeated."""


class Work:
    """One event with its arguments: the argument of `run_work`.

    Prefect does not search objects of a plain class for futures. For large inputs and results, the
    search would take long.

    Attributes:
        index: the index of its node in the graph.
        spec: the event.
        call: its arguments. The number of the attempt is filled in later.
        taken: the descriptors that have a branch.
        strict: whether results must be picklable even if nothing pickles them.
        earlier: the number of attempts in earlier task runs.
        limit: the time limit of the run, or None.
        listener: the listener in this process; None in another process.
        failed: the outcome and the state name of an attempt that will be repeated; else None.
    """

    __slots__ = (
        "call",
        "earlier",
        "failed",
        "index",
        "limit",
        "listener",
        "spec",
        "strict",
        "taken",
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
        earlier: int = 0,
        limit: TimeLimit | None = None,
    ) -> None:
        self.index = index
        self.spec = spec
        self.call = call
        self.taken = taken
        self.listener = listener
        self.strict = strict
        self.earlier = earlier
        self.limit = limit
        self.failed: tuple[Outcome, str] | None = None

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
            return SealedWork(self.spec.home, cloudpickle.dumps(parts), self.earlier, self.limit)


class SealedWork:
    """A pickled `Work` for another process, and the folder of its modules."""

    __slots__ = ("_earlier", "_home", "_limit", "_parts")

    def __init__(
        self, home: str | None, parts: bytes, earlier: int, limit: TimeLimit | None
    ) -> None:
        self._home = home
        self._earlier = earlier
        self._limit = limit
        self._parts = parts

    def open(self) -> Work:
        """Restore the work, with the events imported in this process."""
        with at_home(self._home):
            parts = cloudpickle.loads(self._parts)
        return Work(*parts, strict=True, earlier=self._earlier, limit=self._limit)


class EventState(State[Any]):
    """The state of an event's task run. It also has the outcome, without the result."""

    _outcome: Outcome | None = PrivateAttr(default=None)
    _task_run: TaskRun | None = PrivateAttr(default=None)
    _home: str | None = PrivateAttr(default=None)

    def __reduce__(self) -> tuple[Any, ...]:
        # The result may be of a class whose name means something only in the folder of the event.
        with at_home(self._home):
            return _read_state, (self._home, cloudpickle.dumps(self.__getstate__()))

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the attempt, without its result."""
        return self._outcome

    @property
    def task_run(self) -> TaskRun | None:
        """For a failure, the task run as it was before it ended; otherwise None."""
        return self._task_run

    @classmethod
    def of(
        cls, spec: EventSpec, outcome: Outcome, kind: StateType, *, name: str, message: str | None
    ) -> EventState:
        """Make the state of an outcome of an event."""
        state = cls(type=kind, name=name, message=message, data=outcome.result)
        state._home = spec.home
        state._outcome = outcome._replace(result=None)
        if kind is StateType.FAILED:
            state._task_run = compat.current_task_run()
        return state


def _read_state(home: str | None, parts: bytes) -> EventState:
    state = EventState.__new__(EventState)
    with at_home(home):
        state.__setstate__(cloudpickle.loads(parts))
    return state


def run_work(upstream: Work | SealedWork) -> State[Any]:
    """Run one attempt of an event, and return its state. Every task has this function."""
    work = upstream.open()
    spec = work.spec
    listener = work.listener
    if work.failed is not None and listener is not None and listener.ends:
        # The run was stopped while this attempt waited for its turn.
        outcome, failed = work.failed
        return _state(spec, outcome, as_taken(spec, outcome, work.taken), failed)
    logs.send_from([spec])
    call = work.call._replace(attempt=work.earlier + compat.attempt_number())
    if work.limit is not None and work.limit.is_over:
        outcome = raised(spec, call, work.limit.error(), time.time())._replace(retry_after=None)
        return _state(spec, outcome, outcome, _TIMED_OUT)
    if listener is not None:
        listener.began(work.index, call.attempt)
        hooks = listener.hooks
    else:
        hooks = hooks_of(About("", "prefect", call.run_id))
    hooks.began(spec, call)
    loop = None if listener is None else listener.loop
    run = stored_attempt if compat.persists() else attempt
    outcome, late = run(spec, call, loop, work.limit)
    if listener is None:
        outcome = outcome._replace(pid=os.getpid())
    if work.strict:
        outcome = picklable(spec, call, outcome)
    again = outcome.retry_after is not None
    if again and listener is not None:
        if listener.ends:
            again, outcome = False, outcome._replace(retry_after=None)
        else:
            listener.repeats(work.index, outcome)
            work.failed = outcome._replace(retry_after=None), _TIMED_OUT if late else "Failed"
    over = work.limit is not None and work.limit.ends_before(outcome.retry_after)
    if over:
        again, outcome = False, outcome._replace(retry_after=None)
    if again:
        compat.store_nothing()
    judged = as_taken(spec, outcome, work.taken)
    hooks.attempt_ended(spec, call, judged)
    stops = spec.stop_on_exception and judged.raised
    handled = (
        judged.descriptor == FAILURE and FAILURE in work.taken and not (again or stops or over)
    )
    failed = HANDLED if handled else _TIMED_OUT if late else "Failed"
    state = _state(spec, outcome, judged, failed)
    _log_failure(call.task_id, judged, state, again=again, handled=handled)
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
        own: Any = named(work.spec, task, work.call)
        parameters, shown = parameters_of(work.spec, sent, after, inputs)
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


def _log_failure(
    place: str, judged: Outcome, state: EventState, *, again: bool, handled: bool
) -> None:
    """Log what Prefect does not log about a failure, mainly the traceback.

    A handled failure is logged as a single warning, which is easy to find on the page.
    """
    result = judged.result
    traceback = ""
    if isinstance(result, Failure) and "  File " in result.traceback:
        traceback = "\n" + result.traceback.rstrip()
    if handled:
        said = traceback or f" {state.message}"
        compat.run_logger().warning("%s failed, and the flow handles it:%s", place, said)
    elif traceback:
        level = logging.WARNING if again else logging.ERROR
        compat.run_logger().log(level, "%s failed:%s", place, traceback)


def _state(spec: EventSpec, outcome: Outcome, judged: Outcome, failed: str) -> EventState:
    """Make the state of a task run.

    Args:
        spec: the event.
        outcome: the outcome of the attempt, which the state contains.
        judged: the same outcome, as a failure if its descriptor has no branch.
        failed: the state name to use for a failure.
    """
    descriptor, result = judged.descriptor, judged.result
    if descriptor != FAILURE:
        name = "Completed" if descriptor == SUCCESS else f"Outcome {descriptor}"
        return EventState.of(spec, outcome, StateType.COMPLETED, name=name, message=None)
    if judged is not outcome:
        said = result.message
    elif isinstance(result, Failure):
        said = str(result)
    else:
        said = f"returned a failure: {shown(result, _LONGEST)}"
    kind = StateType.COMPLETED if failed == HANDLED else StateType.FAILED
    return EventState.of(spec, outcome, kind, name=failed, message=cut(said, _LONGEST))


_LONGEST = 500
"""The maximum length of the message of a state."""

_TIMED_OUT = "TimedOut"
"""Prefect's name for the state of a run that exceeded its time limit."""

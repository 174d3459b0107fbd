"""What a Prefect task does: one attempt of an event, and the Prefect state it ends in.

All tasks have the same function, `run_work`, whose argument says which event it runs. So a task
pickles by name into a worker process, and nothing that a pipeline made has to travel with it.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import closing
from typing import Any, Protocol

import cloudpickle
from prefect.client.schemas.objects import State, TaskRun
from pydantic import PrivateAttr

from volnux.events.base import NotSentError
from volnux.events.modules import at_home
from volnux.events.outcome import Call, Outcome
from volnux.events.run import raised, run_attempt, too_long
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.hooks import About, Hooks, hooks_of
from volnux.kit.attempt import TimeIsOver, as_taken, in_time
from volnux.shown import shown
from volnux_prefect import compat, logs
from volnux_prefect.endings import HANDLED
from volnux_prefect.loop import RunLoop

__all__ = ["EventState", "Listener", "Work", "repeat_told", "run_work"]


class Listener(Protocol):
    """Who hears of attempts in the process that drives the run.

    Attributes:
        hooks: what listens to the run.
        loop: the event loop of the run.
        ends: whether the run is to end: no attempt is repeated any more.
    """

    hooks: Hooks
    loop: RunLoop

    @property
    def ends(self) -> bool:
        """See the class."""

    def began(self, node: int, attempt: int) -> None:
        """An attempt begins."""

    def repeats(self, node: int, outcome: Outcome) -> None:
        """An attempt is to be repeated."""


class Work:
    """One event with what it is given: the argument of `run_work`.

    A plain class, so that Prefect does not look through inputs and results for futures, which
    takes long for large ones.

    Attributes:
        node: its index in the graph.
        spec: the event.
        call: what it is given; the attempt is filled in.
        taken: the descriptors that have a branch.
        strict: results must be picklable, whatever is done with them.
        earlier: attempts that were made in other task runs.
        listener: who hears of it in this process.
        failed: how the attempt that is to be repeated ended.
    """

    __slots__ = ("call", "earlier", "failed", "listener", "node", "spec", "strict", "taken")

    def __init__(
        self,
        node: int,
        spec: EventSpec,
        call: Call,
        taken: frozenset[int],
        listener: Listener | None = None,
        *,
        strict: bool = False,
        earlier: int = 0,
    ) -> None:
        self.node = node
        self.spec = spec
        self.call = call
        self.taken = taken
        self.listener = listener
        self.strict = strict
        self.earlier = earlier
        self.failed: tuple[Outcome, str] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Prefect pickles the context of a task run for what the event starts elsewhere: tasks with
        # `delay`, task runners of its own. They need no work of ours, and it may not pickle.
        return type(None), ()

    def open(self) -> Work:
        """The work itself."""
        return self

    def sealed(self) -> SealedWork:
        """The work as it goes to another process.

        Raises:
            Exception: whatever its inputs and results raise when they are pickled.
        """
        parts = (self.node, self.spec, self.call, self.taken)
        with at_home(self.spec.home):
            return SealedWork(self.spec.home, cloudpickle.dumps(parts), self.earlier)


class SealedWork:
    """A `Work` on its way to another process, and the folder that its modules are in."""

    __slots__ = ("_earlier", "_home", "_parts")

    def __init__(self, home: str | None, parts: bytes, earlier: int) -> None:
        self._home = home
        self._earlier = earlier
        self._parts = parts

    def open(self) -> Work:
        """The work, with the events imported in this process."""
        with at_home(self._home):
            parts = cloudpickle.loads(self._parts)
        return Work(*parts, strict=True, earlier=self._earlier)


class EventState(State[Any]):
    """The state of an event's task run, which also carries the outcome, its result left out."""

    _outcome: Outcome | None = PrivateAttr(default=None)
    _task_run: TaskRun | None = PrivateAttr(default=None)

    @property
    def outcome(self) -> Outcome | None:
        """What came of the attempt, without its result."""
        return self._outcome

    @property
    def task_run(self) -> TaskRun | None:
        """Of a failure: the task run as it was before it ended."""
        return self._task_run

    @classmethod
    def of(cls, outcome: Outcome, type_: str, *, name: str, message: str | None) -> EventState:
        """The state of an outcome."""
        kind = compat.state_type(type_)
        state = cls(type=kind, name=name, message=message, data=outcome.result)
        state._outcome = outcome._replace(result=None)
        if type_ == "FAILED":
            state._task_run = compat.current_task_run()
        return state


def run_work(upstream: Work | SealedWork) -> State[Any]:
    """Run one attempt of an event and return its state; the function of every task."""
    work = upstream.open()
    spec = work.spec
    listener = work.listener
    if work.failed is not None and listener is not None and listener.ends:
        # The run was told to end while this attempt waited for its turn.
        outcome, failed = work.failed
        return _state(outcome, as_taken(spec, outcome, work.taken), failed)
    logs.send_from([spec])
    call = work.call._replace(attempt=work.earlier + compat.attempt_number())
    if listener is not None:
        listener.began(work.node, call.attempt)
        hooks = listener.hooks
    else:
        hooks = hooks_of(About("", "prefect", call.run_id))
    hooks.began(spec, call)
    outcome, late = _attempt(spec, call, listener)
    if listener is None:
        outcome = outcome._replace(pid=os.getpid())
    if work.strict or compat.persists():
        outcome = _picklable(spec, call, outcome)
    again = outcome.retry_after is not None
    if again and listener is not None:
        if listener.ends:
            again, outcome = False, outcome._replace(retry_after=None)
        else:
            listener.repeats(work.node, outcome)
            work.failed = outcome._replace(retry_after=None), "TimedOut" if late else "Failed"
    judged = as_taken(spec, outcome, work.taken)
    hooks.attempt_ended(spec, call, judged)
    stops = spec.stop_on_exception and judged.raised
    handled = judged.descriptor == FAILURE and FAILURE in work.taken and not (again or stops)
    failed = HANDLED if handled else "TimedOut" if late else "Failed"
    state = _state(outcome, judged, failed)
    _log_failure(call.task_id, judged, state, again=again, handled=handled)
    return state


def repeat_told(task: Any, task_run: Any, state: Any) -> bool:
    """The retry condition of tasks: whether the attempt said that it is to be repeated."""
    told = compat.returned_state(state)
    outcome = told.outcome if isinstance(told, EventState) else None
    return outcome is not None and outcome.retry_after is not None


def _log_failure(
    place: str, judged: Outcome, state: EventState, *, again: bool, handled: bool
) -> None:
    """Log what Prefect does not say of a failure when it logs the state: the traceback, above all.

    That a failure is handled stands out on the page by its one warning.
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


def _state(outcome: Outcome, judged: Outcome, failed: str) -> EventState:
    """The state of a task run.

    Args:
        outcome: what came of the attempt, which the run judges for itself.
        judged: the same as the flow takes it.
        failed: the name of a failure's state.
    """
    descriptor, result = judged.descriptor, judged.result
    if descriptor != FAILURE:
        name = "Completed" if descriptor == SUCCESS else f"Outcome {descriptor}"
        return EventState.of(outcome, "COMPLETED", name=name, message=None)
    if judged is not outcome:
        said = result.message
    elif isinstance(result, Failure):
        said = str(result)
    else:
        said = f"returned a failure: {shown(result, _LONGEST)}"
    said = said if len(said) <= _LONGEST else said[:_LONGEST] + "…"
    kind = "COMPLETED" if failed == HANDLED else "FAILED"
    return EventState.of(outcome, kind, name=failed, message=said)


_LONGEST = 500
"""Characters of the message of a state."""


# Attempts and their limits.


def _attempt(spec: EventSpec, call: Call, listener: Listener | None) -> tuple[Outcome, bool]:
    """Run the attempt, and come back when its time is over; the outcome, and whether it was."""
    started = time.time()
    try:
        if spec.is_async:
            return _on_loop(spec, call, listener), False
        if spec.timeout is not None:
            return _in_time(spec, call, spec.timeout), False
        return run_attempt(spec, call), False
    except TimeIsOver:
        return raised(spec, call, too_long(spec), started), True


def _on_loop(spec: EventSpec, call: Call, listener: Listener | None) -> Outcome:
    if listener is None:
        with closing(RunLoop()) as own:
            return own.run(spec, call)
    return listener.loop.run(spec, call)


def _in_time(spec: EventSpec, call: Call, limit: float) -> Outcome:
    """Run the attempt in a thread that is left behind, as on other backends, if it must be."""

    def late() -> None:
        compat.logger().warning(
            "%s ended after it was given up: what it returned is discarded", call.task_id
        )

    return in_time(spec, call, limit, late)


def _picklable(spec: EventSpec, call: Call, outcome: Outcome) -> Outcome:
    """The outcome, or a failure that names the event where its result cannot be pickled."""
    try:
        compat.dumps(outcome.result)
    except Exception as error:  # noqa: BLE001 - a result's own __reduce__ may raise anything
        fault = NotSentError(
            f"the result of {spec.name}, of type {type(outcome.result).__name__}, "
            f"cannot be pickled: {error}"
        )
        return raised(spec, call, fault, outcome.started_at)
    return outcome

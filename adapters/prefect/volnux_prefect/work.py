"""What a Prefect task does: one attempt of an event, and the Prefect state it ends in.

All tasks have the same function, `run_work`, whose argument says which event it runs. So a task
pickles by name into a worker process, and nothing that a pipeline made has to travel with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import sys
import threading
import time
from typing import Any, Protocol

import cloudpickle
from prefect.client.schemas.objects import State
from pydantic import PrivateAttr

from volnux.events.base import NotSentError
from volnux.events.modules import at_home
from volnux.events.run import Call, Outcome, raised, run_attempt, run_attempt_async
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.shown import shown
from volnux_prefect import compat

__all__ = [
    "EventState",
    "Listener",
    "Work",
    "repeat_late_or_told",
    "repeat_told",
    "run_work",
    "took_too_long",
    "unhandled",
]


class Listener(Protocol):
    """Who hears of attempts in the process that drives the run."""

    context: Any

    def began(self, node: int, attempt: int) -> None:
        """An attempt begins."""

    def repeats(self, node: int, outcome: Outcome) -> bool:
        """An attempt is to be repeated; the answer is whether that is still wanted."""


class Work:
    """One event with what it is given: the argument of `run_work`.

    A plain class, so that Prefect does not look through inputs and results for futures, which
    takes long for large ones. Pickled, it takes the folders of the events along and leaves the
    listener behind.

    Attributes:
        node: its index in the graph.
        spec: the event.
        call: what it is given; the attempt is filled in.
        taken: the descriptors that have a branch.
        strict: results must be picklable, whatever is done with them.
        earlier: attempts that were made in other task runs.
        listener: who hears of it in this process.
    """

    __slots__ = ("call", "earlier", "listener", "node", "spec", "strict", "taken")

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

    @property
    def outcome(self) -> Outcome | None:
        """What came of the attempt, without its result."""
        return self._outcome

    @classmethod
    def of(
        cls, outcome: Outcome, type_: str, *, name: str, message: str | None, data: Any
    ) -> EventState:
        """The state of an outcome."""
        state = cls(type=compat.state_type(type_), name=name, message=message, data=data)
        state._outcome = outcome._replace(result=None)
        return state


def run_work(upstream: Work | SealedWork) -> State[Any]:
    """Run one attempt of an event and return its state; the function of every task.

    Raises:
        TimeoutError: the attempt took longer than its event may take.
    """
    work = upstream.open()
    spec = work.spec
    listener = work.listener
    call = work.call._replace(attempt=work.earlier + compat.attempt_number())
    context = listener.context if listener is not None else None
    if listener is not None:
        listener.began(work.node, call.attempt)
    listened = "volnux.signal.soft" in sys.modules
    if listened:
        from volnux.events.announce import announce_begin

        announce_begin(spec, call, context)
    outcome = _attempt(spec, call)
    if listener is None:
        outcome = outcome._replace(pid=os.getpid())
    late = spec.timeout is not None and outcome.ended_at - outcome.started_at >= spec.timeout
    if late:
        outcome = raised(spec, call, TimeoutError(took_too_long(spec)), outcome.started_at)
    elif work.strict or compat.persists():
        outcome = _picklable(spec, call, outcome)
    again = outcome.retry_after is not None
    if again and listener is not None and not listener.repeats(work.node, outcome):
        again = False
    if listened:
        from volnux.events.announce import announce_end

        announce_end(spec, call, _judged(spec, outcome, work.taken), context)
    if outcome.raised and isinstance(outcome.result, Failure) and outcome.result.traceback:
        level = logging.WARNING if again else logging.ERROR
        compat.run_logger().log(level, "%s", outcome.result.traceback.rstrip())
    if late:
        raise TimeoutError(took_too_long(spec))
    return _state(spec, outcome, work.taken)


def repeat_told(task: Any, task_run: Any, state: Any) -> bool:
    """The retry condition of tasks: whether the attempt said that it is to be repeated."""
    told = compat.returned_state(state)
    outcome = told.outcome if isinstance(told, EventState) else None
    return outcome is not None and outcome.retry_after is not None


def repeat_late_or_told(task: Any, task_run: Any, state: Any) -> bool:
    """The same where attempts that took too long are repeated as well."""
    return isinstance(state.data, TimeoutError) or repeat_told(task, task_run, state)


def took_too_long(spec: EventSpec) -> str:
    """What is said of an attempt that reached its timeout."""
    return f"{spec.name} took longer than {spec.timeout:g} s"


def unhandled(spec: EventSpec, descriptor: int, taken: frozenset[int]) -> str:
    """What is said of a descriptor without a branch."""
    known = ", ".join(map(str, sorted(taken))) or "none"
    return (
        f"{spec.name} finished with descriptor {descriptor}, which has no branch "
        f"(descriptors with a branch: {known})"
    )


def _judged(spec: EventSpec, outcome: Outcome, taken: frozenset[int]) -> Outcome:
    """The outcome as the flow takes it: a descriptor without a branch is a failure."""
    if outcome.descriptor <= SUCCESS or outcome.descriptor in taken:
        return outcome
    failure = Failure("UnhandledDescriptor", unhandled(spec, outcome.descriptor, taken))
    return outcome._replace(descriptor=FAILURE, result=failure)


def _state(spec: EventSpec, outcome: Outcome, taken: frozenset[int]) -> EventState:
    descriptor, result = outcome.descriptor, outcome.result
    if descriptor == SUCCESS:
        return EventState.of(outcome, "COMPLETED", name="Completed", message=None, data=result)
    if descriptor == FAILURE:
        if isinstance(result, Failure):
            said = str(result)
            said = said if len(said) <= 500 else said[:500] + "…"
        else:
            said = f"returned a failure: {shown(result, 500)}"
        return EventState.of(outcome, "FAILED", name="Failed", message=said, data=result)
    if descriptor in taken:
        name = f"Outcome {descriptor}"
        return EventState.of(outcome, "COMPLETED", name=name, message=None, data=result)
    said = unhandled(spec, descriptor, taken)
    return EventState.of(outcome, "FAILED", name="Failed", message=said, data=result)


def _attempt(spec: EventSpec, call: Call) -> Outcome:
    """Run the attempt, and come back when its time is over."""
    if spec.timeout is None:
        return run_attempt(spec, call)
    # Prefect cannot end a thread that sleeps or waits: it is left behind, as on other backends.
    started = time.time()
    ended: list[Outcome | KeyboardInterrupt] = []
    over = threading.Event()
    context = contextvars.copy_context()

    def target() -> None:
        try:
            ended.append(context.run(_run, spec, call))
        except KeyboardInterrupt as interrupt:
            ended.append(interrupt)
        if over.is_set():
            compat.logger().warning(
                "%s ended after it was given up: what it returned is discarded", call.task_id
            )

    thread = threading.Thread(target=target, name=f"volnux-{call.task_id}", daemon=True)
    thread.start()
    # Prefect's own watcher of the timeout sends this exception at about the same moment.
    with contextlib.suppress(asyncio.CancelledError):
        thread.join(spec.timeout)
    if ended:
        if isinstance(ended[0], KeyboardInterrupt):
            raise ended[0]
        return ended[0]
    over.set()
    return _given_up(spec, call, started)


def _run(spec: EventSpec, call: Call) -> Outcome:
    return asyncio.run(_in_time(spec, call)) if spec.is_async else run_attempt(spec, call)


async def _in_time(spec: EventSpec, call: Call) -> Outcome:
    assert spec.timeout is not None
    started = time.time()
    task = asyncio.ensure_future(run_attempt_async(spec, call))
    done, _ = await asyncio.wait({task}, timeout=spec.timeout)
    if done:
        return task.result()
    task.cancel()
    return _given_up(spec, call, started)


def _given_up(spec: EventSpec, call: Call, started: float) -> Outcome:
    assert spec.timeout is not None
    return Outcome(FAILURE, None, call.attempt, started, max(time.time(), started + spec.timeout))


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

"""What the flows that `volnux prefect flow` prints are made of.

A flow has a `Place` for each event, and runs them in a `Run`:

    load = Place(Load)
    store = Place(Store, branches=())

    @flow(name="orders")
    async def orders(day: str) -> State[Any]:
        async with Run(day=day) as run:
            found = await run.result(load)
            run.value = await run.result(store, found)
        return run.state

Each place is a task run of Prefect's, in the same states and with the same attempts and results as
in the flow of a `.pty`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import time
import uuid
from collections.abc import Coroutine, Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from prefect import tags
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from volnux.errors import VolnuxError
from volnux.events.base import NotSentError, WorkerLost
from volnux.events.inputs import fresh
from volnux.events.run import Call, Outcome, raised
from volnux.events.spec import EventSpec, spec_of
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.hooks import About, hooks_of
from volnux.pipeline.fields import InputDataField
from volnux_prefect import compat
from volnux_prefect.endings import counts, reason, state_of
from volnux_prefect.limits import make_limits
from volnux_prefect.loop import RunLoop
from volnux_prefect.page import tell_handled, tell_skipped
from volnux_prefect.runners import Runners
from volnux_prefect.taskoptions import named
from volnux_prefect.translate import USUAL, runner_key, task_of
from volnux_prefect.work import EventState, Work, judged_by_flow

__all__ = ["Ended", "EventFailed", "Place", "Run", "RunStopped", "all_of", "any_of"]

_ORDER = itertools.count()

_LATEST: contextvars.ContextVar[tuple[uuid.UUID, ...]] = contextvars.ContextVar(
    "volnux_latest", default=()
)
"""The task runs that ended last in this arm of the flow: what comes next is drawn after them."""


class Place:
    """An event at one place of a flow.

    Places are made in reading order: where several arms fail, the failure of the first one counts.

    Args:
        event: the event class or decorated function.
        name: its name in the flow; its own name if None.
        number: which place of this event it is; of the second one the id ends with `__2`.
        attempts: at most so many attempts; else the event's retry policy holds.
        timeout: seconds that one attempt may take; else the event's own timeout holds.
        executor: where it runs; else the event's own executor.
        branches: the descriptors after which the flow goes on. Any other is a failure, but for 1.
        tags: tags of its task runs.
        limits: tag concurrency limits, which the run makes; the place has these tags, too.

    Attributes:
        id: the name of its task runs.
        task: the Prefect task.
    """

    def __init__(
        self,
        event: Any,
        name: str | None = None,
        *,
        number: int = 1,
        attempts: int | None = None,
        timeout: float | None = None,
        executor: str | None = None,
        branches: Iterable[int] = (1,),
        tags: Iterable[str] = (),
        limits: dict[str, int] | None = None,
    ) -> None:
        name = name or event.__name__
        self.spec: EventSpec = spec_of(
            name, event, factor=attempts, executor=executor, timeout=timeout
        )
        self.id = name if number == 1 else f"{name}__{number}"
        self.branches = frozenset(branches)
        self.limits = limits or {}
        self.task = task_of(self.spec, frozenset({*tags, *self.limits}), self.id)
        self.order = next(_ORDER)

    def __repr__(self) -> str:
        return f"<Place {self.id}>"


class Ended(NamedTuple):
    """How a place ended: 0 is a failure, 1 success, 2 to 9 are the event's own."""

    descriptor: int
    result: Any


class EventFailed(VolnuxError):
    """A place failed, and no branch of its own takes that: what comes after it does not start.

    Attributes:
        place: the place.
        result: what the event returned, or the `Failure` of its last attempt.
        others: failures of places in other arms, in reading order.
    """

    def __init__(self, place: Place, result: Any) -> None:
        super().__init__(f"{place.id} failed: {reason(result)}")
        self.place = place
        self.result = result
        self.others: list[EventFailed] = []

    def __str__(self) -> str:
        return "; ".join([super().__str__(), *map(str, self.others)])


class RunStopped(VolnuxError):
    """An event with `stop_on_exception` has ended the run."""


class Run:
    """One run of a flow, entered with `async with` in its body.

    A failure that nothing takes ends the block, and the run is failed.

    Args:
        **inputs: the inputs of the run.

    Attributes:
        value: what the flow returns, to be set in the block.
        ended_places: how places ended so far, by their ids.
        state: the state that the flow is to return, once the block is left.
    """

    def __init__(self, /, **inputs: Any) -> None:
        # Prefect hands the same default to every run, and an event may change it.
        self._inputs = {name: fresh(value) for name, value in inputs.items()}
        self._tags: tuple[str, ...] = ()
        self._stopped = asyncio.Event()
        self._why_stopped = "the run has ended"
        self._run_id: uuid.UUID | None = None
        self._limits: set[str] = set()
        self._loop = RunLoop()
        self._failed: list[EventState] = []
        self._skipped: set[str] = set()
        self._stack = contextlib.ExitStack()
        self.value: Any = None
        self.ended_places: dict[str, Ended] = {}
        self.state: State[Any] = Failed(message="the run did not end")

    def tagged(self, *tags: str) -> Self:
        """Give the flow run and its task runs these tags."""
        self._tags = tags
        return self

    def read_by(self, pipeline: type) -> Self:
        """Have the fields of a pipeline class check and read the inputs."""
        for name, value in self._inputs.items():
            field = getattr(pipeline, name, None)
            if isinstance(field, InputDataField):
                self._inputs[name] = field.read(value)
        return self

    async def __aenter__(self) -> Self:
        context: Any = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise VolnuxError("a Run belongs in the body of a Prefect flow: decorate it @flow")
        self._run_id = context.flow_run.id
        self._runners = Runners(self._stack, USUAL, context.task_runner)
        self._client: Any = context.client
        if self._tags:
            every = sorted({*context.flow_run.tags, *self._tags})
            await self._client.update_flow_run(self._run_id, tags=every)
            self._stack.enter_context(tags(*self._tags))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._stopped.set()
        # Task runners wait for their threads, and those for their coroutines.
        with self._stack:
            self._loop.close()
        if error is None:
            for failed in self._failed:
                assert failed.task_run is not None
                tell_handled(failed.task_run, failed)
            self.state = Completed(message=counts(self._ends()), data=self.value)
        elif isinstance(error, EventFailed | RunStopped):
            self.state = Failed(message=str(error))
        else:
            return False
        return True

    async def result(self, place: Place, received: Any = None) -> Any:
        """Run a place; its result.

        Raises:
            EventFailed: it failed, and 0 is none of its branches.
            RunStopped: it, or another one, has ended the run.
        """
        return (await self.ended(place, received)).result

    async def ended(self, place: Place, received: Any = None) -> Ended:
        """Run a place; how it ended.

        Raises:
            EventFailed: it failed, and 0 is none of its branches.
            RunStopped: it, or another one, has ended the run.
        """
        self._refuse_when_stopped()
        outcome = await self._outcome(place, received)
        self._refuse_when_stopped()
        judged = judged_by_flow(place.spec, outcome, place.branches)
        descriptor, result = judged.descriptor, judged.result
        if descriptor != SUCCESS and isinstance(result, Failure) and FAILURE in place.branches:
            result = result.bare()
        ended = self.ended_places[place.id] = Ended(descriptor, result)
        if place.spec.stop_on_exception and outcome.raised:
            self._why_stopped = f"{place.id} failed: {reason(result)}"
            self._stopped.set()
            # The other arms end, too.
            await asyncio.to_thread(self._loop.close)
            raise RunStopped(self._why_stopped)
        if descriptor == FAILURE and FAILURE not in place.branches:
            raise EventFailed(place, result)
        return ended

    def skip(self, *places: Place) -> None:
        """Show that places are not reached, because another branch was taken."""
        assert self._run_id is not None
        edges = [compat.edge(task_run) for task_run in _LATEST.get()]
        for place in places:
            self._skipped.add(place.id)
            tell_skipped(place.id, place.task, self._run_id, uuid.uuid4(), edges)

    def _ends(self) -> Iterator[str]:
        """How each place ended, in a run that succeeded."""
        for ended in self.ended_places.values():
            yield "handled" if ended.descriptor == FAILURE else "done"
        yield from ["skipped"] * len(self._skipped)

    def _refuse_when_stopped(self) -> None:
        if self._stopped.is_set():
            raise RunStopped(self._why_stopped)

    # One place, from its start to its end.

    async def _outcome(self, place: Place, received: Any) -> Outcome:
        """What came of a place; a lost worker costs one attempt."""
        await self._make_limits(place)
        earlier = 0
        while True:
            listener = _Listener(earlier, self._loop, self._stopped, str(self._run_id))
            started = time.time()
            try:
                runner = self._runners.of(runner_key(place.spec))
            except Exception as error:  # noqa: BLE001 - a task runner's cluster may fail in any way
                return _read(place, error, listener, started)
            ended = await self._task_run(place, received, listener, runner)
            if isinstance(ended, KeyboardInterrupt):
                raise ended
            outcome = _read(place, ended, listener, started)
            if isinstance(ended, WorkerLost):
                self._runners.replace(runner_key(place.spec), runner)
            if outcome.retry_after is None or self._stopped.is_set():
                if isinstance(ended, EventState) and ended.task_run is not None:
                    self._failed.append(ended)
                return outcome
            earlier = outcome.attempts
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), outcome.retry_after)
                return outcome

    async def _task_run(
        self, place: Place, received: Any, listener: _Listener, runner: Any
    ) -> State[Any] | BaseException:
        """The final state of a task run of the place, or what kept it from having one."""
        call = Call(place.id, str(self._run_id), self._inputs, received)
        work: Any = Work(
            place.order, place.spec, call, place.branches, listener, earlier=listener.attempts
        )
        if not isinstance(runner, ThreadPoolTaskRunner):
            listener.attempts += 1
            try:
                work = work.sealed()
            except Exception as error:  # noqa: BLE001 - inputs and results of the user may raise anything here
                fault = f"{place.spec.name} cannot be sent to a worker process: {error}"
                return NotSentError(fault)
        before = {compat.edge(task_run) for task_run in _LATEST.get()}
        try:
            task = named(place.spec, place.task, self._inputs)
            future = runner.submit(task, {"upstream": work}, dependencies={"upstream": before})
        except Exception as error:  # noqa: BLE001 - a task runner's cluster may fail in any way
            return error
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        await done.wait()
        _LATEST.set((future.task_run_id,))
        return state_of(future)

    async def _make_limits(self, place: Place) -> None:
        missing = place.limits.keys() - self._limits
        self._limits |= missing
        if missing:
            await asyncio.to_thread(make_limits, place.limits)


class _Listener:
    """Counts the attempts of one task run, and has the run's event loop."""

    def __init__(self, earlier: int, loop: RunLoop, stopped: asyncio.Event, run_id: str) -> None:
        self.attempts = earlier
        self.hooks = hooks_of(About("", "prefect", run_id))
        self.loop = loop
        self._stopped = stopped

    @property
    def ends(self) -> bool:
        return self._stopped.is_set()

    def began(self, node: int, attempt: int) -> None:
        self.attempts = attempt

    def repeats(self, node: int, outcome: Outcome) -> None:
        pass


def _read(
    place: Place, ended: State[Any] | BaseException, listener: _Listener, started: float
) -> Outcome:
    """How a place ended, from the state of its task run."""
    spec = place.spec
    if isinstance(ended, EventState) and ended.outcome is not None:
        return ended.outcome._replace(result=compat.result_of(ended))
    attempts = max(1, listener.attempts)
    if isinstance(ended, BaseException):
        error = ended
    else:
        error = WorkerLost(f"the task run of {spec.name} ended as {ended.name}")
    outcome = raised(spec, Call(place.id, attempt=attempts), error, started)
    # Prefect repeats attempts itself, but for those whose process is gone.
    return outcome if isinstance(ended, WorkerLost) else outcome._replace(retry_after=None)


# Arms that run at once.


async def all_of(*arms: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run arms at once, each to its end; all of them have to succeed.

    Raises:
        EventFailed: that of the first place, in reading order, that failed.
    """
    ended = await _each(arms)
    failures = [each for each in ended if isinstance(each, EventFailed)]
    if failures:
        raise _first(failures)
    return ended


async def any_of(*arms: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run arms at once, each to its end; one success is enough. A failed arm gives None.

    Raises:
        EventFailed: that of the first place, in reading order, if all arms failed.
    """
    ended = await _each(arms)
    failures = [each for each in ended if isinstance(each, EventFailed)]
    if len(failures) == len(arms):
        raise _first(failures)
    return [None if isinstance(each, EventFailed) else each for each in ended]


async def _each(arms: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """What each arm returned, or the `EventFailed` that it ended with; anything else is raised."""
    latest: list[uuid.UUID] = []

    async def run(arm: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await arm
        finally:
            latest.extend(_LATEST.get())

    ended = await asyncio.gather(*map(run, arms), return_exceptions=True)
    _LATEST.set(tuple(dict.fromkeys(latest)))
    for each in ended:
        if isinstance(each, BaseException) and not isinstance(each, EventFailed):
            raise each
    return ended


def _first(failures: Iterable[EventFailed]) -> EventFailed:
    """The failure of the first place, in reading order, which also tells of the others."""
    every = [single for each in failures for single in (each, *each.others)]
    first, *others = sorted(every, key=lambda each: each.place.order)
    for each in every:
        each.others = []
    first.others = others
    return first

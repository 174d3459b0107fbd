"""The run of a flow that `volnux prefect flow` printed: its places as task runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Self

from prefect import tags
from prefect.client.schemas.objects import State, TaskRunResult
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from volnux.errors import VolnuxError
from volnux.events.inputs import bind_inputs, fresh
from volnux.events.outcome import Call
from volnux.events.visible import Visible
from volnux.graph.model import Graph, InputSpec, ScheduleSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.kit.attempt import as_taken
from volnux.pipeline.fields import InputDataField
from volnux.pointy.defaults import default_of
from volnux.schedules.moments import Clock
from volnux_prefect.endings import counts, out_of_time, reason, why
from volnux_prefect.host import PrefectHost
from volnux_prefect.instants import instant_here
from volnux_prefect.loop import RunLoop
from volnux_prefect.page import tell_handled, tell_skipped
from volnux_prefect.plain.arms import LATEST, all_of, any_of
from volnux_prefect.plain.items import items_of
from volnux_prefect.plain.places import (
    WITHIN,
    Each,
    Ended,
    EventFailed,
    Fail,
    Place,
    RunStopped,
    Within,
)
from volnux_prefect.plain.taskruns import TaskRuns
from volnux_prefect.runners import Runners
from volnux_prefect.serializer import store_tagged
from volnux_prefect.timelimit import TimeLimit
from volnux_prefect.translate import USUAL

__all__ = ["Run"]

_OWN: Any = object()
_NOTHING: Any = object()
"""What a place receives to which nothing is piped. `None` may be piped like any value."""


class Run:
    """One run of a flow, entered with `async with` in its body.

    A failure that is not handled ends the block, and the run fails.

    Args:
        **inputs: the inputs of the run.

    Attributes:
        value: what the flow returns. The block sets it.
        ended_places: how each place ended so far, by id.
        state: the state that the flow must return. It is set at the end of the block.
    """

    def __init__(self, /, **inputs: Any) -> None:
        # Prefect passes the same default object to every run, and an event may change it.
        self._inputs = {name: fresh(value) for name, value in inputs.items()}
        self._tags: tuple[str, ...] = ()
        self._graph = Graph("", (), (), (), 0)
        self._scheduled_at: dt.datetime | None = None
        self._seconds: float | None = None
        self._limit: TimeLimit | None = None
        self._stopped = asyncio.Event()
        self._why_stopped = "the run has ended"
        self._timed_out = False
        self._run_id: uuid.UUID | None = None
        self._host = PrefectHost()
        self._loop = RunLoop()
        self._skipped: set[str] = set()
        self._visible = Visible()
        self._stack = contextlib.ExitStack()
        self.value: Any = None
        self.ended_places: dict[str, Ended] = {}
        self.state: State[Any] = Failed(message="the run did not end")

    def tagged(self, *tags: str) -> Self:
        """Add these tags to the flow run and its task runs."""
        self._tags = tags
        return self

    def at(
        self,
        scheduled_at: dt.datetime | None,
        timezone: str = "UTC",
        schedules: Iterable[str] = (),
        /,
        **defaults: tuple[str, str],
    ) -> Self:
        """Set the scheduled time, and compute the inputs whose defaults depend on it.

        Args:
            scheduled_at: the scheduled time; None for the time that Prefect set for the flow run.
            timezone: the time zone of the flow.
            schedules: the cron expressions of the flow. Defaults with `previous` need them.
            **defaults: the type and the default of each such input, for example
                `("date", "scheduled - 1d")`. An input with a value keeps its value.
        """
        inputs = []
        for name, (type_, text) in defaults.items():
            _, moment, _ = default_of(text, 0, name, type_)
            inputs.append(InputSpec(name, type_, required=False, moment=moment))
        graph = replace(
            self._graph,
            inputs=tuple(inputs),
            schedules=tuple(map(ScheduleSpec, schedules)),
            timezone=timezone,
        )
        self._scheduled_at = instant_here(graph, scheduled_at)
        waiting = [each for each in inputs if self._inputs.get(each.name) is None]
        self._inputs |= bind_inputs(waiting, {}, clock=Clock.of(graph, self._scheduled_at))
        return self

    def in_zone(self, timezone: str) -> Self:
        """Set the time zone in which events see the scheduled time."""
        self._graph = replace(self._graph, timezone=timezone)
        return self

    def within(self, seconds: float) -> Self:
        """Set a time limit in seconds. After that, the run fails and abandons running events."""
        self._seconds = seconds
        return self

    def read_by(self, pipeline: type) -> Self:
        """Check and convert the inputs with the fields of a pipeline class."""
        for name, value in self._inputs.items():
            field = getattr(pipeline, name, None)
            if isinstance(field, InputDataField):
                self._inputs[name] = field.read(value)
        return self

    async def __aenter__(self) -> Self:
        context: Any = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise VolnuxError(
                "a Run must be used in the body of a Prefect flow: decorate the function with @flow"
            )
        self._run_id = context.flow_run.id
        store_tagged()
        if self._scheduled_at is None:
            self._scheduled_at = instant_here(self._graph)
        self._limit = TimeLimit.of(self._seconds)
        if self._limit is not None:
            timer = asyncio.get_running_loop().call_later(self._limit.left, self._run_out)
            self._stack.callback(timer.cancel)
        self._task_runs = TaskRuns(
            Runners(self._stack, USUAL, context.task_runner),
            self._loop,
            self._stopped,
            str(self._run_id),
            self._inputs,
            self._limit,
        )
        self._client: Any = context.client
        if self._tags:
            every = sorted({*context.flow_run.tags, *self._tags})
            await self._client.update_flow_run(self._run_id, tags=every)
            self._stack.enter_context(tags(*self._tags))
        return self

    async def __aexit__(
        self, _kind: object, error: BaseException | None, _traceback: object
    ) -> bool:
        self._stopped.set()
        # Close the loop first: task runners wait for threads, and those wait for coroutines.
        with self._stack:
            self._loop.close()
            self._task_runs.give_up(self._why_stopped, timed_out=self._timed_out)
        if error is None:
            for failed in self._task_runs.failed:
                assert failed.task_run is not None
                tell_handled(failed.task_run, failed)
            self.state = Completed(message=counts(self._ends()), data=self.value)
        elif self._timed_out and isinstance(error, RunStopped):
            self.state = out_of_time(str(error))
        elif isinstance(error, EventFailed | RunStopped):
            self.state = Failed(message=why([str(error)], self._before(error)))
        else:
            return False
        return True

    async def result(self, place: Place, received: Any = _NOTHING) -> Any:
        """Run a place, and return its result.

        Raises:
            EventFailed: it failed, and it has no `0` branch.
            RunStopped: this place, or another one, ended the run.
        """
        return (await self.ended(place, received)).result

    async def ended(self, place: Place, received: Any = _NOTHING) -> Ended:
        """Run a place, and return how it ended.

        Raises:
            EventFailed: it failed, and it has no `0` branch.
            RunStopped: this place, or another one, ended the run.
        """
        self._refuse_when_stopped()
        spec = place.spec_in(self._visible, piped=received is not _NOTHING)
        outcome = await self._task_runs.outcome(place, spec, self._call(place.name, received))
        self._refuse_when_stopped()
        judged = as_taken(spec, outcome, place.branches)
        descriptor, result = judged.descriptor, judged.result
        if descriptor != SUCCESS and isinstance(result, Failure) and FAILURE in place.branches:
            result = result.bare()
        ended = self.ended_places[place.name] = Ended(descriptor, result)
        if spec.stop_on_exception and outcome.raised:
            self._why_stopped = f"{place.name} failed: {reason(result)}"
            self._stopped.set()
            # This also ends the other arms.
            await asyncio.to_thread(self._loop.close)
            raise RunStopped(self._why_stopped)
        if descriptor == FAILURE and FAILURE not in place.branches:
            raise EventFailed(place, result)
        return ended

    async def fail(self, fail: Fail, failure: Any = _OWN) -> Any:
        """Fail at a `!`.

        Args:
            fail: the `!`.
            failure: the failure that the innermost enclosing `0` branch handles. If omitted, the
                `!` has its own failure.

        Raises:
            EventFailed: always, unless the flow continues after the `!`.
            RunStopped: another place has ended the run.
        """
        self._refuse_when_stopped()
        result = Failure("Failed", fail.message) if failure is _OWN else failure
        if not fail.continues:
            raise EventFailed(fail, result)
        return result

    async def each(
        self, each: Each, copy: Callable[[Any], Awaitable[Any]], received: Any = _NOTHING
    ) -> Any:
        """Run a part of the flow once for every item, and return what its copies returned.

        Args:
            each: the part.
            copy: the function that runs it for one item.
            received: the list, if the part does not take it from elsewhere.

        Raises:
            EventFailed: there is no list, or the copies failed.
            RunStopped: this place, or another one, ended the run.
        """
        self._refuse_when_stopped()
        call = self._call("", received)
        items = await asyncio.to_thread(items_of, each, call)
        if not isinstance(items, list | tuple):
            if each.continues:
                return items
            raise EventFailed(each, items)
        if not items:
            self.skip(*each.places)
            return []
        free = asyncio.Semaphore(each.at_once or len(items))
        around = WITHIN.get()

        async def run(number: int, item: Any) -> Any:
            async with free:
                WITHIN.set(
                    Within(
                        (*around.numbers, number),
                        (*around.items, (each.name, item)),
                        (*around.order, each.order, number),
                    )
                )
                return await copy(item)

        arms = [run(number, item) for number, item in enumerate(items)]
        return await (any_of if each.any else all_of)(*arms)

    def skip(self, *places: Place) -> None:
        """Report places that were not reached because another branch was taken."""
        assert self._run_id is not None
        edges = [TaskRunResult(id=task_run) for task_run in LATEST.get()]
        for place in places:
            self._skipped.add(place.name)
            tell_skipped(place.name, place.task, self._run_id, uuid.uuid4(), edges)

    def _ends(self) -> Iterator[str]:
        """How each place ended, in a run that succeeded."""
        for ended in self.ended_places.values():
            yield "handled" if ended.descriptor == FAILURE else "done"
        yield from ["skipped"] * len(self._skipped)

    def _before(self, error: VolnuxError) -> Iterator[str]:
        """The failures that were handled before the flow failed at a `!`; none otherwise."""
        if not isinstance(error, EventFailed):
            return
        ends = [each.place for each in (error, *error.others)]
        if not any(isinstance(place, Fail) for place in ends):
            return
        failed = (error, *error.others)
        lost = {each.name for each in failed if isinstance(each.place, Place)}
        for name, ended in self.ended_places.items():
            if ended.descriptor == FAILURE and name not in lost:
                yield f"{name} failed: {reason(ended.result)}"

    def _refuse_when_stopped(self) -> None:
        if self._limit is not None and self._limit.is_over:
            self._run_out()
        if self._stopped.is_set():
            raise RunStopped(self._why_stopped)

    def _run_out(self) -> None:
        """End the run because its time is over. Attempts check the limit themselves."""
        if self._limit is not None and not self._stopped.is_set():
            self._timed_out = True
            self._why_stopped = str(self._limit.error())
            self._stopped.set()

    def _call(self, name: str, received: Any) -> Call:
        """The arguments of a place."""
        within = WITHIN.get()
        return Call(
            name,
            str(self._run_id),
            self._inputs,
            None if received is _NOTHING else received,
            scheduled_at=self._scheduled_at,
            host=self._host,
            numbers=within.numbers,
            items=within.items,
        )

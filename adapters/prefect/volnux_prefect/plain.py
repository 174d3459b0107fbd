"""What `volnux prefect flow` copies into the flows that it prints.

It stands in a module of its own so that it is checked and tested like any other code. The text
below the first dashed line is copied as it is, but for lines with a mark at their end, which are
for flows with an event that stops the run.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple

from prefect import Task, allow_failure, task
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.states import Cancelled, Completed, Failed

from volnux.events import Call, run_attempt
from volnux.events.spec import spec_of
from volnux.graph import Failure

PLACES: tuple[str, ...] = ()
STOPS: tuple[str, ...] = ()

# --------------------------------------------------------------------------------------


class EventFailed(Exception):
    """A place failed and no branch takes it: what comes after it does not start."""

    def __init__(self, place: str, result: Any) -> None:
        super().__init__(f"{place} failed: {result}")
        self.order = PLACES.index(place)
        self.result = result


class RunStopped(Exception):  # stop-only
    """An event that ends the whole run has raised."""  # stop-only


class Repeat(Exception):
    """An attempt failed, and the event's retry policy covers that."""


class Ended(NamedTuple):
    """How a place ended: 0 is failure, 1 success, 3 to 9 are the event's own."""

    descriptor: int
    result: Any


def worth_repeating(task: Any, task_run: Any, state: Any) -> bool:
    """Whether Prefect runs the task again (`retry_condition_fn`)."""
    return isinstance(state.data, Repeat)


def late_or_worth_repeating(task: Any, task_run: Any, state: Any) -> bool:
    """The same where an attempt that took too long is repeated as well."""
    return isinstance(state.data, (Repeat, TimeoutError))


def attempt(
    event: Any,
    name: str,
    place: str,
    received: Any,
    inputs: dict[str, Any],
    branches: tuple[int, ...],
    **options: Any,
) -> State[Any]:
    """Run an event once, inside of a task; the state says how it ended."""
    context = TaskRunContext.get()
    assert context is not None
    run = context.task_run
    spec = spec_of(name, event, **options)
    call = Call(place, str(run.flow_run_id), inputs, received, run.run_count)
    outcome = run_attempt(spec, call)
    descriptor, result = outcome.descriptor, outcome.result
    if spec.timeout and outcome.ended_at - outcome.started_at >= spec.timeout:
        raise TimeoutError(f"{name} took longer than {spec.timeout:g} s")
    if outcome.retry_after is not None:
        raise Repeat(str(result))
    if descriptor == 1:
        return Completed(data=result)
    if descriptor > 1 and descriptor in branches:
        return Completed(name=f"Outcome {descriptor}", data=result)
    if descriptor > 1:
        said = f"{name} finished with descriptor {descriptor}, which has no branch"
        result = Failure("UnhandledDescriptor", said)
    if place in STOPS and isinstance(result, Failure):  # stop-only
        return Failed(message=f"{place} failed: {result}", data=result)  # stop-only
    if 0 in branches:
        return Completed(name="Handled", message=str(result), data=result)
    return Failed(message=f"{place} failed: {result}", data=result)


@task(task_run_name="{place}")
def skipped(place: str) -> State[Any]:
    """Show a place that is not reached, because another branch was taken."""
    return Cancelled(name="Skipped", message="another branch was taken")


class Run:
    """One run of the flow: its inputs, and the task runs of its places."""

    def __init__(self, **inputs: Any) -> None:
        self.inputs = inputs
        self.futures: dict[str, Any] = {}
        self.stopped = False  # stop-only

    async def ended(
        self,
        task: Task[..., Any],
        place: str,
        received: Any = None,
        *,
        after: tuple[str, ...] = (),
        runner: Any = None,
    ) -> Ended:
        """Run the task of a place; how it ended, whatever that is."""
        if self.stopped:  # stop-only
            raise RunStopped("the run was stopped")  # stop-only
        known = [self.futures[name] for name in after if name in self.futures]
        before = [allow_failure(future) for future in known]
        if runner is None:
            future = task.submit(place, received, self.inputs, wait_for=before)
        else:
            given = {"place": place, "received": received, "inputs": self.inputs}
            future = runner.submit(task, given, wait_for=before)
        self.futures[place] = future
        await finished(future)
        state = future.state
        result = await state.aresult(raise_on_failure=False)
        if isinstance(result, TimeoutError):
            result = Failure("TimeoutError", str(result))
        if place in STOPS and isinstance(result, Failure):  # stop-only
            self.stopped = True  # stop-only
            raise RunStopped(f"{place} ended the run: {result}")  # stop-only
        if not state.is_completed() or state.name == "Handled":
            return Ended(0, result)
        _, _, own = (state.name or "").partition("Outcome ")
        return Ended(int(own) if own else 1, result)

    async def result(
        self, task: Task[..., Any], place: str, received: Any = None, **options: Any
    ) -> Any:
        """Run the task of a place that has to succeed; its result."""
        ended = await self.ended(task, place, received, **options)
        if ended.descriptor == 0:
            raise EventFailed(place, ended.result)
        return ended.result

    async def skip(self, *places: str) -> None:
        """Show that these places are not reached."""
        for place in places:
            self.futures[place] = skipped.submit(place)
        for place in places:
            await finished(self.futures[place])


async def finished(future: Any) -> None:
    """Wait for a task run, and let others go on meanwhile."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: Any) -> None:
        loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    await done.wait()
    future.wait()


async def all_of(*arms: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run arms at once, each to its end; all of them have to succeed."""
    ended = await asyncio.gather(*arms, return_exceptions=True)
    failures = [each for each in ended if isinstance(each, EventFailed)]
    for each in ended:
        if isinstance(each, BaseException) and each not in failures:
            raise each
    if failures:
        raise min(failures, key=lambda failure: failure.order)
    return ended


async def any_of(*arms: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run arms at once, each to its end; one success is enough."""
    ended = await asyncio.gather(*arms, return_exceptions=True)
    failures = [each for each in ended if isinstance(each, EventFailed)]
    for each in ended:
        if isinstance(each, BaseException) and each not in failures:
            raise each
    if len(failures) == len(arms):
        raise min(failures, key=lambda failure: failure.order)
    return [None if isinstance(each, EventFailed) else each for each in ended]

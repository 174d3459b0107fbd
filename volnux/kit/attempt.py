"""Runs one attempt of an event, on the event's executor and within its time limit.

It is for hosts that only run Python code: `attempt` blocks, `attempt_async` does not, and
`event_async` makes all attempts of an event.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor

from volnux.events.base import NotSentError, WorkerLost
from volnux.events.executors import ExecutorKind
from volnux.events.outcome import Call, Outcome
from volnux.events.remote import read_outcome, remote_task
from volnux.events.run import raised, run_attempt, run_attempt_async, too_long
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, no_branch
from volnux.hooks import Hooks
from volnux.kit.processes import Surroundings, WorkerGroup, begin_worker, made_pool, worker_context
from volnux.usercode import RunThread

__all__ = [
    "TimeIsOver",
    "as_taken",
    "attempt",
    "attempt_async",
    "event_async",
    "in_pool",
    "in_time",
    "needs_process",
]


class TimeIsOver(Exception):
    """An attempt exceeded its limit; it keeps running, and nothing waits for it."""


def attempt(spec: EventSpec, call: Call) -> Outcome:
    """Run an attempt in this thread, or in a new process if its executor class requires that."""
    started = time.time()
    try:
        if needs_process(spec):
            return in_pool(spec, call, lambda: one_worker(spec), timeout=spec.timeout)
        if spec.timeout is None:
            return run_attempt(spec, call)
        return in_time(spec, call, spec.timeout, lambda: None)
    except TimeIsOver:
        return raised(spec, call, too_long(spec), started)


async def attempt_async(spec: EventSpec, call: Call) -> Outcome:
    """Run an attempt without blocking the event loop; a coroutine runs on that loop."""
    if not spec.is_async or needs_process(spec):
        return await asyncio.to_thread(attempt, spec, call)
    started = time.time()
    try:
        return await asyncio.wait_for(run_attempt_async(spec, call), spec.timeout)
    except TimeoutError:
        return raised(spec, call, too_long(spec), started)


def as_taken(spec: EventSpec, outcome: Outcome, taken: Collection[int]) -> Outcome:
    """The outcome for the flow: a descriptor without a branch becomes a failure.

    Args:
        spec: the event.
        outcome: the outcome of the attempt.
        taken: the descriptors that have a branch; see `Topology.taken`.
    """
    if outcome.descriptor <= SUCCESS or outcome.descriptor in taken:
        return outcome
    failure = no_branch(spec.name, outcome.descriptor, taken)
    return outcome._replace(descriptor=FAILURE, result=failure)


async def event_async(
    spec: EventSpec,
    call: Call,
    taken: Collection[int],
    hooks: Hooks,
    begins: Callable[[int], object],
    ends: Callable[[Outcome], object],
) -> Outcome:
    """Run an event with all the attempts that its policy allows, and wait between its calls.

    Args:
        spec: the event.
        call: the arguments of the attempt.
        taken: the descriptors that have a branch.
        hooks: the hooks of the run.
        begins: called with the number of the attempt when a call begins.
        ends: called with the outcome of each call.
    """
    while True:
        begins(call.attempt)
        hooks.began(spec, call)
        outcome = await attempt_async(spec, hooks.call(spec, call))
        ends(outcome)
        hooks.attempt_ended(spec, call, as_taken(spec, outcome, taken))
        if outcome.retry_after is None:
            return outcome
        await asyncio.sleep(outcome.retry_after)
        call = call.after(outcome)


def needs_process(spec: EventSpec) -> bool:
    """Whether the event's executor class is a pool of something other than threads."""
    where = spec.executor
    if where.kind is not ExecutorKind.POOL or where.pool is None:
        return False
    return not issubclass(where.pool, ThreadPoolExecutor)


def in_time(spec: EventSpec, call: Call, limit: float, late: Callable[[], object]) -> Outcome:
    """Run an attempt in a thread; if it exceeds its time limit, the thread is left running.

    Args:
        spec: the event.
        call: the arguments of the attempt.
        limit: the maximum duration of the attempt in seconds.
        late: called when an attempt that was left running has ended.

    Raises:
        TimeIsOver: the attempt has not ended in time.
        KeyboardInterrupt: the event raised it.
    """
    ended: list[Outcome | KeyboardInterrupt] = []
    over = threading.Event()
    context = contextvars.copy_context()

    def target() -> None:
        try:
            ended.append(context.run(run_attempt, spec, call))
        except KeyboardInterrupt as interrupt:
            ended.append(interrupt)
        if over.is_set():
            late()

    thread = RunThread(target, f"volnux-{call.task_id}")
    thread.start()
    thread.join(limit)
    if not ended:
        over.set()
        raise TimeIsOver
    if isinstance(ended[0], KeyboardInterrupt):
        raise ended[0]
    return ended[0]


def in_pool(
    spec: EventSpec, call: Call, make: Callable[[], Executor], *, timeout: float | None = None
) -> Outcome:
    """Run an attempt in a new pool, which ends with the attempt.

    Args:
        spec: the event.
        call: the arguments of the attempt.
        make: creates the pool.
        timeout: the maximum duration of the attempt in seconds.

    Raises:
        TimeIsOver: the attempt has not ended in time; its process has been ended.
        BaseException: an exception that a host raised in this thread; the process has been ended.
    """
    began = time.time()
    executor: Executor | None = None
    try:
        task = remote_task(spec, call)
        executor = make()
        ended = read_outcome(executor.submit(task).result(timeout), spec)
    except BrokenExecutor:
        lost = WorkerLost(f"a worker process of the pool that ran {spec.name} died")
        return raised(spec, call, lost, began)
    except NotSentError as error:
        return raised(spec, call, error, began)
    except BaseException as error:
        if executor is not None:
            _kill(executor)
        if isinstance(error, TimeoutError) and timeout is not None:
            raise TimeIsOver from None
        raise
    finally:
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
    if isinstance(ended, BaseException):
        return raised(spec, call, ended, began)
    return ended


def one_worker(spec: EventSpec) -> Executor:
    """A pool of one worker, of the event's executor class."""
    assert spec.executor.pool is not None
    settings = spec.executor.config.settings_for(spec.executor.pool)
    offered = {
        "max_workers": 1,
        "mp_context": worker_context(),
        "initializer": begin_worker,
        "initargs": (Surroundings(),),
    }
    return made_pool(spec.executor.pool, {**offered, **settings, "max_workers": 1})


def _kill(executor: Executor) -> None:
    """Kill the processes of a pool, if it has any, and the processes that they started."""
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        WorkerGroup(process).kill()

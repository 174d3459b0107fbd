"""Batch pipelines as flows that run a subflow for each batch, several of them at once."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prefect import Flow, Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from volnux.events.link import Plan
from volnux.kit.processes import default_workers
from volnux_prefect import compat
from volnux_prefect.instants import for_all_below, instant_and_inputs
from volnux_prefect.serializer import store_tagged

if TYPE_CHECKING:
    from volnux.pipeline.batch import BatchPipeline

__all__ = ["batch_body", "batch_runner", "workers_of"]

_MOST_NAMED = 20
"""The maximum number of batches that a message lists."""


class Batch:
    """One batch, the argument of its task. Prefect does not inspect objects of a plain class."""

    __slots__ = ("flow", "inputs", "instant")

    def __init__(
        self, flow: Flow[Any, Any], inputs: Mapping[str, Any], instant: dt.datetime
    ) -> None:
        self.flow = flow
        self.inputs = inputs
        self.instant = instant


def batch_body(
    cls: type[BatchPipeline], plan: Plan, template: Flow[Any, Any], workers: int
) -> Callable[..., State[Any]]:
    """Return the function that is the body of a batch pipeline's flow.

    Args:
        cls: the batch pipeline.
        plan: the plan that each batch runs.
        template: the flow that runs one batch.
        workers: the maximum number of concurrent batches.
    """

    def body(**parameters: Any) -> State[Any]:
        store_tagged()
        instant, inputs = instant_and_inputs(plan.graph, parameters)
        given = {name: value for name, value in inputs.items() if value is not None}
        states = list(_run_all(cls(**given).batches(), template, workers, instant))
        failed = [number for number, state in enumerate(states, start=1) if not _good(state)]
        if failed:
            shown = ", ".join(map(str, failed[:_MOST_NAMED]))
            shown += " …" if len(failed) > _MOST_NAMED else ""
            return Failed(message=f"{len(failed)} of {len(states)} batches failed: {shown}")
        results = [compat.result_of(state) for state in states]
        return Completed(message=f"{len(states)} batches", data=results)

    return body


def batch_runner(workers: int) -> ThreadPoolTaskRunner[Any]:
    """The task runner for batches: each of its threads waits for one subflow."""
    return ThreadPoolTaskRunner(max_workers=workers)


def workers_of(cls: type[BatchPipeline]) -> int:
    """The maximum number of concurrent batches of a class."""
    return cls.max_workers or default_workers()


def _run_batch(batch: Batch) -> State[Any]:
    """Run one batch as a subflow, and return its final state."""
    run: Any = batch.flow
    with for_all_below(batch.instant), compat.no_transaction():
        state: State[Any] = run(return_state=True, **batch.inputs)
    if _good(state):
        return Completed(message=state.message, data=compat.result_of(state))
    return Failed(message=state.message)


def _run_all(
    batches: Iterator[dict[str, Any]],
    template: Flow[Any, Any],
    workers: int,
    instant: dt.datetime,
) -> Iterator[State[Any]]:
    """Run batches, at most one per worker at once. Each is only read when a worker is free."""
    context = FlowRunContext.get()
    assert context is not None
    task: Task[Any, Any] = Task(
        _run_batch,
        name=template.name,
        task_run_name="batch",
        cache_policy=NO_CACHE,
        log_prints=None,
    )
    task.task_key = f"{template.name}.batch"
    free = threading.Semaphore(workers)
    futures: list[Any] = []
    for number, inputs in enumerate(batches, start=1):
        free.acquire()
        own = task.with_options(task_run_name=f"{template.name}-{number}")
        subflow = template.with_options(flow_run_name=f"{template.name}-{number}")
        future = context.task_runner.submit(own, {"batch": Batch(subflow, inputs, instant)})
        future.add_done_callback(lambda _: free.release())
        futures.append(future)
    for future in futures:
        future.wait()
        yield future.state


def _good(state: State[Any]) -> bool:
    return state.is_completed()

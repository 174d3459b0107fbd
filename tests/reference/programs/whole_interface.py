"""A program that uses the whole Python interface, for the type checker."""

# ruff: noqa: RUF012, T201 - class attributes and output as a user writes them

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import volnux
from volnux import (
    EventBase,
    EventExecutionEvaluationState,
    ExecutionContext,
    ExecutorInitializerConfig,
    FileInputDataField,
    InputDataField,
    InputError,
    Pipeline,
    RetryPolicy,
    RunFailedError,
    WorkerLost,
)
from volnux.decorators import event, listener
from volnux.pipeline import BatchPipeline, BatchProgress, BatchReport, BatchResult
from volnux.signal import SoftSignal
from volnux.signal.signals import event_execution_end, task_completed, task_failed


class Load(EventBase):
    executor = ThreadPoolExecutor
    executor_config = ExecutorInitializerConfig(max_workers=2)
    retry_policy = RetryPolicy(max_attempts=3, retry_on_exceptions=[OSError, WorkerLost])
    execution_evaluation_state = EventExecutionEvaluationState.SUCCESS_FOR_PARTIAL_SUCCESS
    conditions = {3: lambda result: len(result) > 3}

    def process(self, names: list[str], book: volnux.FileInputDataField) -> tuple[bool, list[str]]:
        if self.attempt > 1 and not names:
            self.goto(4, self.previous_result)
        return True, names

    def can_bypass(self) -> tuple[bool, Any]:
        return not self.inputs["names"], []


@event(retry_policy={"max_attempts": 2}, stop_on_exception=True)
def count(previous_result: list[str]) -> tuple[int, int]:
    return 1, len(previous_result)


@event
async def rest() -> tuple[bool, None]:
    return True, None


class Names(Pipeline):
    names = InputDataField(data_type=list[str], batch_size=2)
    book = FileInputDataField()

    class Meta:
        pointy = "Load (1 |-> count, 3 -> rest, 4 -> rest)"


class AllNames(BatchPipeline):
    pipeline_template = Names
    listen_to_signals = [task_completed, SoftSignal("mine")]
    executor = "process"
    max_workers = 2


@listener([task_completed, task_failed], sender=Names)
def ended(sender: type[EventBase], task_id: str, execution_context: ExecutionContext) -> None:
    print(sender.__name__, task_id, execution_context.run_id)


@listener(event_execution_end)
def result(future: Future[Any]) -> None:
    print(future.result())


def one(names: list[str]) -> dict[str, Any]:
    try:
        pipeline = Names(names=names)
    except InputError as error:
        return dict(error.faults)
    timer = threading.Timer(60, pipeline.stop)
    timer.start()
    context = pipeline.start(workers=4)
    timer.cancel()
    try:
        context.raise_for_status()
    except RunFailedError as failed:
        first = failed.context.first_failed
        return {} if first is None else {first.event: first.failure}
    for place in context.filter_by_event(Load):
        print(place.event, place.state, place.descriptor, place.result)
    return context.results


def show(progress: BatchProgress) -> None:
    print(progress.done, progress.total, progress.last.status)


def many(source: Iterator[str]) -> BatchReport:
    report = AllNames(names=source).execute(progress=show, executor="thread", keep_results=False)
    for batch in report.failures:
        print(batch.index, batch.failure, batch.context)
    return report


def stream(source: Iterator[str]) -> Iterator[BatchResult]:
    yield from AllNames(names=source).stream(max_workers=1, executor="thread")

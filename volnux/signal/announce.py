"""What listeners are told of an event: one pair of calls around each attempt, on every backend."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from volnux.errors import VolnuxError
from volnux.events.executors import DefaultExecutor
from volnux.events.run import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, Failure
from volnux.signal import signals
from volnux.signal.soft import is_heard
from volnux.telemetry.records import attempt_ended, record_of

__all__ = [
    "EventFailedError",
    "announce_begin",
    "announce_end",
    "announce_stop",
    "hears_begin",
    "hears_end",
]


class EventFailedError(VolnuxError):
    """What `future.result()` raises for an event whose last attempt raised; see `failure`."""

    __module__ = "volnux"

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure

    def __reduce__(self) -> tuple[type[EventFailedError], tuple[Failure]]:
        return type(self), (self.failure,)


_BEGIN = frozenset({signals.event_execution_init.name, signals.event_execution_start.name})
_END = frozenset(
    {
        signals.event_execution_retry.name,
        signals.event_execution_retry_done.name,
        signals.event_execution_end.name,
        signals.task_completed.name,
        signals.task_failed.name,
    }
)
_ATTEMPT = frozenset({attempt_ended.name})
_ANY_END = _END | _ATTEMPT


def hears_begin() -> bool:
    """Whether `announce_begin` has anybody to tell."""
    return is_heard(_BEGIN)


def hears_end() -> bool:
    """Whether `announce_end` has anybody to tell."""
    return is_heard(_ANY_END)


def announce_begin(spec: EventSpec, call: Call, context: Any) -> None:
    """Tell listeners that an attempt begins; only the first attempt of an event is told."""
    if call.attempt > 1 or not hears_begin():
        return
    event = _event(spec, call)
    signals.event_execution_init.emit(
        spec.event_class,
        event=event,
        execution_context=context,
        executor=spec.executor.pool or spec.executor.url or DefaultExecutor,
        call_kwargs=spec.arguments(call.inputs, call.previous_result),
    )
    signals.event_execution_start.emit(spec.event_class, event=event, execution_context=context)


def announce_end(spec: EventSpec, call: Call, outcome: Outcome, context: Any) -> None:
    """Tell listeners how an attempt ended, and whether it is repeated."""
    if is_heard(_ATTEMPT):
        attempt_ended.emit(record=record_of(spec, call, outcome, context))
    if not is_heard(_END):
        return
    event = _event(spec, call)
    about = {"event": event, "execution_context": context}
    if outcome.retry_after is not None:
        signals.event_execution_retry.emit(
            spec.event_class,
            **about,
            task_id=call.task_id,
            backoff=outcome.retry_after,
            retry_count=call.attempt,
            max_attempts=spec.retry.max_attempts,
        )
        return
    if call.attempt > 1:
        signals.event_execution_retry_done.emit(
            spec.event_class, **about, task_id=call.task_id, max_attempts=spec.retry.max_attempts
        )
    signals.event_execution_end.emit(spec.event_class, **about, future=_future(outcome))
    ended = signals.task_failed if outcome.descriptor == FAILURE else signals.task_completed
    ended.emit(spec.event_class, **about, task_id=call.task_id, result=outcome.result)


def announce_stop(context: Any) -> None:
    """Tell listeners that a run is told to stop; of several calls for one run the first counts.

    Args:
        context: the `execution_context` of the run; None where there is none to tell of.
    """
    if context is None or getattr(context, "stopped", False):
        return
    context.stopped = True
    signals.pipeline_stop.emit(context.pipeline)


def _event(spec: EventSpec, call: Call) -> Any:
    return spec.event_class(
        call.task_id, call.run_id, call.attempt, call.inputs, call.previous_result
    )


def _future(outcome: Outcome) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    if isinstance(outcome.result, Failure):
        error = EventFailedError(outcome.result)
        error.__cause__ = outcome.result.cause()
        future.set_exception(error)
    else:
        future.set_result(outcome.result)
    return future

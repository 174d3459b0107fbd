"""Emits the signals of events when the hooks of a run report what happens."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from volnux.errors import VolnuxError
from volnux.events.executors import DefaultExecutor
from volnux.events.given import NotGivenError
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, Failure
from volnux.hooks import About, Listener
from volnux.signal import signals
from volnux.signal.soft import is_heard

__all__ = ["Announcer", "EventFailedError", "listener"]


class EventFailedError(VolnuxError):
    """Raised by `future.result()` if the last attempt of an event raised; see `failure`."""

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
        signals.event_execution_wait.name,
        signals.event_execution_end.name,
        signals.task_completed.name,
        signals.task_failed.name,
    }
)


def listener(about: About, loaded: frozenset[str]) -> Announcer | None:
    """The listener that emits signals; None if no signal can have listeners."""
    return Announcer(about.context) if "volnux.signal.soft" in loaded else None


class Announcer(Listener):
    """Emits the signals of events, and the signal that a run is asked to stop.

    Args:
        context: the `execution_context` of the run; None if there is none.
    """

    def __init__(self, context: Any) -> None:
        self._context = context

    def began(self, spec: EventSpec, call: Call) -> None:
        """See `Listener`; only the first call of an event is announced."""
        if call.attempt > 1 or call.polls is not None or not is_heard(_BEGIN):
            return
        event = _event(spec, call)
        signals.event_execution_init.emit(
            spec.event_class,
            event=event,
            execution_context=self._context,
            executor=spec.executor.pool or spec.executor.url or DefaultExecutor,
            call_kwargs={
                **spec.keywords(_inputs(spec, call), call.previous_result),
                **event.arguments,
            },
        )
        signals.event_execution_start.emit(
            spec.event_class, event=event, execution_context=self._context
        )

    def retries(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        if is_heard(_END):
            signals.event_execution_retry.emit(
                spec.event_class,
                event=_event(spec, call),
                execution_context=self._context,
                task_id=call.task_id,
                backoff=outcome.retry_after,
                retry_count=call.attempt,
                max_attempts=spec.retry.max_attempts,
            )

    def waits(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        if outcome.polls is not None and is_heard(_END):
            signals.event_execution_wait.emit(
                spec.event_class,
                event=_event(spec, call),
                execution_context=self._context,
                task_id=call.task_id,
                reason=outcome.result.message,
                wait=outcome.retry_after,
                polls=outcome.polls.number,
            )

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        if not is_heard(_END):
            return
        about = {"event": _event(spec, call), "execution_context": self._context}
        if call.attempt > 1:
            signals.event_execution_retry_done.emit(
                spec.event_class,
                **about,
                task_id=call.task_id,
                max_attempts=spec.retry.max_attempts,
            )
        signals.event_execution_end.emit(spec.event_class, **about, future=_future(outcome))
        ended = signals.task_failed if outcome.descriptor == FAILURE else signals.task_completed
        ended.emit(spec.event_class, **about, task_id=call.task_id, result=outcome.result)

    def stops(self, running: int | None) -> None:
        """See `Listener`; only the first call for a run has an effect."""
        if self._context is None or getattr(self._context, "stopped", False):
            return
        self._context.stopped = True
        signals.pipeline_stop.emit(self._context.pipeline)


def _inputs(spec: EventSpec, call: Call) -> Mapping[str, Any]:
    """The inputs that an event sees; none if the attempt will fail because of a wrong one."""
    try:
        return spec.inputs(call)
    except NotGivenError:
        return {}


def _event(spec: EventSpec, call: Call) -> Any:
    inputs = _inputs(spec, call)
    event = spec.event_class(
        call.task_id,
        call.run_id,
        call.attempt,
        inputs,
        call.previous_result,
        call.scheduled_at,
        spec.given.shown(inputs) if spec.given else {},
    )
    if call.numbers:
        event.index = call.numbers
    if call.polls is not None:
        event.polls = call.polls.number
    return event


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

"""The signals that pipelines emit.

Each is emitted in the process that drives the run (on an orchestrator: in the worker that runs the
task). The sender is the pipeline, or the class of the event. For `pipeline_pre_init` it is the
class of the pipeline, because the pipeline does not exist yet.
"""

from __future__ import annotations

from typing import Final

from volnux.signal.soft import SoftSignal

__all__ = [
    "event_execution_end",
    "event_execution_init",
    "event_execution_retry",
    "event_execution_retry_done",
    "event_execution_start",
    "event_execution_wait",
    "pipeline_execution_end",
    "pipeline_execution_start",
    "pipeline_post_init",
    "pipeline_pre_init",
    "pipeline_shutdown",
    "pipeline_stop",
    "task_completed",
    "task_failed",
]

pipeline_pre_init: Final = SoftSignal("pipeline_pre_init", ("cls", "args", "kwargs"))
"""Before a pipeline is initialised: its class, and the arguments it was given."""

pipeline_post_init: Final = SoftSignal("pipeline_post_init", ("pipeline",))
"""After a pipeline has been initialised."""

pipeline_shutdown: Final = SoftSignal("pipeline_shutdown", ())
"""A run is over, whatever its outcome: the last signal, for cleaning up."""

pipeline_stop: Final = SoftSignal("pipeline_stop", ())
"""A run was asked to stop (by a call, Ctrl-C, or an event that ends it); nothing new starts."""

pipeline_execution_start: Final = SoftSignal("pipeline_execution_start", ("pipeline",))
"""A run begins."""

pipeline_execution_end: Final = SoftSignal("pipeline_execution_end", ("execution_context",))
"""A run has ended, successfully or not; the context has its status, results and report."""

event_execution_init: Final = SoftSignal(
    "event_execution_init", ("event", "execution_context", "executor", "call_kwargs")
)
"""An event is about to run; gives its place and the arguments of `process`."""

event_execution_start: Final = SoftSignal("event_execution_start", ("event", "execution_context"))
"""The first attempt of an event begins."""

event_execution_end: Final = SoftSignal(
    "event_execution_end", ("event", "execution_context", "future")
)
"""The last attempt of an event has ended; `future.result()` returns its result or raises."""

event_execution_retry: Final = SoftSignal(
    "event_execution_retry",
    ("event", "execution_context", "task_id", "backoff", "retry_count", "max_attempts"),
)
"""An attempt failed; retry number `retry_count` follows after `backoff` seconds."""

event_execution_retry_done: Final = SoftSignal(
    "event_execution_retry_done", ("event", "execution_context", "task_id", "max_attempts")
)
"""An event that was retried has ended, successfully or not."""

event_execution_wait: Final = SoftSignal(
    "event_execution_wait",
    ("event", "execution_context", "task_id", "reason", "wait", "polls"),
)
"""An event said "not yet" for the reason `reason`, for the `polls`th time.

It is called again after `wait` seconds.
"""

task_completed: Final = SoftSignal(
    "task_completed", ("event", "execution_context", "task_id", "result")
)
"""An event finished with a descriptor other than 0."""

task_failed: Final = SoftSignal("task_failed", ("event", "execution_context", "task_id", "result"))
"""An event finished with descriptor 0; `result` is the returned value, or a `Failure`.

A descriptor from 2 to 9 without a branch also counts as a failure.
"""

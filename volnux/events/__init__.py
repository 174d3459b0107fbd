"""Events: how to define them, find them, link them to a graph, and run one."""

from __future__ import annotations

from volnux.events.base import (
    EventBase,
    EventDefinitionError,
    EventExecutionEvaluationState,
    WorkerLost,
    event,
)
from volnux.events.executors import EMPTY, DefaultExecutor, ExecutorInitializerConfig
from volnux.events.inputs import InputError, bind_inputs, read_inputs
from volnux.events.link import LinkError, Plan, link
from volnux.events.lookup import Lookup
from volnux.events.outcome import Call, Outcome
from volnux.events.retry import RetryPolicy
from volnux.events.run import run_attempt
from volnux.events.spec import EventSpec
from volnux.events.trying import run_event

__all__ = [
    "EMPTY",
    "Call",
    "DefaultExecutor",
    "EventBase",
    "EventDefinitionError",
    "EventExecutionEvaluationState",
    "EventSpec",
    "ExecutorInitializerConfig",
    "InputError",
    "LinkError",
    "Lookup",
    "Outcome",
    "Plan",
    "RetryPolicy",
    "WorkerLost",
    "bind_inputs",
    "event",
    "link",
    "read_inputs",
    "run_attempt",
    "run_event",
]

"""Events and their settings, at the import path of the original project."""

from __future__ import annotations

from volnux.events.base import EventBase, EventExecutionEvaluationState
from volnux.events.executors import EMPTY, DefaultExecutor, ExecutorInitializerConfig
from volnux.events.retry import RetryPolicy

__all__ = [
    "EMPTY",
    "DefaultExecutor",
    "EventBase",
    "EventExecutionEvaluationState",
    "ExecutorInitializerConfig",
    "RetryPolicy",
]

"""volnux: pipelines as text, with one meaning on every orchestrator."""

from __future__ import annotations

from volnux._lazy import lazy
from volnux._version import __version__

# Type checkers treat this name as true. Importing it from typing would take most of the time before
# the tool can handle Ctrl-C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from volnux.calling import arun, run
    from volnux.errors import PointyError, PointySyntaxError, VolnuxError
    from volnux.events.annotated import Outcome
    from volnux.events.approval import approval
    from volnux.events.base import (
        EventBase,
        EventExecutionEvaluationState,
        EventReturnError,
        NotSentError,
        NotYet,
        WorkerLost,
        event,
        not_yet,
    )
    from volnux.events.executors import EMPTY, DefaultExecutor, ExecutorInitializerConfig
    from volnux.events.given import (
        ArgumentError,
        InputTypeError,
        NotGivenError,
        SecretError,
        VariableError,
    )
    from volnux.events.inputs import InputError
    from volnux.events.retry import RetryPolicy
    from volnux.graph.outcome import RemoteTraceback
    from volnux.graph.report import RunFailedError, RunReport
    from volnux.pipeline.base import Pipeline
    from volnux.pipeline.context import ExecutionContext
    from volnux.pipeline.fields import FileInputDataField, InputDataField
    from volnux.signal.announce import EventFailedError
    from volnux.values.folders import StoreError
    from volnux.values.kinds import NotPortableError
    from volnux.values.store import ValueLostError

__all__ = [
    "EMPTY",
    "ArgumentError",
    "DefaultExecutor",
    "EventBase",
    "EventExecutionEvaluationState",
    "EventFailedError",
    "EventReturnError",
    "ExecutionContext",
    "ExecutorInitializerConfig",
    "FileInputDataField",
    "InputDataField",
    "InputError",
    "InputTypeError",
    "NotGivenError",
    "NotPortableError",
    "NotSentError",
    "NotYet",
    "Outcome",
    "Pipeline",
    "PointyError",
    "PointySyntaxError",
    "RemoteTraceback",
    "RetryPolicy",
    "RunFailedError",
    "RunReport",
    "SecretError",
    "StoreError",
    "ValueLostError",
    "VariableError",
    "VolnuxError",
    "WorkerLost",
    "__version__",
    "approval",
    "arun",
    "event",
    "not_yet",
    "run",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.errors": ("PointyError", "PointySyntaxError", "VolnuxError"),
        "volnux.signal.announce": ("EventFailedError",),
        "volnux.events.annotated": ("Outcome",),
        "volnux.events.approval": ("approval",),
        "volnux.events.base": (
            "EventBase",
            "EventExecutionEvaluationState",
            "EventReturnError",
            "NotSentError",
            "NotYet",
            "WorkerLost",
            "event",
            "not_yet",
        ),
        "volnux.events.executors": ("EMPTY", "DefaultExecutor", "ExecutorInitializerConfig"),
        "volnux.events.given": (
            "ArgumentError",
            "InputTypeError",
            "NotGivenError",
            "SecretError",
            "VariableError",
        ),
        "volnux.events.inputs": ("InputError",),
        "volnux.events.retry": ("RetryPolicy",),
        "volnux.pipeline.fields": ("FileInputDataField", "InputDataField"),
        "volnux.graph.outcome": ("RemoteTraceback",),
        "volnux.pipeline.base": ("Pipeline",),
        "volnux.calling": ("arun", "run"),
        "volnux.pipeline.context": ("ExecutionContext",),
        "volnux.graph.report": ("RunFailedError", "RunReport"),
        "volnux.values.folders": ("StoreError",),
        "volnux.values.kinds": ("NotPortableError",),
        "volnux.values.store": ("ValueLostError",),
    },
)

"""volnux: pipelines as text, with one meaning on every orchestrator."""

from __future__ import annotations

from volnux._version import __version__

# Type checkers take this name for true. Importing it from typing would take most of the time until
# the tool can answer Ctrl-C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from volnux.errors import PointyError, PointySyntaxError, VolnuxError
    from volnux.events.announce import EventFailedError
    from volnux.events.base import (
        EventBase,
        EventExecutionEvaluationState,
        EventReturnError,
        NotPortableError,
        NotSentError,
        WorkerLost,
        event,
    )
    from volnux.events.executors import EMPTY, DefaultExecutor, ExecutorInitializerConfig
    from volnux.events.inputs import InputError
    from volnux.events.retry import RetryPolicy
    from volnux.fields import FileInputDataField, InputDataField
    from volnux.graph.outcome import RemoteTraceback
    from volnux.pipeline.base import Pipeline
    from volnux.pipeline.calling import arun, run
    from volnux.pipeline.context import ExecutionContext, RunFailedError

__all__ = [
    "EMPTY",
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
    "NotPortableError",
    "NotSentError",
    "Pipeline",
    "PointyError",
    "PointySyntaxError",
    "RemoteTraceback",
    "RetryPolicy",
    "RunFailedError",
    "VolnuxError",
    "WorkerLost",
    "__version__",
    "arun",
    "event",
    "run",
]

_HOMES = {
    "InputDataField": "volnux.fields",
    "FileInputDataField": "volnux.fields",
    "RunFailedError": "volnux.pipeline.context",
    "InputError": "volnux.events.inputs",
    "ExecutionContext": "volnux.pipeline.context",
    "EventFailedError": "volnux.events.announce",
    "Pipeline": "volnux.pipeline.base",
    "EMPTY": "volnux.events.executors",
    "DefaultExecutor": "volnux.events.executors",
    "EventBase": "volnux.events.base",
    "EventExecutionEvaluationState": "volnux.events.base",
    "ExecutorInitializerConfig": "volnux.events.executors",
    "EventReturnError": "volnux.events.base",
    "NotPortableError": "volnux.events.base",
    "NotSentError": "volnux.events.base",
    "PointyError": "volnux.errors",
    "PointySyntaxError": "volnux.errors",
    "RemoteTraceback": "volnux.graph.outcome",
    "RetryPolicy": "volnux.events.retry",
    "VolnuxError": "volnux.errors",
    "arun": "volnux.pipeline.calling",
    "run": "volnux.pipeline.calling",
    "WorkerLost": "volnux.events.base",
    "event": "volnux.events.base",
}


def __getattr__(name: str) -> Any:
    # Names are fetched at first use: `import volnux` inside a host costs next to nothing.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

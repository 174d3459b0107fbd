"""What differs between versions of Prefect, and the parts of it that are no documented interface.

Supported are 3.7 and 3.8. Everything else here imports documented names only.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import Any

from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, StateType, TaskRunResult
from prefect.context import TaskRunContext
from prefect.logging import get_logger, get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.results import (  # type: ignore[attr-defined]  # passes two of them on in silence
    ResultRecord,
    ResultRecordMetadata,
    get_result_store,
    should_persist_result,
)

from volnux.events.link import Plan

__all__ = [
    "OwnKey",
    "attempt_number",
    "dumps",
    "edge",
    "logger",
    "persists",
    "result_of",
    "returned_state",
    "run_logger",
    "send_logs_of",
    "state_type",
]


def state_type(name: str) -> StateType:
    """The state type of that name."""
    return StateType[name]


def attempt_number() -> int:
    """The number of the attempt that runs here, from 1; 1 outside of a task run."""
    context = TaskRunContext.get()
    return max(1, context.task_run.run_count) if context else 1


def persists() -> bool:
    """Whether the result of what runs here is written to result storage."""
    return bool(should_persist_result())


@dataclass
class OwnKey(CachePolicy):
    """A cache policy that never finds anything: each task run has a key of its own.

    With NO_CACHE Prefect stores no results, also where the flow says `persist_result=True`.
    """

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """The id of the task run; nothing where results are not stored."""
        return str(task_ctx.task_run.id) if should_persist_result() else None


def dumps(result: Any) -> bytes:
    """The result as result storage would hold it.

    Raises:
        Exception: whatever the result raises when it is pickled.
    """
    data: bytes = get_result_store().serializer.dumps(result)
    return data


def result_of(state: State[Any]) -> Any:
    """What a task returned in a state, also one that failed."""
    data = state.data
    if isinstance(data, ResultRecord):
        return data.result
    if isinstance(data, ResultRecordMetadata):
        # Not kept in memory: it is read back from storage. A failed state has no public way.
        copy = State(type=StateType.COMPLETED, data=data)
        return copy.result(raise_on_failure=False, _sync=True)  # type: ignore[call-overload]  # not in the overloads
    return data


def returned_state(state: State[Any]) -> State[Any]:
    """The state that a task returned, from what a retry condition is given.

    Prefect 3.7 wraps it in another failed state, 3.8 does not.
    """
    return state.data if isinstance(state.data, State) else state


def edge(task_run_id: uuid.UUID) -> TaskRunResult:
    """What `task_inputs` holds for a task run that comes before."""
    return TaskRunResult(id=task_run_id)


def logger() -> logging.Logger:
    """The adapter's logger, for what belongs to no run."""
    return get_logger("volnux")


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of the task run or flow run that runs here."""
    from prefect.exceptions import MissingContextError

    try:
        return get_run_logger()
    except MissingContextError:
        return logger()


def send_logs_of(plan: Plan) -> None:
    """Send what the modules of a plan's events log to Prefect, as its extra loggers are."""
    modules = {
        spec.event_class.__module__.partition(".")[0] for spec in plan.specs if spec is not None
    }
    for name in sorted({*modules, "volnux"} - {"__main__"}):
        found = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in found.handlers):
            found.addHandler(APILogHandler())
            if found.level == logging.NOTSET:
                found.setLevel(logging.INFO)

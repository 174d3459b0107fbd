"""Differences between versions of Prefect, and the undocumented parts that we use.

Prefect 3.7 to 3.9 are supported. All other modules of this package import only documented names.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefect import Task
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.context import FlowRunContext, TaskRunContext, serialize_context
from prefect.exceptions import FailedRun
from prefect.filesystems import LocalFileSystem
from prefect.futures import PrefectConcurrentFuture
from prefect.logging import get_logger, get_run_logger
from prefect.results import (  # type: ignore[attr-defined]  # re-exports two of them implicitly
    ResultRecord,
    ResultRecordMetadata,
    get_result_store,
    should_persist_result,
)
from prefect.serializers import Serializer
from prefect.settings import get_current_settings
from prefect.task_engine import run_task_sync
from prefect.task_runners import (
    ProcessPoolTaskRunner,
    TaskRunner,
    ThreadPoolTaskRunner,
    _run_task_in_subprocess,
    _UnpicklingFuture,
)
from prefect.transactions import Transaction, get_transaction
from prefect.utilities.callables import cloudpickle_wrapped_call
from prefect.utilities.engine import emit_task_run_state_change_event

from volnux.events.base import WorkerLost

__all__ = [
    "OwnKey",
    "Storage",
    "WorkerInterrupted",
    "attempt_number",
    "current_task_run",
    "goes_on",
    "guard",
    "logger",
    "no_transaction",
    "paused_task_run",
    "persists",
    "result_of",
    "result_serializer",
    "retried",
    "returned_state",
    "run_logger",
    "store_nothing",
    "store_with",
    "submit_again",
    "tell",
]


def attempt_number() -> int:
    """The number of the current attempt, starting at 1; 1 outside of a task run."""
    context = TaskRunContext.get()
    return max(1, context.task_run.run_count) if context else 1


def current_task_run() -> TaskRun | None:
    """A copy of the current task run; None outside of a task run."""
    context = TaskRunContext.get()
    return context.task_run.model_copy() if context else None


def goes_on(since: float) -> None:
    """Restore what Prefect changes in a task run that goes on with the same attempt.

    Args:
        since: when it first started, in seconds since the epoch.
    """
    context = TaskRunContext.get()
    if context is not None:
        task_run: Any = context.task_run
        task_run.start_time = dt.datetime.fromtimestamp(since, dt.UTC)
        task_run.run_count -= 1


def paused_task_run(paused: State[Any]) -> TaskRun | None:
    """A copy of the current task run as it will be in a paused state; None outside of one."""
    task_run = current_task_run()
    if task_run is not None:
        assert task_run.state is not None
        task_run.total_run_time += paused.timestamp - task_run.state.timestamp
        _enter(task_run, State(type=paused.type, name=paused.name, timestamp=paused.timestamp))
    return task_run


def persists() -> bool:
    """Whether the result of the current run is written to result storage."""
    return bool(should_persist_result())


@dataclass
class OwnKey(CachePolicy):
    """A cache policy without cache hits: each task run has its own key.

    With NO_CACHE, Prefect does not store results even if the flow sets `persist_result=True`.
    """

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """The id of the task run; None if results are not stored."""
        return str(task_ctx.task_run.id) if should_persist_result() else None


def result_serializer() -> Serializer[Any]:
    """The serializer that writes the result of the current run."""
    return get_result_store().serializer


def store_nothing() -> None:
    """Store no result of the current attempt, because it will be repeated.

    Otherwise Prefect would store None, and the next attempt would take it for its own result.
    """
    transaction = get_transaction()
    if transaction is not None:
        transaction.write_on_commit = False


@contextlib.contextmanager
def no_transaction() -> Iterator[None]:
    """A block whose tasks do not belong to the transaction of the task that runs it.

    If one of them returned a failed state, Prefect 3.9 would roll back all the others.
    """
    token = Transaction.__var__.set(None)  # type: ignore[arg-type]  # None: no transaction
    try:
        yield
    finally:
        Transaction.__var__.reset(token)


def store_with(serializer: Serializer[Any]) -> None:
    """Store the results of the current flow run with a serializer, unless the user chose one.

    An option of the flow would do the same, but it would also make Prefect store results.
    """
    context = FlowRunContext.get()
    chosen = get_current_settings().results.model_fields_set
    if context is not None and "default_serializer" not in chosen:
        # It is set if an option of this flow, or of one around it, says so.
        store = context.result_store
        if "serializer" not in store.model_fields_set:
            store.serializer = serializer


def retried(state: State[Any]) -> State[Any]:
    """Return the final state of the current flow run.

    Raises:
        FailedRun: the flow has failed, and has `retries` left. Prefect runs a flow again in the
            same process only after an error; after a failed state, nobody would run it.
    """
    context = FlowRunContext.get()
    flow_run = context.flow_run if context is not None else None
    if flow_run is not None and state.is_failed():
        retries = flow_run.empirical_policy.retries
        if retries is not None and flow_run.run_count <= retries:
            raise FailedRun(state.message)
    return state


class Storage:
    """The result storage of a flow run, for files of our own.

    Args:
        block: the file system.
        folder: where the files are.

    Attributes:
        is_local: whether it is a folder of this machine.
    """

    def __init__(self, block: Any, folder: str) -> None:
        self._block = block
        self._folder = folder
        self.is_local = isinstance(block, LocalFileSystem)

    def __str__(self) -> str:
        where = getattr(self._block, "basepath", None)
        return f"the result storage ({type(self._block).__name__}{f' {where}' if where else ''})"

    @classmethod
    def here(cls) -> Storage | None:
        """That of the current flow run; None if there is none, or it must not store results."""
        context = FlowRunContext.get()
        if context is None or context.flow_run is None or context.flow is None:
            return None
        block = context.result_store.result_storage
        if block is None or context.flow.persist_result is False:
            return None
        return cls(block, f"volnux-run-{context.flow_run.id}")

    def write(self, name: str, content: bytes) -> None:
        """Write a file.

        Raises:
            Exception: whatever the file system raises.
        """
        self._block.write_path(f"{self._folder}/{name}", content=content, _sync=True)

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            Exception: whatever the file system raises if there is no such file, or otherwise.
        """
        content: bytes = self._block.read_path(f"{self._folder}/{name}", _sync=True)
        return content

    def clear(self) -> None:
        """Remove all files, if the storage is a local folder. Prefect cannot remove others."""
        if self.is_local:
            folder = self._block._resolve_path(self._folder)
            shutil.rmtree(folder, ignore_errors=True)


def result_of(state: State[Any]) -> Any:
    """Return the result of a task from its final state, even if the task failed."""
    data = state.data
    if isinstance(data, ResultRecord):
        return data.result
    if isinstance(data, ResultRecordMetadata):
        # The result is not in memory, so read it from storage. Prefect has no public method that
        # does this for a failed state.
        copy = State(type=StateType.COMPLETED, data=data)
        return copy.result(raise_on_failure=False, _sync=True)  # type: ignore[call-overload]  # missing from the overloads
    return data


def returned_state(state: State[Any]) -> State[Any]:
    """Return the state that a task returned, from the state that a retry condition receives.

    Prefect 3.7 wraps the returned state in another failed state. Newer versions do not.
    """
    return state.data if isinstance(state.data, State) else state


def logger() -> logging.Logger:
    """The adapter's logger, for messages that do not belong to a run."""
    return get_logger("volnux")


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of the current task run or flow run."""
    from prefect.exceptions import MissingContextError

    try:
        return get_run_logger()
    except MissingContextError:
        return logger()


def tell(task_run: TaskRun, state: State[Any], before: State[Any] | None = None) -> None:
    """Report a task run's state to the server in the background, as Prefect's engine does."""
    _enter(task_run, state)
    emit_task_run_state_change_event(task_run, initial_state=before, validated_state=state)


def _enter(task_run: TaskRun, state: State[Any]) -> None:
    details = state.state_details
    details.task_run_id, details.flow_run_id = task_run.id, task_run.flow_run_id
    task_run.state, task_run.state_id = state, state.id
    task_run.state_type, task_run.state_name = state.type, state.name


# Task runs that go on.


def submit_again(
    runner: TaskRunner[Any], task: Task[Any, Any], task_run: TaskRun, parameters: dict[str, Any]
) -> Any:
    """Submit a task run that is paused to its task runner again, and return a future.

    `TaskRunner.submit` always makes a new task run. A task runner of a type that is not known here
    gets one, and the paused task run ends.
    """
    work = {"task": task, "task_run": task_run, "parameters": parameters, "return_type": "state"}
    if isinstance(runner, ThreadPoolTaskRunner):
        threads: Any = runner._executor
        done = threads.submit(contextvars.copy_context().run, run_task_sync, **work)
        return PrefectConcurrentFuture(task_run.id, done)
    if isinstance(runner, ProcessPoolTaskRunner):
        processes: Any = runner._executor
        # The task runner has made the variables for the first call.
        around = {"context": serialize_context(), "env": runner._cached_env}
        call = cloudpickle_wrapped_call(_run_task_in_subprocess, **around, **work)
        return PrefectConcurrentFuture(task_run.id, _UnpicklingFuture(processes.submit(call)))
    if type(runner).__name__ == "DaskTaskRunner":
        from prefect_dask.task_runners import PrefectDaskFuture

        client: Any = getattr(runner, "client")  # noqa: B009 - not every task runner has one
        done = client.submit(run_task_sync, context=serialize_context(), pure=False, **work)
        return PrefectDaskFuture(task_run_id=task_run.id, wrapped_future=done)
    tell(task_run, State(type=StateType.COMPLETED, name="NotYet"), task_run.state)
    return runner.submit(task, parameters)


# Process pools.


class WorkerInterrupted(Exception):
    """An event in another process raised `KeyboardInterrupt`."""


def guard(runner: TaskRunner[Any]) -> None:
    """Make sure that no task in the process pool of a started task runner waits for ever.

    After Ctrl-C or SIGTERM, a worker raises an error that is not an `Exception`. The thread of
    Prefect that reads the result does not catch such an error and dies. Then all tasks would wait.
    """
    pool = getattr(runner, "_executor", None)
    if isinstance(pool, ProcessPoolExecutor) and "submit" not in vars(pool):
        submit: Callable[..., Future[bytes]] = pool.submit
        vars(pool)["submit"] = lambda call: submit(partial(_ends, call))


def _ends(call: Callable[[], bytes]) -> bytes:
    try:
        return call()
    except Exception:
        raise
    except KeyboardInterrupt as interrupt:
        raise WorkerInterrupted from interrupt
    except BaseException as error:
        raise WorkerLost(f"its worker process was told to end ({type(error).__name__})") from error

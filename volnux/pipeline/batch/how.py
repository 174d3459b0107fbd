"""The arguments that say where and how batches run."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from volnux.backends import Backend, get_backend
from volnux.errors import nearest
from volnux.kit.instants import instant_of
from volnux.pipeline.batch.job import Crew, Settings, ThreadCrew
from volnux.pipeline.definition import PipelineDefinitionError

if TYPE_CHECKING:
    from volnux.pipeline.batch.base import BatchPipeline

__all__ = ["How", "executor_name"]

_EXECUTORS = ("thread", "process")


class How(NamedTuple):
    """The arguments of `execute` that say where and how batches run."""

    executor: Any
    max_workers: int | None
    max_tasks_per_child: int | None
    backend: str | Backend
    workers: int | None
    portable: bool
    results: bool
    scheduled_at: dt.datetime | None

    def in_processes(self, batch: BatchPipeline) -> bool:
        chosen = batch.executor if self.executor is None else self.executor
        return executor_name(chosen) == "process"

    def workers_of(self, batch: BatchPipeline) -> int:
        """How many batches run at once."""
        given = batch.max_workers if self.max_workers is None else self.max_workers
        if given is None:
            cpus = os.cpu_count() or 1
            return cpus if self.in_processes(batch) else min(32, cpus + 4)
        return _at_least_one("max_workers", given)

    def crew(self, batch: BatchPipeline) -> Crew:
        """The crew that runs the batches."""
        backend = self.backend
        if isinstance(backend, str):
            # Looked up once, not for each batch: it can take longer than a batch.
            backend = get_backend(backend)
        template = batch.template()
        settings = Settings(
            template,
            backend,
            self.workers,
            self.portable,
            self.results,
            instant_of(template.plan().graph, self.scheduled_at),
        )
        tasks = batch.max_tasks_per_child
        if self.max_tasks_per_child is not None:
            tasks = self.max_tasks_per_child
        if tasks is not None:
            _at_least_one("max_tasks_per_child", tasks)
        if not self.in_processes(batch):
            return ThreadCrew(settings, batch)
        from volnux.pipeline.batch.process import ProcessCrew

        away = settings._replace(backend=self.backend)
        return ProcessCrew(away, tuple(batch.listen_to_signals), batch, tasks)


def executor_name(value: Any) -> str:
    """The name of an executor: `thread` or `process`.

    Raises:
        PipelineDefinitionError: it is neither of these names, nor one of their classes.
    """
    if value in _EXECUTORS:
        return str(value)
    if isinstance(value, type):
        # Imported late, because it imports all of multiprocessing.
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        for name, kind in zip(_EXECUTORS, (ThreadPoolExecutor, ProcessPoolExecutor), strict=True):
            if issubclass(value, kind):
                return name
    close = nearest(value, _EXECUTORS) if isinstance(value, str) else []
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise PipelineDefinitionError(
        f"the executor of a batch pipeline must be 'thread' or 'process', found {value!r}{hint}"
    )


def _at_least_one(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PipelineDefinitionError(
            f"{name} must be a whole number of at least 1, found {value!r}"
        )
    return value

"""`BatchPipeline`: runs one pipeline on a lot of data, in batches, several at once."""

from __future__ import annotations

import datetime as dt
import enum
import threading
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from volnux.backends import Backend
from volnux.backends.run_log import failed_batch
from volnux.events.failures import failure_of
from volnux.imported import imported
from volnux.pipeline.base import Pipeline, PipelineStateError
from volnux.pipeline.batch.cutting import Cut
from volnux.pipeline.batch.how import How, executor_name
from volnux.pipeline.batch.progress import ProgressOption, progress_to
from volnux.pipeline.batch.report import BatchReport, BatchResult, Tally
from volnux.pipeline.batch.run import BatchRun
from volnux.pipeline.definition import PipelineDefinitionError
from volnux.signal import signals
from volnux.signal.soft import SoftSignal

__all__ = ["BatchPipeline"]


class _State(enum.Enum):
    NEW = "new"
    RUNNING = "running"
    FINISHED = "finished"


class BatchPipeline:
    """Base class of batch pipelines: they cut data into batches and run a template on each.

    The data of every template field with a `batch_size` or `chunk_size` is cut into parts. Batch i
    gets part i of each, and the whole values of the other fields::

        class Names(Pipeline):
            name = InputDataField(data_type=list, batch_size=5)

        class AllNames(BatchPipeline):
            pipeline_template = Names

        report = AllNames(name=open("names.txt")).execute()

    Class attributes:
        pipeline_template: the pipeline that runs each batch.
        listen_to_signals: the signals of the batches that listeners to this class receive. Signals
            from worker processes reach listeners only if they are listed here.
        executor: where batches run: `"thread"` or `"process"` (or one of the pool classes).
        max_workers: the number of batches that run at once; None for a number that suits the
            machine.
        max_tasks_per_child: the number of batches after which a worker process is replaced; None
            for never.

    Args:
        **inputs: data for each field of the template. Data that is cut may have any length, and may
            be an iterator.

    Raises:
        InputError: inputs are missing, unknown, have a wrong type, or cannot be cut.
        PipelineDefinitionError: there is no template, or no field of it is cut.
    """

    pipeline_template: ClassVar[type[Pipeline] | None] = None
    listen_to_signals: ClassVar[Iterable[SoftSignal]] = ()
    executor: ClassVar[Any] = "thread"
    max_workers: ClassVar[int | None] = None
    max_tasks_per_child: ClassVar[int | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        template = cls.pipeline_template
        if template is not None and not (
            isinstance(template, type) and issubclass(template, Pipeline)
        ):
            raise PipelineDefinitionError(
                f"pipeline_template of {cls.__name__} must be a subclass of Pipeline, "
                f"found {template!r}"
            )
        heard = cls.listen_to_signals
        if isinstance(heard, SoftSignal | str) or not all(
            isinstance(signal, SoftSignal) for signal in heard
        ):
            raise PipelineDefinitionError(
                f"listen_to_signals of {cls.__name__} must be a list of SoftSignal, found {heard!r}"
            )
        executor_name(cls.executor)

    def __init__(self, *args: Any, **inputs: Any) -> None:
        cls = type(self)
        if args:
            raise TypeError(f"{cls.__name__} takes its inputs by name: {cls.__name__}(name=value)")
        self.inputs = inputs
        self._prepare()
        self._cut()

    def _prepare(self) -> None:
        self._lock = threading.Lock()
        self._state = _State.NEW
        self._run: BatchRun | None = None
        self.report: BatchReport | None = None
        self._ended = threading.Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value}>"

    def __getstate__(self) -> dict[str, Any]:
        here = ("_lock", "_state", "_run", "_ended", "report")
        return {key: value for key, value in self.__dict__.items() if key not in here}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    @classmethod
    def template(cls) -> type[Pipeline]:
        """The pipeline that runs each batch.

        Raises:
            PipelineDefinitionError: the class has no `pipeline_template`.
        """
        if cls.pipeline_template is None:
            raise PipelineDefinitionError(
                f"{cls.__name__} has no pipeline_template: name the Pipeline that runs each batch"
            )
        return cls.pipeline_template

    def batches(self) -> Iterator[dict[str, Any]]:
        """The inputs of each batch, for code that runs batches itself.

        Raises:
            InputError: the cut fields give different or unknown numbers of batches.
        """
        cut = self._cut()
        cut.total()
        return iter(cut)

    def execute(
        self,
        force_rerun: bool = False,  # noqa: FBT001, FBT002 - as in Pipeline.start
        *,
        executor: Any = None,
        max_workers: int | None = None,
        max_tasks_per_child: int | None = None,
        backend: str | Backend = "standalone",
        workers: int | None = None,
        portable: bool = False,
        keep_results: bool = True,
        progress: ProgressOption = None,
        scheduled_at: dt.datetime | None = None,
    ) -> BatchReport:
        """Run all batches and report.

        Args:
            force_rerun: allow an instance that has already run to run again.
            executor: `"thread"` or `"process"`; by default, the setting of the class.
            max_workers: the number of batches that run at once; by default, the setting of the
                class.
            max_tasks_per_child: the number of batches after which a worker process is replaced.
            backend: the backend that runs each batch, or the name of an installed one.
            workers: the maximum number of events that run at once in a batch.
            portable: whether results must be JSON and are passed on as JSON.
            keep_results: whether to keep the report of each batch. If false, memory use does not
                grow with the number of batches, and a batch runs as with `start(results=False)`,
                unless a `progress` function, or a listener to the end of a run, may read its
                results.
            progress: a function that is called with a `BatchProgress` after each batch, True for a
                progress bar, or False for none. The default is a bar if standard error is a
                terminal.
            scheduled_at: the scheduled time of every batch, aware; now if None.

        Returns:
            The report, even if batches failed; its `raise_for_status` then raises an error.

        Raises:
            InputError: the cut fields give different or unknown numbers of batches.
            PipelineStateError: the instance is already running, or has already run and
                `force_rerun` is false.
            KeyboardInterrupt: Ctrl-C stopped the batches; they have ended, and the attribute
                `report` has their results.
        """
        if imported("asyncio"):
            from volnux.pipeline.awaiting import warn_of_blocked_loop

            warn_of_blocked_loop()
        heard = signals.pipeline_execution_end.has_listeners
        results = keep_results or callable(progress) or heard
        how = How(
            executor,
            max_workers,
            max_tasks_per_child,
            backend,
            workers,
            portable,
            results,
            scheduled_at,
        )
        run, total = self._begin(how, force_rerun=force_rerun)
        name = self.template().plan().graph.name
        tally = Tally(name, keep=keep_results)
        interrupts: list[KeyboardInterrupt] = []
        try:
            with progress_to(progress, name, total) as tell:
                while (result := _next(run, interrupts)) is not None:
                    tell(tally.add(result, total))
        finally:
            self._end(run)
        failure = None
        if run.source_error is not None:
            failure = failure_of(run.source_error)
            failed_batch(name, "reading the data of the batches failed", failure)
        self.report = tally.report(stopped=run.cut_short, failure=failure)
        if interrupts:
            raise interrupts[0]
        return self.report

    def __call__(self, *args: Any, **options: Any) -> BatchReport:
        """Run all batches and report: the same as `execute`, with the same arguments."""
        return self.execute(*args, **options)

    def stream(
        self,
        force_rerun: bool = False,  # noqa: FBT001, FBT002 - as in Pipeline.start
        *,
        executor: Any = None,
        max_workers: int | None = None,
        max_tasks_per_child: int | None = None,
        backend: str | Backend = "standalone",
        workers: int | None = None,
        portable: bool = False,
        scheduled_at: dt.datetime | None = None,
    ) -> Iterator[BatchResult]:
        """Run all batches and yield each result in order; only a few are in memory at a time.

        Leaving the loop early stops the rest. The arguments are those of `execute`. An exception of
        the data source is raised here, after the results of the data that was read before.
        """
        how = How(
            executor,
            max_workers,
            max_tasks_per_child,
            backend,
            workers,
            portable,
            results=True,
            scheduled_at=scheduled_at,
        )
        run, _ = self._begin(how, force_rerun=force_rerun)
        return self._results(run)

    def _results(self, run: BatchRun) -> Iterator[BatchResult]:
        try:
            yield from run
            if run.source_error is not None:
                raise run.source_error
        finally:
            self._end(run)

    def stop(self) -> None:
        """Start no more batches or events; running ones may finish. Safe from any thread."""
        with self._lock:
            run = self._run if self._state is _State.RUNNING else None
        if run is not None:
            run.stop()

    def shutdown(self, *, wait: bool = True) -> None:
        """Stop the batches; with `wait`, return only when all of them have ended."""
        with self._lock:
            running = self._state is _State.RUNNING and self._run is not None
        self.stop()
        if wait and running:
            self._ended.wait()

    def hears(self, signal: SoftSignal) -> bool:
        """Whether listeners to this batch pipeline receive a signal of its batches."""
        return signal in self.listen_to_signals

    def _cut(self) -> Cut:
        return Cut(self.template(), self.inputs)

    def _begin(self, how: How, *, force_rerun: bool) -> tuple[BatchRun, int | None]:
        """Check everything that can be checked before the first batch, and reserve the instance."""
        cut = self._cut()
        workers = how.workers_of(self)
        with self._lock:
            if self._state is _State.RUNNING:
                raise PipelineStateError(f"{self!r} is already running: wait until it has ended")
            if self._state is _State.FINISHED and not force_rerun:
                raise PipelineStateError(
                    f"{self!r} has already run: make a new instance, or use "
                    "execute(force_rerun=True)"
                )
            if self._state is _State.FINISHED and cut.once:
                raise PipelineStateError(
                    f"{self!r} cannot run again: the data of '{cut.once[0]}' came from an "
                    "iterator and has been read; make a new instance, or give a list"
                )
            total = cut.total()
            name = self.template().plan().graph.name
            self._run = BatchRun(cut, how.crew(self), workers, name, self._tell_stop)
            self._state = _State.RUNNING
            self._ended.clear()
        return self._run, total

    def _tell_stop(self) -> None:
        signals.pipeline_stop.emit(self)

    def _end(self, run: BatchRun) -> None:
        try:
            run.close()
        finally:
            signals.pipeline_shutdown.emit(self)
            with self._lock:
                self._state = _State.FINISHED
                self._run = None
            self._ended.set()


def _next(run: BatchRun, interrupts: list[KeyboardInterrupt]) -> BatchResult | None:
    """The next result. The first Ctrl-C stops the batches; the second gives up running ones."""
    while True:
        try:
            return next(run, None)
        except KeyboardInterrupt as interrupt:
            interrupts.append(interrupt)
            if run.stopped:
                run.give_up()
            else:
                run.stop()

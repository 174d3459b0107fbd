"""Runs batches: passes a few at a time from the source to workers, and returns results in order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

from volnux.backends.run_log import failed_batch
from volnux.graph.outcome import RunStatus
from volnux.pipeline.batch.job import Crew, Job
from volnux.pipeline.batch.report import BatchResult
from volnux.usercode import RunThread

__all__ = ["BatchRun"]

_AHEAD = 4
"""Batches for each worker that are read, running, or waiting for an earlier one to end."""


class BatchRun:
    """An iterator over the results of the batches, in order.

    It survives a `KeyboardInterrupt` in `next`: the results are still available.

    Attributes:
        stopped: whether a stop was requested.
        cut_short: whether the stop left some of the data unprocessed.
        source_error: the exception of the source, after which nothing was read; or None.

    Args:
        source: the inputs of each batch; only a few batches are read ahead.
        crew: runs the batches; it is called in our own threads, and closed by `close`.
        workers: how many batches run at once.
        name: the name of the pipeline, for the log.
        told: called once when a stop is requested.
    """

    def __init__(
        self,
        source: Iterable[dict[str, Any]],
        crew: Crew,
        workers: int,
        name: str,
        told: Callable[[], object],
    ) -> None:
        self._source = enumerate(source)
        self._crew = crew
        self._workers = workers
        self._name = name
        self._told = told
        self._pending: deque[tuple[int, Future[BatchResult]]] = deque()
        self._jobs: queue.SimpleQueue[tuple[Job, Future[BatchResult]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._exhausted = False
        self._given_up = False
        self.stopped = False
        self.cut_short = False
        self.source_error: Exception | None = None

    def __iter__(self) -> Iterator[BatchResult]:
        return self

    def __next__(self) -> BatchResult:
        self._fill()
        while self._pending:
            index, future = self._pending[0]
            if self._given_up and not future.done():
                self._pending.popleft()
                return BatchResult(index, RunStatus.CANCELLED)
            try:
                result = future.result()
            except CancelledError:
                self._pending.popleft()
                continue
            self._pending.popleft()
            return result
        raise StopIteration

    def stop(self) -> None:
        """Begin no more batches; running events may finish. Safe from any thread."""
        if not self.stopped:
            self.stopped = True
            self._told()
        self.cut_short |= not self._exhausted
        for _, future in list(self._pending):
            self.cut_short |= future.cancel()
        self._crew.stop()

    def give_up(self) -> None:
        """Stop waiting for running batches."""
        self.stop()
        self._given_up = True

    def close(self) -> None:
        """End the threads; running events may finish, unless they were given up."""
        if self._pending or not self._exhausted:
            self.stop()
        for _ in self._threads:
            self._jobs.put(None)
        if not self._given_up:
            for thread in self._threads:
                thread.join()
        self._crew.close()

    def _fill(self) -> None:
        """Read and submit one batch, then more until enough are pending or a result is ready."""
        first = True
        while not self._exhausted and not self.stopped:
            if len(self._pending) >= self._workers * _AHEAD:
                return
            if not first and self._pending[0][1].done():
                return
            first = False
            try:
                index, inputs = next(self._source)
            except StopIteration:
                self._exhausted = True
                return
            except Exception as error:  # noqa: BLE001 - the source is the user's
                self.source_error = error
                self._exhausted = True
                return
            future: Future[BatchResult] = Future()
            self._pending.append((index, future))
            if self.stopped:
                future.cancel()
            self._jobs.put((Job(index, inputs), future))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._workers:
                self._start()

    def _start(self) -> None:
        thread = RunThread(self._serve, f"volnux-batch-{len(self._threads) + 1}")
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (taken := self._jobs.get()) is not None:
            job, future = taken
            if future.set_running_or_notify_cancel():
                try:
                    result = self._crew.run(job)
                    if result.failure is not None:
                        # If there was a run, its failures are already in the log.
                        what = f"batch {result.index} could not run"
                        failed_batch(self._name, what, result.failure)
                    future.set_result(result)
                    del result
                except BaseException as error:  # noqa: BLE001 - our error must not block the rest
                    future.set_exception(error)
            # Do not keep the result alive until the next batch arrives.
            del job, future, taken
            self._idle.release()

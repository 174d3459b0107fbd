"""The main process's side of the worker processes of a batch pipeline, with a pipe to each."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import multiprocessing.util
import pickle
import threading
from collections.abc import Sequence
from typing import Any

from volnux.backends.run_log import log
from volnux.events.base import NotSentError, WorkerLost
from volnux.events.failures import failure_of
from volnux.events.modules import at_home
from volnux.graph.outcome import RunStatus
from volnux.kit.processes import Surroundings, WorkerGroup, starting, worker_context
from volnux.pipeline.batch.job import Job, Settings
from volnux.pipeline.batch.report import BatchResult
from volnux.pipeline.batch.worker import (
    Ended,
    Logged,
    Order,
    Said,
    packed_settings,
    serve,
)
from volnux.signal.soft import SignalParent, SoftSignal
from volnux.telemetry.records import COMING_HOME
from volnux.telemetry.watch import headers_of_here

__all__ = ["ProcessCrew"]

_PATIENCE = 5.0
"""The seconds within which an idle process must end."""


class ProcessCrew:
    """Runs batches in processes; there are as many as threads that call `run` at once.

    Args:
        settings: the settings of every batch.
        signals: the signals that workers send to the main process.
        parent: the parent to which listeners can connect for these signals.
        tasks: the number of batches after which a process is replaced; None for never.
    """

    def __init__(
        self,
        settings: Settings,
        signals: Sequence[SoftSignal],
        parent: SignalParent,
        tasks: int | None,
    ) -> None:
        self._home = settings.template.plan().home
        with at_home(self._home):
            self._head = packed_settings(settings)
        self._signals = (*signals, *COMING_HOME)
        self._trace = headers_of_here()
        self._parent = parent
        self._tasks = tasks
        self._surroundings = Surroundings()
        self._lock = threading.Lock()
        self._free: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._stopped = False
        # Run this at exit before multiprocessing waits for processes that in turn wait for us.
        self._at_exit = multiprocessing.util.Finalize(None, self.close, exitpriority=100)

    def run(self, job: Job) -> BatchResult:
        """Run a batch in an idle process, or a new one; see `run_batch`."""
        try:
            with at_home(self._home):
                payload = pickle.dumps((self._head, tuple(job)))
        except Exception as error:  # noqa: BLE001 - the inputs are the user's
            fault = NotSentError(f"the batch cannot be sent to a worker process: {error}")
            return BatchResult(job.number, RunStatus.FAILED, failure=failure_of(fault))
        heard = tuple(signal.name for signal in self._signals if signal.has_listeners)
        try:
            worker = self._take()
        except OSError as error:
            return BatchResult(job.number, RunStatus.FAILED, failure=failure_of(error))
        if worker is None:
            return BatchResult(job.number, RunStatus.CANCELLED)
        try:
            level = log.getEffectiveLevel()
            order = Order(self._home, payload, heard, job.number, self._trace, level)
            result = worker.run(order, self._relay)
        except WorkerLost as error:
            result = BatchResult(job.number, RunStatus.FAILED, failure=failure_of(error))
        finally:
            self._give_back(worker)
        return result

    def stop(self) -> None:
        """Let the processes finish running events and start nothing else."""
        with self._lock:
            self._stopped = True
            workers = [*self._busy, *self._free]
        for worker in workers:
            worker.hang_up()

    def close(self) -> None:
        """End the processes; those that are busy are killed."""
        self._at_exit.cancel()
        with self._lock:
            stopped, self._stopped = self._stopped, True
            free, busy = self._free, list(self._busy)
            self._free = []
        for worker in busy:
            worker.kill()
        for worker in free:
            worker.end(cancelled=stopped)

    def _take(self) -> _Worker | None:
        with self._lock:
            while self._free and not self._stopped:
                worker = self._free.pop()
                if worker.alive:
                    self._busy.add(worker)
                    return worker
            if self._stopped:
                return None
        with at_home(self._home):
            # A new process receives the current import path.
            worker = _Worker(self._surroundings)
        with self._lock:
            if not self._stopped:
                self._busy.add(worker)
                return worker
        worker.end()
        return None

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            again = worker.alive and not self._stopped
            if again and (self._tasks is None or worker.tasks < self._tasks):
                self._free.append(worker)
                return
            stopped = self._stopped
        worker.end(cancelled=stopped)

    def _relay(self, said: Said | Logged) -> None:
        if isinstance(said, Logged):
            log.handle(pickle.loads(said.record))
            return
        with at_home(self._home):
            arguments = {name: _unpacked(value) for name, value in said.arguments.items()}
            sender = _unpacked(said.sender)
        SoftSignal(said.name).relay(self._parent, sender, arguments)


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, surroundings: Surroundings) -> None:
        context = worker_context()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, surroundings), name="volnux-batch", daemon=False
        )
        self._sending = threading.Lock()
        self.tasks = 0
        with starting():
            self._process.start()
        self._group = WorkerGroup(self._process)
        theirs.close()

    @property
    def alive(self) -> bool:
        return bool(self._process.is_alive())

    def run(self, order: Order, relay: Any) -> BatchResult:
        """Run a batch.

        Raises:
            WorkerLost: the process died.
        """
        self.tasks += 1
        try:
            with self._sending:
                self._pipe.send(order)
            while True:
                multiprocessing.connection.wait([self._pipe, self._process.sentinel])
                # There may still be data in the pipe of a dead process.
                if not self._pipe.poll():
                    break
                message = self._pipe.recv()
                if isinstance(message, Ended):
                    with at_home(order.home):
                        return _read(message.payload, order.number)
                relay(message)
        except (EOFError, OSError):
            pass
        self._process.join(_PATIENCE)
        self.kill()
        raise WorkerLost(
            f"the worker process of batch {order.number} died (exit code {self._process.exitcode})"
        )

    def hang_up(self) -> None:
        """Send no more batches; running events may finish, and their results are read."""
        with contextlib.suppress(OSError), self._sending:
            self._pipe.send(None)

    def kill(self) -> None:
        self._group.kill()

    def end(self, *, cancelled: bool = False) -> None:
        """Close the pipe of an idle process, and wait for its end.

        If its batches were `cancelled`, processes that they left running end as well.
        """
        self.hang_up()
        if not self._group.wait(_PATIENCE) or cancelled:
            self.kill()
        self._process.join()
        self._pipe.close()


def _read(payload: bytes, index: int) -> BatchResult:
    try:
        result: BatchResult = pickle.loads(payload)
    except Exception as error:  # noqa: BLE001 - unpickling a user's class may raise anything
        fault = NotSentError(f"the result of the batch cannot be read: {error}")
        return BatchResult(index, RunStatus.FAILED, failure=failure_of(fault))
    return result


def _unpacked(value: bytes) -> Any:
    try:
        return pickle.loads(value)
    except Exception as error:  # noqa: BLE001 - unpickling a user's class may raise anything
        return f"<cannot be read: {type(error).__name__}: {error}>"

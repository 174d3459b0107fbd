"""Worker processes of a batch pipeline, as seen from home: a pipe each, replaced when one dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.util
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from volnux.events.base import NotSentError, WorkerLost
from volnux.events.modules import at_home
from volnux.events.run import failure_of
from volnux.graph.outcome import RunStatus
from volnux.pipeline.batch_job import Job, Settings
from volnux.pipeline.batch_report import BatchResult
from volnux.pipeline.batch_worker import Ended, Order, Said, packed_settings, serve
from volnux.signal.soft import SignalParent, SoftSignal
from volnux.telemetry.records import COMING_HOME
from volnux.telemetry.watch import headers_of_here

__all__ = ["ProcessCrew"]

_PATIENCE = 5.0
"""Seconds that a process without work may take to end."""


class ProcessCrew:
    """Runs batches in processes; as many as there are threads that call `run` at once.

    Args:
        settings: what holds for every batch.
        signals: the signals that are brought home.
        parent: whom listeners know as the sender of what is brought home.
        tasks: after how many batches a process is replaced; None for never.
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
        self._lock = threading.Lock()
        self._free: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._stopped = False
        # Before multiprocessing waits, at the interpreter's end, for processes that wait for us.
        self._at_exit = multiprocessing.util.Finalize(None, self.close, exitpriority=100)

    def run(self, job: Job) -> BatchResult:
        """Run a batch in a free process, or a new one; see `run_batch`."""
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
            order = Order(self._home, payload, heard, job.number, self._trace)
            result = worker.run(order, self._relay)
        except WorkerLost as error:
            result = BatchResult(job.number, RunStatus.FAILED, failure=failure_of(error))
        finally:
            self._give_back(worker)
        return result

    def stop(self) -> None:
        """Tell the processes to finish the events that run, and nothing else."""
        with self._lock:
            self._stopped = True
            workers = [*self._busy, *self._free]
        for worker in workers:
            worker.hang_up()

    def close(self) -> None:
        """End the processes; those that are busy are killed."""
        self._at_exit.cancel()
        with self._lock:
            self._stopped = True
            free, busy = self._free, list(self._busy)
            self._free = []
        for worker in busy:
            worker.kill()
        for worker in free:
            worker.end()

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
            # A new process is told where modules are.
            worker = _Worker()
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
        worker.end()

    def _relay(self, said: Said) -> None:
        with at_home(self._home):
            arguments = {name: _unpacked(value) for name, value in said.arguments.items()}
            sender = _unpacked(said.sender)
        SoftSignal(said.name).relay(self._parent, sender, arguments)


class _Worker:
    """A process and the pipe to it."""

    def __init__(self) -> None:
        methods = multiprocessing.get_all_start_methods()
        # A fork would copy the locks of our other threads in whatever state they are.
        context: Any = multiprocessing.get_context(
            "forkserver" if "forkserver" in methods else "spawn"
        )
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs,), name="volnux-batch", daemon=False
        )
        self._sending = threading.Lock()
        self.tasks = 0
        with _deaf_to_ctrl_c():
            self._process.start()
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
                # A dead process may have left something in the pipe.
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
        raise WorkerLost(
            f"the worker process of batch {order.number} died (exit code {self._process.exitcode})"
        )

    def hang_up(self) -> None:
        """Order nothing more; what runs may finish its events, and is heard."""
        with contextlib.suppress(OSError), self._sending:
            self._pipe.send(None)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Hang up on a process that has nothing to do, and wait for its end."""
        self.hang_up()
        self._process.join(_PATIENCE)
        if self.alive:
            self.kill()
            self._process.join()
        self._pipe.close()


def _read(payload: bytes, index: int) -> BatchResult:
    try:
        result: BatchResult = pickle.loads(payload)
    except Exception as error:  # noqa: BLE001 - what a user's class does when it is unpickled
        fault = NotSentError(f"the result of the batch cannot be read back: {error}")
        return BatchResult(index, RunStatus.FAILED, failure=failure_of(fault))
    return result


def _unpacked(value: bytes) -> Any:
    try:
        return pickle.loads(value)
    except Exception as error:  # noqa: BLE001 - what a user's class does when it is unpickled
        return f"<cannot be read: {type(error).__name__}: {error}>"


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C until it says otherwise."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

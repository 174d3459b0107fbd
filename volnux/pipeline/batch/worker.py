"""A worker process of a batch pipeline: runs batches and sends signals to the main process."""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import volnux.telemetry.records  # noqa: F401 - after this import, hooks emit signals
from volnux.backends.run_log import log
from volnux.events.base import NotSentError
from volnux.events.failures import failure_of
from volnux.events.modules import at_home
from volnux.events.prompt import packed
from volnux.graph.outcome import RunStatus
from volnux.graph.report import RunReport
from volnux.kit.processes import Surroundings, begin_worker
from volnux.pipeline.batch.job import Controls, Job, Settings, run_batch
from volnux.pipeline.batch.report import BatchResult
from volnux.shown import shown
from volnux.signal.soft import SoftSignal, redirected
from volnux.telemetry.watch import within

__all__ = ["Ended", "Logged", "Order", "Said", "serve"]

_LONGEST_REPR = 10_000


class Order(NamedTuple):
    """A batch that is sent to a worker.

    Attributes:
        home: the folder whose modules the payload refers to by plain names, or None.
        payload: the pickled settings and job.
        signals: the names of the signals that have listeners in the main process.
        number: the number of the batch.
        trace: the trace context of the main process.
        level: the lowest level of log records of runs that are sent to the main process.
    """

    home: str | None
    payload: bytes
    signals: tuple[str, ...]
    number: int
    trace: Mapping[str, str]
    level: int


class Said(NamedTuple):
    """A signal that is sent to the main process; sender and arguments are pickled separately."""

    name: str
    sender: bytes
    arguments: dict[str, bytes]


class Logged(NamedTuple):
    """A pickled log record of a run that is sent to the main process."""

    record: bytes


class Ended(NamedTuple):
    """A pickled result that is sent to the main process."""

    payload: bytes


def serve(home: Connection, surroundings: Surroundings) -> None:
    """Run batches until the main process closes the pipe: the main function of a worker process."""
    begin_worker(surroundings)
    controls = Controls()
    orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):
            while (order := home.recv()) is not None:
                orders.put(order)
        controls.stop()
        orders.put(None)

    threading.Thread(target=listen, name="volnux-orders", daemon=True).start()
    lock = threading.Lock()
    known: dict[bytes, Settings] = {}

    def send(message: Said | Logged | Ended) -> None:
        # The main process may have ended; then nobody needs the message.
        with contextlib.suppress(OSError), lock:
            home.send(message)

    def said(signal: SoftSignal, sender: Any, arguments: dict[str, Any]) -> None:
        packed = {name: _packed(value) for name, value in arguments.items()}
        send(Said(signal.name, _packed(sender), packed))

    log.addHandler(_Home(send))
    log.propagate = False
    while (order := orders.get()) is not None:
        log.setLevel(order.level)
        with redirected(order.signals, said), within(order.trace):
            result = _run(order, controls, known)
        send(Ended(_packed_result(result)))


class _Home(logging.Handler):
    """Sends log records to the main process: logging is configured there, not in the workers."""

    def __init__(self, send: Callable[[Logged], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            # Frames cannot be sent.
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.msg, record.args = record.getMessage(), None
        self._send(Logged(pickle.dumps(record)))


def _run(order: Order, controls: Controls, known: dict[bytes, Settings]) -> BatchResult:
    try:
        with at_home(order.home):
            head, job = pickle.loads(order.payload)
            if head not in known:
                known[head] = unpacked_settings(head)
        settings = known[head]
    except Exception as error:  # noqa: BLE001 - the user's modules are imported here
        fault = NotSentError(
            f"the batch cannot be read in its worker process: {type(error).__name__}: {error}"
        )
        return BatchResult(order.number, RunStatus.FAILED, failure=failure_of(fault))
    return run_batch(settings, Job(*job), controls)


def packed_settings(settings: Settings) -> bytes:
    """Pickle settings; a template that was made from a plan is sent as that plan."""
    base = settings.template._made_from
    template: Any = settings.template if base is None else (base, settings.template.plan())
    return packed((template, *settings[1:]), base or settings.template)


def unpacked_settings(packed: bytes) -> Settings:
    """The settings on the other side, with the backend found once."""
    template, backend, *rest = pickle.loads(packed)
    if isinstance(template, tuple):
        base, plan = template
        template = base.of_plan(plan)
    if isinstance(backend, str):
        from volnux.backends import get_backend

        backend = get_backend(backend)
    return Settings(template, backend, *rest)


def _packed(value: Any) -> bytes:
    """A value pickled, or its text if it cannot be pickled."""
    if isinstance(value, Future) and value.done():
        value = _SentFuture(value)
    try:
        return pickle.dumps(value)
    except Exception:  # noqa: BLE001 - the value's own __reduce__ may raise anything
        return pickle.dumps(shown(value, _LONGEST_REPR))


class _SentFuture:
    """Replaces a finished future, which cannot be pickled because of its lock."""

    def __init__(self, future: Future[Any]) -> None:
        self._error = future.exception()
        self._result = None if self._error else future.result()

    def __reduce__(self) -> tuple[Any, ...]:
        return _future, (self._result, self._error)


def _future(result: Any, error: BaseException | None) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
    return future


def _packed_result(result: BatchResult) -> bytes:
    """Pickle a result; values that cannot be pickled become JSON."""
    try:
        packed = pickle.dumps(result)
        pickle.loads(packed)
    except Exception:  # noqa: BLE001 - the user's own values may raise anything
        assert result.report is not None
        plain = RunReport.from_json(result.report.to_json())
        return pickle.dumps(BatchResult(result.index, result.status, plain, result.failure))
    return packed

"""One attempt of an event in another process: sent as bytes, and its outcome as bytes back."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

from volnux.events.base import NotSentError
from volnux.events.modules import at_home
from volnux.events.outcome import Call, Outcome
from volnux.events.run import raised, run_attempt
from volnux.events.spec import EventSpec
from volnux.graph.outcome import Failure, RemoteTraceback
from volnux.imported import imported

__all__ = ["RemoteTask", "read_outcome", "remote_task"]


class RemoteTask:
    """An attempt as a callable for another process; it returns its outcome pickled.

    It is pickled over there, where a fault of the result can be named.

    Args:
        home: the folder whose modules plain names mean in the payload, if any.
        payload: the spec and the call, pickled.
    """

    def __init__(self, home: str | None, payload: bytes) -> None:
        self.home = home
        self.payload = payload

    @property
    def size(self) -> int:
        """Bytes of the event with what it is given."""
        return len(self.payload)

    def __call__(self) -> bytes:
        with at_home(self.home):
            return self._run()

    def _run(self) -> bytes:
        try:
            spec, call = pickle.loads(self.payload)
        except Exception as error:  # noqa: BLE001 - the user's modules are imported here
            # An exception that does not unpickle over there would break the whole pool.
            shown = f"{type(error).__name__}: {error}"
            fault = NotSentError(f"it cannot be read in its worker process: {shown}")
            return pickle.dumps((fault, b""))
        outcome = run_attempt(spec, call)._replace(pid=os.getpid())
        try:
            return _packed_outcome(spec, outcome)
        except Exception as error:  # noqa: BLE001 - a result's own __reduce__ may raise anything
            fault = NotSentError(
                f"the result of {spec.name} cannot be sent back from its worker process: {error}"
            )
            return pickle.dumps((raised(spec, call, fault, outcome.started_at), b""))


def remote_task(spec: EventSpec, call: Call) -> RemoteTask:
    """The attempt as a callable for another process.

    Raises:
        NotSentError: the event or its inputs cannot be pickled.
    """
    try:
        with at_home(spec.home):
            return RemoteTask(spec.home, _packed_call(spec, call))
    except Exception as error:
        raise NotSentError(f"{spec.name} cannot be sent to a worker process: {error}") from error


def _packed_call(spec: EventSpec, call: Call) -> bytes:
    """The attempt, pickled.

    Raises:
        NotSentError: the event is defined in a notebook, and cannot be sent along.
    """
    if spec.event_class.__module__ != "__main__":
        return pickle.dumps((spec, call))
    from volnux.events.prompt import packed

    return packed((spec, call), spec.event_class)


def _packed_outcome(spec: EventSpec, outcome: Outcome) -> bytes:
    # What a notebook defines came along by cloudpickle, and goes back by it.
    cloudpickle = imported("cloudpickle")
    if spec.event_class.__module__ != "__main__" or cloudpickle is None:
        return pickle.dumps((outcome, _packed_exception(outcome, pickle.Pickler)))
    sent: bytes = cloudpickle.dumps((outcome, _packed_exception(outcome, cloudpickle.CloudPickler)))
    return sent


def _packed_exception(outcome: Outcome, pickler: Callable[[_Short], Any]) -> bytes:
    """The exception of a failure, pickled apart: nothing is lost where that is not possible."""
    error = outcome.result.exception if isinstance(outcome.result, Failure) else None
    if error is None:
        return b""
    file = _Short()
    try:
        pickler(file).dump(error)
    except Exception:  # noqa: BLE001 - what a user's class does when it is pickled
        return b""
    return b"".join(file.parts)


class _Short:
    """A file for what is worth sending: an exception that holds much data is not."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._left = 100_000

    def write(self, data: Any) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("too long")
        self.parts.append(bytes(data))


def read_outcome(result: Outcome | bytes, spec: EventSpec) -> Outcome | BaseException:
    """The outcome that a `RemoteTask` returned, or the error that kept the attempt from one."""
    if not isinstance(result, bytes):
        return result
    try:
        with at_home(spec.home):
            outcome: Outcome | BaseException
            outcome, exception = pickle.loads(result)
            return _with_exception(outcome, exception) if exception else outcome
    except Exception as error:  # noqa: BLE001 - what a user's class does when it is unpickled
        return NotSentError(f"the result of {spec.name} cannot be read back: {error}")


def _with_exception(outcome: Outcome | BaseException, exception: bytes) -> Outcome | BaseException:
    """The outcome with the exception of its failure, if that can be made again here.

    Its frames stayed in the other process. Their text is its cause, as `concurrent.futures` has it.
    """
    try:
        error = pickle.loads(exception)
    except Exception:  # noqa: BLE001 - many exceptions cannot be made again from their arguments
        return outcome
    if isinstance(outcome, Outcome) and isinstance(error, BaseException):
        error.__cause__ = RemoteTraceback(outcome.result.traceback)
        return outcome._replace(result=outcome.result.with_exception(error))
    return outcome

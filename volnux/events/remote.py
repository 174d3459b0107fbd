"""One attempt of an event in another process: the attempt and its outcome are sent as bytes."""

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
from volnux.loglines import collecting, give, is_taken

__all__ = ["RemoteTask", "read_outcome", "remote_task"]


class RemoteTask:
    """An attempt as a callable for another process; it returns the pickled outcome.

    The outcome is pickled in that process, so that an error there can mention the event. With it
    come the attempt's log lines, if the sender takes them.

    Args:
        home: the folder whose modules the payload refers to by plain names, or None.
        payload: the pickled spec and call, and whether the sender takes log lines.
    """

    def __init__(self, home: str | None, payload: bytes) -> None:
        self.home = home
        self.payload = payload

    @property
    def size(self) -> int:
        """The size of the payload in bytes."""
        return len(self.payload)

    def __call__(self) -> bytes:
        with at_home(self.home):
            return self._run()

    def _run(self) -> bytes:
        try:
            spec, call, wanted = pickle.loads(self.payload)
        except Exception as error:  # noqa: BLE001 - the user's modules are imported here
            # An exception that does not unpickle over there would break the whole pool.
            shown = f"{type(error).__name__}: {error}"
            fault = NotSentError(f"it cannot be read in its worker process: {shown}")
            return pickle.dumps((fault, b"", []))
        with collecting(wanted=wanted) as lines:
            outcome = run_attempt(spec, call)._replace(pid=os.getpid())
        if outcome.packed is not None:
            # The host stores only this, and the result need not be picklable.
            outcome = outcome._replace(result=None)
        try:
            return _packed_outcome(spec, outcome, lines)
        except Exception as error:  # noqa: BLE001 - a result's own __reduce__ may raise anything
            fault = NotSentError(
                f"the result of {spec.name} cannot be sent back from its worker process: {error}"
            )
            return pickle.dumps((raised(spec, call, fault, outcome.started_at), b"", lines))


def remote_task(spec: EventSpec, call: Call) -> RemoteTask:
    """Make a callable that runs the attempt in another process.

    Raises:
        NotSentError: the event or its inputs cannot be pickled.
    """
    try:
        with at_home(spec.home):
            return RemoteTask(spec.home, _packed_call(spec, call))
    except Exception as error:
        raise NotSentError(f"{spec.name} cannot be sent to a worker process: {error}") from error


def _packed_call(spec: EventSpec, call: Call) -> bytes:
    """Pickle the attempt.

    Raises:
        NotSentError: the event is defined in a notebook, and cloudpickle is not installed.
    """
    sent = spec, call, is_taken(call.run_id)
    if spec.event_class.__module__ != "__main__":
        return pickle.dumps(sent)
    from volnux.events.prompt import packed

    return packed(sent, spec.event_class)


def _packed_outcome(spec: EventSpec, outcome: Outcome, lines: list[Any]) -> bytes:
    # Classes from a notebook came with cloudpickle, so they go back with it.
    cloudpickle = imported("cloudpickle")
    if spec.event_class.__module__ != "__main__" or cloudpickle is None:
        return pickle.dumps((outcome, _packed_exception(outcome, pickle.Pickler), lines))
    exception = _packed_exception(outcome, cloudpickle.CloudPickler)
    sent: bytes = cloudpickle.dumps((outcome, exception, lines))
    return sent


def _packed_exception(outcome: Outcome, pickler: Callable[[_Short], Any]) -> bytes:
    """The exception of a failure, pickled separately: if it fails, the rest is still sent."""
    error = outcome.result.exception if isinstance(outcome.result, Failure) else None
    if error is None:
        return b""
    file = _Short()
    try:
        pickler(file).dump(error)
    except Exception:  # noqa: BLE001 - pickling a user's class may raise anything
        return b""
    return b"".join(file.parts)


class _Short:
    """A file of limited size: an exception that holds more data is not sent."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._left = 100_000

    def write(self, data: Any) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("too long")
        self.parts.append(bytes(data))


def read_outcome(result: Outcome | bytes, spec: EventSpec) -> Outcome | BaseException:
    """Read the outcome that a `RemoteTask` returned, or the error that prevented an outcome.

    Passes on the log lines that came with it.
    """
    if not isinstance(result, bytes):
        return result
    try:
        with at_home(spec.home):
            outcome: Outcome | BaseException
            outcome, exception, lines = pickle.loads(result)
            give(lines)
            return _with_exception(outcome, exception) if exception else outcome
    except Exception as error:  # noqa: BLE001 - unpickling a user's class may raise anything
        return NotSentError(f"the result of {spec.name} cannot be read back: {error}")


def _with_exception(outcome: Outcome | BaseException, exception: bytes) -> Outcome | BaseException:
    """The outcome with the exception of its failure, if that can be unpickled here.

    The stack frames are not sent. Their text is the cause of the exception, as in
    `concurrent.futures`.
    """
    try:
        error = pickle.loads(exception)
    except Exception:  # noqa: BLE001 - many exceptions cannot be created again from their arguments
        return outcome
    if isinstance(outcome, Outcome) and isinstance(error, BaseException):
        error.__cause__ = RemoteTraceback(outcome.result.traceback)
        return outcome._replace(result=outcome.result.with_exception(error))
    return outcome

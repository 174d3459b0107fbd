"""One attempt of an event in another process: sent as bytes, and its outcome as bytes back."""

from __future__ import annotations

import os
import pickle

from volnux.events.base import NotSentError
from volnux.events.modules import at_home
from volnux.events.run import Call, Outcome, raised, run_attempt
from volnux.events.spec import EventSpec

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
            return pickle.dumps(NotSentError(f"it cannot be read in its worker process: {shown}"))
        outcome = run_attempt(spec, call)._replace(pid=os.getpid())
        try:
            return pickle.dumps(outcome)
        except Exception as error:  # noqa: BLE001 - a result's own __reduce__ may raise anything
            fault = NotSentError(
                f"the result of {spec.name} cannot be sent back from its worker process: {error}"
            )
            return pickle.dumps(raised(spec, call, fault, outcome.started_at))


def remote_task(spec: EventSpec, call: Call) -> RemoteTask:
    """The attempt as a callable for another process.

    Raises:
        NotSentError: the event or its inputs cannot be pickled.
    """
    try:
        with at_home(spec.home):
            return RemoteTask(spec.home, pickle.dumps((spec, call)))
    except Exception as error:
        raise NotSentError(f"{spec.name} cannot be sent to a worker process: {error}") from error


def read_outcome(result: Outcome | bytes, spec: EventSpec) -> Outcome | BaseException:
    """The outcome that a `RemoteTask` returned, or the error that kept the attempt from one."""
    if not isinstance(result, bytes):
        return result
    try:
        with at_home(spec.home):
            outcome: Outcome | BaseException = pickle.loads(result)
    except Exception as error:  # noqa: BLE001 - what a user's class does when it is unpickled
        return NotSentError(f"the result of {spec.name} cannot be read back: {error}")
    return outcome

"""What one attempt of an event is given, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["Call", "Outcome"]


class Call(NamedTuple):
    """What one attempt of an event is given.

    Attributes:
        task_id: the place in the flow.
        run_id: the run.
        inputs: all inputs of the run, by name.
        previous_result: what was piped, or None.
        attempt: counts from 1.
        portable: results must be JSON that every host can store, and are passed on as JSON gives
            them back.
        scope: what the attempt runs within, for telemetry; None where nobody watches.
    """

    task_id: str = ""
    run_id: str = ""
    inputs: Mapping[str, Any] = MappingProxyType({})
    previous_result: Any = None
    attempt: int = 1
    portable: bool = False
    scope: Any = None


class Outcome(NamedTuple):
    """How an event, or one attempt of it, ended.

    Attributes:
        descriptor: 0 to 9.
        result: what was returned; a `Failure` after an exception.
        attempts: attempts made so far.
        started_at, ended_at: seconds since the epoch; of `run_event`, of the first attempt and
            the last.
        retry_after: seconds to wait before the next attempt; None when none is due.
        raised: whether the attempt raised (and did not return a failure).
        bypassed: whether `can_bypass` made `process` unnecessary.
        pid: the process where it ran, if that was another than the one that drives the run.
    """

    descriptor: int
    result: Any = None
    attempts: int = 1
    started_at: float = 0.0
    ended_at: float = 0.0
    retry_after: float | None = None
    raised: bool = False
    bypassed: bool = False
    pid: int | None = None

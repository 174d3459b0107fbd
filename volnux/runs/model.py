"""What a store knows about a run, its places and their log lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from volnux.errors import VolnuxError
from volnux.graph.outcome import Failure, State

if TYPE_CHECKING:
    from volnux.graph.execution import Source

__all__ = ["KeptAttempt", "KeptLine", "KeptPlace", "KeptRun", "KeptStatus", "RunStoreError"]


class RunStoreError(VolnuxError):
    """A store of runs cannot be used, or has no such run; the message says what to do."""


class KeptStatus(StrEnum):
    """The status of a kept run; a `lost` one was killed before it could record its end."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run in a store.

    Attributes:
        id: the id of the run.
        pipeline: the name of the pipeline.
        file: the absolute path of its file; None if it has none.
        backend: the name of the backend.
        status: the status of the run.
        started, ended: when it began and ended, aware, UTC; `ended` is None while it runs. For a
            lost run, `ended` is the last time at which it was seen.
        inputs: the values of the inputs by name, as tagged JSON texts; None for one that could not
            be kept.
        scheduled_at: the scheduled time of the run, aware.
        fingerprint: the SHA-256 in hex of the texts of all its files; see `fingerprint_of`.
        source: the text of the file.
        used: the texts of the files that it uses, by their real paths.
        resumed_from: the id of the run that it resumes; None if it began anew.
        anew: the places that it ran anew with everything behind them, if it resumes one.
        versions: the versions of Python, Volnux and the host of the backend, by name.
        failure: why the run failed, if no place says so.
    """

    id: str
    pipeline: str
    file: str | None
    backend: str
    status: KeptStatus
    started: dt.datetime
    ended: dt.datetime | None = None
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    scheduled_at: dt.datetime | None = None
    fingerprint: str = ""
    source: str = ""
    used: Mapping[str, str] = field(default_factory=dict)
    resumed_from: str | None = None
    anew: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class KeptAttempt:
    """One of several attempts of a place.

    Attributes:
        started, ended: its start and its end, aware, UTC.
        failure: what it failed with; None if it did not fail.
    """

    started: dt.datetime
    ended: dt.datetime
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class KeptPlace:
    """A place of a kept run.

    Attributes:
        place: the place in the flow, such as `Load` or `Fetch[3]`.
        event: the name of its event.
        state: how it ended; None if it has not ended. After a run that was killed, such a place
            was under way.
        descriptor: what its event finished with; None if it did not finish.
        attempts: how many attempts have begun.
        polls: how many times an event that waits has looked.
        started, ended: the start of its first and the end of its last attempt, aware, UTC.
        result: what the event returned, as tagged JSON text for `volnux.values.loads`; None if it
            failed with an exception, did not finish, or the result could not be kept.
        unkept: why the result could not be kept; None if it was, or there is none.
        failure: the exception that was left after its last attempt.
        received_from: see `PlaceReport.received_from`.
        given: what the event was given, as `given_of` returns it; None if that cannot be written
            as JSON.
        bypassed: whether its `can_bypass` made `process` unnecessary.
        handled: whether it failed and the flow handled the failure.
        reused: whether the outcome is that of the run that this one resumes.
        tries: its attempts that have ended, in order; empty if the first one was the last, or if
            there were more than 100.
    """

    place: str
    event: str
    state: State | None = None
    descriptor: int | None = None
    attempts: int = 0
    polls: int = 0
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    result: str | None = None
    unkept: str | None = None
    failure: Failure | None = None
    received_from: Source = None
    given: str | None = None
    bypassed: bool = False
    handled: bool = False
    reused: bool = False
    tries: tuple[KeptAttempt, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A log record of an event.

    Attributes:
        place: the place whose event logged it.
        attempt: the number of the attempt.
        at: when, aware, UTC.
        level: the name of the level, such as `WARNING`.
        logger: the name of the logger.
        text: the message, with the traceback if there is one.
    """

    place: str
    attempt: int
    at: dt.datetime
    level: str
    logger: str
    text: str

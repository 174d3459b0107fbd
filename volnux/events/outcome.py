"""The arguments of one attempt of an event, and its outcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from volnux.events.portable import Carrier

__all__ = ["Call", "Host", "Outcome", "Polls"]


class Host(Protocol):
    """Where the variables and secrets of a run come from. It can be pickled.

    What it gives is read anew for each attempt, in the process where the attempt runs.
    """

    def variable(self, name: str) -> Any:
        """The value of a variable: text, or a value of JSON.

        Raises:
            LookupError: there is none; the message says where it was looked for.
            VolnuxError: it cannot be read; then a default does not count.
        """

    def secret(self, name: str) -> str:
        """The value of a secret.

        Raises:
            LookupError: there is none; the message says where it was looked for.
        """


class Polls(NamedTuple):
    """The calls of an event that said "not yet", at one place of a run.

    Attributes:
        since: when the event was first called, in seconds since the epoch.
        number: how many calls said "not yet".
        under_way: whether the last call did, so that the next one belongs to the same attempt.
    """

    since: float
    number: int = 0
    under_way: bool = False


class Call(NamedTuple):
    """The arguments of one call of an event: of an attempt, or of a part of one after "not yet".

    Attributes:
        task_id: the place in the flow.
        run_id: the id of the run.
        inputs: all inputs of the run, by name. The place may see others: `EventSpec.inputs`.
        previous_result: the piped value, or None.
        attempt: the number of the attempt, from 1.
        carrier: how the result leaves the process; None if it stays an object in memory.
        scope: the telemetry scope in which the attempt runs; None without telemetry.
        scheduled_at: the scheduled time of the run, aware, in the pipeline's time zone.
        host: where the run's variables and secrets come from; None where it needs none.
        numbers: in a unit with `each`, the numbers of the items, that of the outermost one first.
        items: the names and values of these items.
        polls: the earlier calls that said "not yet"; None in the first call.
        answer: the answer of a person, if the event has asked for one.
    """

    task_id: str = ""
    run_id: str = ""
    inputs: Mapping[str, Any] = MappingProxyType({})
    previous_result: Any = None
    attempt: int = 1
    carrier: Carrier | None = None
    scope: Any = None
    scheduled_at: dt.datetime | None = None
    host: Host | None = None
    numbers: tuple[int, ...] = ()
    items: tuple[tuple[str, Any], ...] = ()
    polls: Polls | None = None
    answer: str | None = None

    def after(self, outcome: Outcome) -> Call:
        """The arguments of the call that follows an outcome after its `retry_after`."""
        attempt = self.attempt if outcome.waits else self.attempt + 1
        return self._replace(attempt=attempt, polls=outcome.polls, answer=None)


class Outcome(NamedTuple):
    """How an event, or one call of it, ended.

    Attributes:
        descriptor: 0 to 9.
        result: the returned value; a `Failure` after an exception.
        attempts: the number of attempts so far.
        started_at, ended_at: seconds since the epoch; for `run_event`, the start of the first
            attempt and the end of the last.
        retry_after: seconds to wait before the next call; None if there is no further call.
        raised: whether the attempt raised an exception, and did not return a failure.
        bypassed: whether `process` was skipped because of `can_bypass`.
        pid: the id of the process where it ran; None if that is the process that drives the run.
        packed: with `Carrier.keeps`, the result as JSON, which the host stores.
        polls: the calls that said "not yet"; None if there were none and no call follows. If the
            call itself said so, see `waits`.
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
    packed: Any = None
    polls: Polls | None = None

    @property
    def waits(self) -> bool:
        """Whether the call said "not yet": the result is a `Failure` with the reason."""
        return self.retry_after is not None and self.polls is not None and self.polls.under_way

"""Which runs a backfill makes: one for each past time of a schedule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from volnux.errors import VolnuxError
from volnux.graph.model import Graph
from volnux.runs.model import KeptRun, KeptStatus
from volnux.schedules import Schedule
from volnux.schedules.schedule import FIRST

if TYPE_CHECKING:
    from volnux.backends.port import RunControl

__all__ = [
    "Again",
    "BackfillError",
    "Fill",
    "Filled",
    "HostCommand",
    "PastRuns",
    "instants_between",
    "latest_by_instant",
    "runs_again",
]


class BackfillError(VolnuxError):
    """A backfill cannot start; the message says what to do."""


class Again(StrEnum):
    """Which instants run again: those without any kept run always run."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True)
class Fill:
    """What a backfill was asked for.

    Attributes:
        instants: the past times of the schedule, in UTC, in order.
        again: which of them run again.
        reverse: whether the last one runs first.
        max_active: the maximum number of runs at once.
        dry_run: whether nothing runs.
        inputs: the inputs that were given for every run, by name.
    """

    instants: Sequence[dt.datetime]
    again: Again = Again.NONE
    reverse: bool = False
    max_active: int = 1
    dry_run: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Filled:
    """How the run for one time ended.

    Attributes:
        status: `success`, `failed`, `cancelled`, or `skipped` if another process ran that time.
        run_id: the id of the run; empty if there is none.
        why: why it was not a success; empty if that is not known.
    """

    status: str
    run_id: str = ""
    why: str = ""


class PastRuns(Protocol):
    """Runs past times of a schedule, and knows which ones have a run already."""

    def known(self, instants: Sequence[dt.datetime]) -> Mapping[dt.datetime, KeptStatus]:
        """The status of the last run for each of these times that has one, in UTC.

        Args:
            instants: the times, in UTC, in order.
        """

    def run(self, instant: dt.datetime, control: RunControl) -> Filled:
        """Run the pipeline for a time, and wait for its end. Called in several threads.

        Args:
            instant: the time, in UTC.
            control: cancels the run.

        Raises:
            VolnuxError: it cannot start.
        """


@dataclass(frozen=True)
class HostCommand:
    """A command with which the host of a backend fills past times by itself.

    Attributes:
        arguments: the command.
        elsewhere: why it cannot be started here; None if it can.
    """

    arguments: Sequence[str]
    elsewhere: str | None = None


def instants_between(graph: Graph, first: dt.date, last: dt.date) -> list[dt.datetime]:
    """The past times of a pipeline's schedule on some days in its time zone, in UTC, in order.

    Args:
        graph: the graph of the pipeline.
        first: the first day.
        last: the last day.

    Raises:
        BackfillError: the pipeline has no schedule, or the days are not in order.
    """
    schedule = Schedule.of(graph)
    if schedule is None:
        raise BackfillError(
            f"{graph.name} has no schedule to fill: add a line such as @schedule: @daily"
        )
    if last < first:
        raise BackfillError(f"the last day, {last}, is before the first one, {first}")
    now = dt.datetime.now(dt.UTC)
    begin = dt.datetime.combine(max(first, FIRST.date()), dt.time(), schedule.zone)
    found = []
    for instant in schedule.instants(begin - dt.timedelta(minutes=1)):
        day = instant.astimezone(schedule.zone).date()
        if day > last or instant > now:
            break
        if day >= first:
            found.append(instant)
    return found


def latest_by_instant(runs: Iterable[KeptRun]) -> dict[dt.datetime, KeptRun]:
    """The last run for each scheduled time, in UTC.

    Args:
        runs: the runs, the latest first.
    """
    found: dict[dt.datetime, KeptRun] = {}
    for run in runs:
        if run.scheduled_at is not None:
            found.setdefault(run.scheduled_at.astimezone(dt.UTC), run)
    return found


def runs_again(status: KeptStatus | None, again: Again) -> bool:
    """Whether a time runs, given the status of its last run; one that still runs does not."""
    if status is None:
        return True
    if status is KeptStatus.RUNNING or again is Again.NONE:
        return False
    return again is Again.ALL or status is not KeptStatus.SUCCESS

"""Our own timetable: Airflow fires at the instants that `volnux schedule next` prints.

Airflow's `CronTriggerTimetable` differs in three things: if a time occurs twice because clocks go
back, it takes the second; if clocks go forward over several scheduled times, it keeps only the
first of these; and if an expression names every hour but not every day (`*/30 * * * mon`), it
starts an hour late or loses runs after each clock change, since it adds local time differences to
an instant.

The scheduler loads a DAG that uses this timetable through `airflow.plugins`: the plugin has
`timetables = [VolnuxTimetable]`, and must be installed wherever a scheduler or an API server runs.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, Timetable

from volnux.graph.model import Graph
from volnux.schedules import Schedule, describe
from volnux_airflow.storable import LONGEST_DESCRIPTION

if TYPE_CHECKING:
    from airflow.timetables.base import TimeRestriction

__all__ = ["VolnuxTimetable", "timetable_of"]


def timetable_of(graph: Graph) -> VolnuxTimetable | None:
    """The timetable of a graph; None if it has no schedule."""
    schedule = Schedule.of(graph)
    # Without the start date: it is an argument of the DAG, which settings can override.
    return VolnuxTimetable(*schedule.expressions, timezone=schedule.timezone) if schedule else None


class VolnuxTimetable(Timetable):
    """Cron expressions in a time zone. A DAG run starts each time one of them fires.

    As with `CronTriggerTimetable`, a run begins at its scheduled time, and its data interval is
    empty. Without catchup, Airflow creates only the last of the missed runs.

    Args:
        *crons: cron expressions, as in `@schedule`.
        timezone: an IANA name.

    Raises:
        ScheduleError: an expression or the time zone is invalid.
    """

    def __init__(self, *crons: str, timezone: str = "UTC") -> None:
        self._schedule = Schedule(crons, timezone)
        description = "; ".join(map(describe, crons))
        end = f" ({timezone})"
        if len(description) + len(end) > LONGEST_DESCRIPTION:
            description = description[: LONGEST_DESCRIPTION - len(end) - 2] + " …"
        self.description = description + end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VolnuxTimetable):
            return NotImplemented
        return self._schedule == other._schedule

    def __hash__(self) -> int:
        return hash(self._schedule)

    @property
    def summary(self) -> str:
        """The text in the list of DAGs."""
        return ", ".join(self._schedule.expressions)

    def serialize(self) -> dict[str, Any]:
        return {
            "expressions": list(self._schedule.expressions),
            "timezone": self._schedule.timezone,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        return cls(*data["expressions"], timezone=data["timezone"])

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        now = dt.datetime.now(dt.UTC)
        last = last_automated_data_interval
        earliest = restriction.earliest
        # Lower bounds of the next instant, each on the schedule. The latest one is used.
        starts = [self._at_or_after(earliest)] if earliest is not None else []
        if last is not None:
            starts = [self._schedule.after(last.end)]
        if not restriction.catchup:
            missed = self._schedule.before(now + dt.timedelta.resolution)
            if last is None and earliest is None:
                starts.append(self._schedule.after(now))
            elif missed is not None:
                starts.append(missed)
            if last is not None and earliest is not None:
                starts.append(self._at_or_after(earliest))
        elif not starts:
            starts.append(self._schedule.after(now))
        if not starts or None in starts:
            return None
        instant = max(start for start in starts if start is not None)
        if restriction.latest is not None and restriction.latest < instant:
            return None
        return DagRunInfo.exact(pendulum.instance(instant))

    def _at_or_after(self, moment: dt.datetime) -> dt.datetime | None:
        return self._schedule.after(moment - dt.timedelta.resolution)

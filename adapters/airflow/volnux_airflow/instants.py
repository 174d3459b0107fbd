"""The scheduled time of a DAG run, and the calendar for computing other times from it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.schedules.moments import Clock

__all__ = ["UTC", "Calendar", "instant_of_run"]


@dataclass(frozen=True, init=False)
class Calendar:
    """The time zone and schedules of a pipeline, which determine `scheduled` and `previous`.

    Args:
        timezone: an IANA name.
        *schedules: cron expressions and presets.
    """

    timezone: str
    schedules: tuple[str, ...]

    def __init__(self, timezone: str = "UTC", *schedules: str) -> None:
        object.__setattr__(self, "timezone", timezone)
        object.__setattr__(self, "schedules", schedules)

    @staticmethod
    def of(graph: Graph) -> Calendar:
        """The calendar of a graph."""
        return Calendar(
            graph.timezone or "UTC",
            *dict.fromkeys(schedule.expression for schedule in graph.schedules),
        )

    def local(self, instant: dt.datetime) -> dt.datetime:
        """The instant in the time zone."""
        if self.timezone == "UTC":
            return instant
        from volnux.schedules.schedule import zone_of

        return instant.astimezone(zone_of(self.timezone))

    def clock(self, instant: dt.datetime) -> Clock:
        """The clock of a run with this scheduled time."""
        from volnux.schedules.moments import Clock
        from volnux.schedules.schedule import Schedule

        schedule = Schedule(self.schedules, self.timezone) if self.schedules else None
        return Clock(self.local(instant), self.timezone, schedule)


UTC = Calendar()


def instant_of_run(run: Any) -> dt.datetime:
    """The scheduled time of a DAG run, in UTC: its logical date, or its `run_after` without one."""
    instant = run.logical_date or run.run_after
    # Return a plain datetime: Airflow's may be an instance of a subclass from another library.
    return dt.datetime.fromisoformat(instant.astimezone(dt.UTC).isoformat()).astimezone(dt.UTC)

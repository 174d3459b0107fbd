"""When schedules fire: one rule for every backend, from cron expressions to instants.

The dialect stands in `volnux.pointy.cron`, the rule for the hours of a clock change in `Schedule`;
`docs/scheduling.md` says both in words.
"""

from __future__ import annotations

from volnux.schedules.changes import ClockChange, clock_changes, schedule_warnings
from volnux.schedules.fields import ScheduleError
from volnux.schedules.schedule import Schedule
from volnux.schedules.words import describe

__all__ = [
    "ClockChange",
    "Schedule",
    "ScheduleError",
    "clock_changes",
    "describe",
    "schedule_warnings",
]

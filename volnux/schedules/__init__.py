"""When schedules fire: one rule for every backend that turns cron expressions into instants.

`volnux.pointy.cron` defines the dialect, and `Schedule` the rule for clock changes;
`docs/scheduling.md` describes both.
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

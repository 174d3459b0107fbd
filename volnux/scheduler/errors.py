"""What can go wrong with a scheduler."""

from __future__ import annotations

import datetime as dt

from volnux.errors import VolnuxError

__all__ = ["RunCutOffError", "SchedulerError", "StoreError", "StoreInUseError"]


class SchedulerError(VolnuxError):
    """The scheduler cannot do what it is asked to."""


class StoreError(SchedulerError):
    """The store cannot be used."""


class StoreInUseError(StoreError):
    """Another scheduler serves the store."""

    def __init__(self, store: str, holder: str = "") -> None:
        by = f" ({holder})" if holder else ""
        super().__init__(f"another scheduler serves {store}{by}: stop it, or use another store")


class RunCutOffError(SchedulerError):
    """A run was cut off when its scheduler ended: it is lost, and not repeated."""

    def __init__(self, job_id: str, scheduled: dt.datetime) -> None:
        super().__init__(
            f"the run of {job_id} at {scheduled.isoformat()} was cut off when its scheduler ended"
        )
        self.job_id = job_id
        self.scheduled = scheduled

"""The errors of a scheduler."""

from __future__ import annotations

import datetime as dt

from volnux.errors import VolnuxError

__all__ = ["RunCutOffError", "SchedulerError", "StoreError", "StoreInUseError"]


class SchedulerError(VolnuxError):
    """The scheduler cannot do what was requested."""


class StoreError(SchedulerError):
    """The store cannot be used."""


class StoreInUseError(StoreError):
    """Another scheduler is using the store."""

    def __init__(self, store: str, holder: str = "") -> None:
        by = f" ({holder})" if holder else ""
        super().__init__(f"another scheduler is using {store}{by}: stop it, or use another store")


class RunCutOffError(SchedulerError):
    """A run was interrupted because its scheduler ended; it is lost and will not be repeated."""

    def __init__(self, job_id: str, scheduled: dt.datetime) -> None:
        super().__init__(
            f"the run of {job_id} at {scheduled.isoformat()} was interrupted "
            "because its scheduler ended"
        )
        self.job_id = job_id
        self.scheduled = scheduled

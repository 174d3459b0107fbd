"""Reads the past runs from a store, without a scheduler and without changes to the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from volnux.scheduler.errors import SchedulerError, StoreError
from volnux.scheduler.ledger import Ledger, RunRecord
from volnux.scheduler.service import job_id_of
from volnux.scheduler.store import engine_for, is_there, name_of_store, usable

__all__ = ["History"]


class History:
    """The runs that a store contains.

    Args:
        store: a URL of SQLAlchemy, or the path of an SQLite file.

    Raises:
        StoreError: there is no such store, or it cannot be read.
    """

    def __init__(self, store: str | os.PathLike[str]) -> None:
        self._engine = engine_for(store)
        self._ledger = Ledger(self._engine)
        self._name = name_of_store(self._engine)
        if not is_there(self._engine):
            raise StoreError(f"there is no store {self._name}: name one with --store")

    def runs(self, job: str | None, count: int) -> list[RunRecord]:
        """The latest runs, of all jobs or of the job with this file or id."""
        with usable(self._engine):
            if not self._ledger.exists:
                return []
            if job is None:
                return self._ledger.records(None, count)
            found = self._ledger.records(job_id_of(Path(job)), count)
            return found or self._ledger.records(job, count)

    def report(self, run_id: str) -> dict[str, Any]:
        """The report of a run as JSON.

        Raises:
            SchedulerError: there is no report of such a run, or several ids begin with `run_id`.
        """
        with usable(self._engine):
            found = self._ledger.report(run_id) if self._ledger.exists else None
        if found is None:
            raise SchedulerError(
                f"{self._name} has no report of a run {run_id}, or more than one whose id begins "
                "so; `volnux schedule show` lists the runs"
            )
        return found

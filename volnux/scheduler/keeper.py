"""`StoreKeeper`: keeps the store of a running scheduler locked, in its place, and small."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from typing import Any

import sqlalchemy as sa

from volnux.scheduler.jobs import JobStore
from volnux.scheduler.ledger import Ledger
from volnux.scheduler.sqlite import Found
from volnux.scheduler.store import database_of, lock_for

__all__ = ["StoreKeeper"]

log = logging.getLogger("volnux.scheduler")


class StoreKeeper:
    """Holds the lock of a store and, if the store is a file, keeps that file open."""

    def __init__(self, engine: sa.Engine, ledger: Ledger, jobs: JobStore) -> None:
        self._engine = engine
        self._lock = lock_for(engine)
        self._database = database_of(engine)
        self._ledger = ledger
        self._jobs = jobs
        self._forget_at = dt.datetime.min.replace(tzinfo=dt.UTC)

    def take(self) -> None:
        """Take the lock of the store, or close the store.

        Raises:
            StoreInUseError: another scheduler has the lock.
        """
        try:
            self._lock.take()
        except BaseException:
            self._engine.dispose()
            raise

    def open(self) -> None:
        """Open the ledger, and keep the file open."""
        self._ledger.open()
        if self._database is not None:
            self._database.keep()

    def look_after(
        self, now: dt.datetime, jobs_lock: contextlib.AbstractContextManager[Any]
    ) -> None:
        """Check that the store is still locked by us and in its place, and delete old runs.

        Args:
            now: the current time, aware.
            jobs_lock: acquired while jobs must not be read.

        Raises:
            StoreInUseError: another scheduler has the lock.
            StoreError, OSError, sqlite3.Error, SQLAlchemyError: the store cannot be used.
        """
        if not self._lock.still_held():
            self._lock.release()
            self._lock.take()
        if self._database is not None:
            found = self._database.look()
            if found is not Found.SAME:
                self._reopen(found, jobs_lock)
        if now > self._forget_at:
            self._ledger.forget(now)
            self._forget_at = now + dt.timedelta(days=1)

    def release(self) -> None:
        """Close the store and release its lock, so that other schedulers can use it."""
        with self._ledger.closed():
            if self._database is not None:
                self._database.let_go()
        self._lock.release()

    def _reopen(self, found: Found, jobs_lock: contextlib.AbstractContextManager[Any]) -> None:
        """Restore a deleted database, or continue with a database that has replaced it."""
        assert self._database is not None
        with jobs_lock, self._ledger.closed():
            if found is Found.DELETED:
                self._database.restore()
                self._database.let_go()
            else:
                self._database.leave_to_other()
        self._ledger.open()
        self._jobs.make()
        self._database.keep()
        if found is Found.DELETED:
            log.warning("the store %s was deleted and has been restored", self._database.path)
        else:
            log.warning(
                "the store %s was replaced: the scheduler now uses the jobs of the new one",
                self._database.path,
            )

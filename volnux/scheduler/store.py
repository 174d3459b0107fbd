"""The database of a scheduler, and the lock that keeps a second one out of it."""

from __future__ import annotations

import abc
import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
import weakref
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from volnux.scheduler.errors import SchedulerError, StoreInUseError

__all__ = ["DEFAULT_STORE", "Lock", "engine_for", "lock_for"]

DEFAULT_STORE = "sqlite:///volnux-schedule.db"
"""A file in the working folder."""

MEMORY = ":memory:"
"""A store that ends with its scheduler."""

_KEY = 0x766F6C6E7578  # "volnux"
_BUSY_SECONDS = 30


def engine_for(store: str | os.PathLike[str]) -> sa.Engine:
    """The engine of a store.

    Args:
        store: a URL of SQLAlchemy, or the path of an SQLite file.

    Raises:
        SchedulerError: the URL makes no sense, or its driver is not installed.
    """
    text = os.fspath(store)
    if text in (MEMORY, "sqlite://", "sqlite:///:memory:"):
        # A database in memory has one connection, and a scheduler many threads.
        folder = tempfile.mkdtemp(prefix="volnux-")
        engine = engine_for(Path(folder, "schedule.db"))
        weakref.finalize(engine, shutil.rmtree, folder, ignore_errors=True)
        return engine
    try:
        url = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
        if url.get_backend_name() != "sqlite":
            return sa.create_engine(url, pool_pre_ping=True)
        engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise SchedulerError(f"the store {text!r} cannot be used: {error}") from error
    sa.event.listen(engine, "connect", _prepare)
    return engine


def lock_for(engine: sa.Engine) -> Lock:
    """The lock of a store, not yet taken.

    Raises:
        SchedulerError: this kind of database has no lock that ends with its holder.
    """
    kind = engine.url.get_backend_name()
    if kind == "sqlite":
        return _FileLock(Path(str(engine.url.database)).absolute())
    if kind == "postgresql":
        return _PostgresLock(engine)
    raise SchedulerError(f"a store is SQLite or PostgreSQL, found {kind}")


class Lock(abc.ABC):
    """Keeps other schedulers out of a store. It is gone when its process is, however that ended."""

    @abc.abstractmethod
    def take(self) -> None:
        """Take the lock.

        Raises:
            StoreInUseError: another scheduler has it.
        """

    @abc.abstractmethod
    def still_held(self) -> bool:
        """Whether it is ours still."""

    @abc.abstractmethod
    def release(self) -> None:
        """Let others in."""


class _FileLock(Lock):
    """A lock of the operating system on a file beside the database."""

    def __init__(self, database: Path) -> None:
        self.store = str(database)
        self._path = database.with_name(f"{database.name}.lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        try:
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise SchedulerError(f"{self._path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise StoreInUseError(self.store, holder) from error
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self._file = file

    def still_held(self) -> bool:
        return self._file is not None

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class _PostgresLock(Lock):
    """An advisory lock of PostgreSQL, which ends with the connection that took it."""

    def __init__(self, engine: sa.Engine) -> None:
        self.store = engine.url.render_as_string(hide_password=True)
        self._engine = engine
        self._connection: sa.Connection | None = None

    def take(self) -> None:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            free = connection.execute(sa.select(sa.func.pg_try_advisory_lock(_KEY))).scalar()
        except BaseException:
            connection.close()
            raise
        if not free:
            connection.close()
            raise StoreInUseError(self.store)
        self._connection = connection

    def still_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(sa.select(1))
        except sa.exc.DBAPIError:
            self.release()
            return False
        return True

    def release(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                # Not back to the pool, where the lock would live on.
                self._connection.invalidate()
                self._connection.close()
            self._connection = None


def _prepare(connection: Any, record: object) -> None:
    """Let readers and a writer of SQLite work side by side."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # After a power cut the last moments may be lost; after the end of a process nothing is.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()

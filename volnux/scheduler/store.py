"""The database of a scheduler, and the lock that prevents use by a second scheduler."""

from __future__ import annotations

import abc
import contextlib
import fcntl
import logging
import os
import re
import shutil
import socket
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import sqlalchemy as sa

from volnux.redaction import redacted, secrets_of
from volnux.scheduler.errors import StoreError, StoreInUseError
from volnux.scheduler.sqlite import DatabaseFile

__all__ = [
    "DEFAULT_STORE",
    "STORE_FAULTS",
    "Lock",
    "Outage",
    "database_of",
    "engine_for",
    "fault_of",
    "is_there",
    "lock_for",
    "name_of_store",
    "usable",
]

DEFAULT_STORE = "sqlite:///volnux-schedule.db"
"""A file in the working folder."""

MEMORY = ":memory:"
"""A store in memory, which ends with its scheduler."""

STORE_FAULTS: Final = (sa.exc.SQLAlchemyError, sqlite3.Error, OSError, StoreError)
"""The exceptions that access to a store may raise."""

log = logging.getLogger("volnux.scheduler")

_NO_SCHEME = re.compile(r"[^/@:]+:[^/@]+@")
"""Matches a user and a password; in a path, that would be the name of a file or folder."""

_KEY = 0x766F6C6E7578  # "volnux"
_BUSY_SECONDS = 10


def engine_for(store: str | os.PathLike[str]) -> sa.Engine:
    """Create the engine for a store.

    Args:
        store: a URL of SQLAlchemy, or the path of an SQLite file.

    Raises:
        StoreError: the URL is not valid, or its driver is not installed.
    """
    text = os.fspath(store)
    if "://" not in text and _NO_SCHEME.match(text):
        raise StoreError(
            "the store looks like a URL without `postgresql://`; for a file, begin with ./"
        )
    try:
        url = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
        if url.get_backend_name() != "sqlite":
            return sa.create_engine(url, pool_pre_ping=True)
        if url.database in (None, "", MEMORY):
            return _in_memory()
        if str(url.database).startswith("file:"):
            raise StoreError(f"the store {redacted(text)} is an SQLite URI: give a path instead")
        path = Path(os.path.realpath(str(url.database)))  # resolve() raises if links form a loop
        engine = sa.create_engine(
            url.set(database=str(path)), connect_args={"timeout": _BUSY_SECONDS}
        )
    except (sa.exc.SQLAlchemyError, ImportError, ValueError, OSError) as error:
        shown = redacted(text, secrets_of(text))
        why = redacted(str(error), secrets_of(text))
        if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
            why += "; pip install 'psycopg[binary]'"
        # Without `from error`: its message may contain the password.
        raise StoreError(f"the store {shown!r} cannot be used: {why}") from None
    file = DatabaseFile(path)
    _FILES[engine] = file
    sa.event.listen(engine, "do_connect", lambda *_: file.prepare())
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "connect", lambda *_: file.close_to_others())
    return engine


_FILES: weakref.WeakKeyDictionary[sa.Engine, DatabaseFile] = weakref.WeakKeyDictionary()


def database_of(engine: sa.Engine) -> DatabaseFile | None:
    """The file of a store; None if it is not a file."""
    return _FILES.get(engine)


def lock_for(engine: sa.Engine) -> Lock:
    """The lock of a store, not acquired yet.

    Raises:
        StoreError: this kind of database is not supported; it has no lock that ends with its
            process.
    """
    kind = engine.url.get_backend_name()
    if kind == "sqlite":
        return _FileLock(Path(str(engine.url.database)))
    if kind == "postgresql":
        return _PostgresLock(engine)
    raise StoreError(f"a store must be SQLite or PostgreSQL, found {kind}")


def is_there(engine: sa.Engine) -> bool:
    """Whether a store exists, so that it can be read without creating it."""
    file = database_of(engine)
    return file is None or file.path.exists()


@contextlib.contextmanager
def usable(engine: sa.Engine) -> Iterator[None]:
    """Turn any exception of the database driver into a `StoreError`.

    Raises:
        StoreError: with the name of the store (without its password) and the reason.
    """
    try:
        yield
    except STORE_FAULTS as error:
        raise fault_of(error, engine) from None


def fault_of(error: BaseException, engine: sa.Engine) -> StoreError:
    """An exception of a store as a readable `StoreError`."""
    if isinstance(error, StoreError):
        return error
    return StoreError(f"the store {name_of_store(engine)} cannot be used: {_reason(error, engine)}")


def _reason(error: BaseException, engine: sa.Engine) -> str:
    """The reason why a store fails, in one line without passwords."""
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split()) or type(cause).__name__
    if "not a database" in text:
        text += "; name another file, or a URL"
    return redacted(text, filter(None, (engine.url.password,)))


class Outage:
    """Logs once that a store fails, and once that it works again.

    Args:
        engine: the store.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._failing = False

    def began(self, error: BaseException) -> None:
        """Note that the store has failed."""
        with self._lock:
            if not self._failing:
                self._failing = True
                why = _reason(error, self._engine)
                log.error(
                    "the store %s fails and will be retried: %s", name_of_store(self._engine), why
                )

    def over(self) -> None:
        """Note that the store works."""
        if self._failing:
            with self._lock:
                if self._failing:
                    self._failing = False
                    log.warning("the store %s works again", name_of_store(self._engine))


class Lock(abc.ABC):
    """Prevents other schedulers from using a store. It ends with its process in any case."""

    @abc.abstractmethod
    def take(self) -> None:
        """Acquire the lock.

        Raises:
            StoreInUseError: another scheduler has it.
            StoreError: the store cannot be reached.
        """

    @abc.abstractmethod
    def still_held(self) -> bool:
        """Whether we still have the lock."""

    @abc.abstractmethod
    def release(self) -> None:
        """Release the lock."""


class _FileLock(Lock):
    """A lock of the operating system on a file beside the database.

    The path is resolved, so symbolic links to the database use the same lock. A database with
    several hard links is refused when it is opened.
    """

    def __init__(self, database: Path) -> None:
        self.store = str(database)
        self._path = database.with_name(f"{database.name}.lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        try:
            file = open(  # noqa: SIM115 - it stays open while the lock is held
                self._path, "a+", encoding="utf-8", opener=_private
            )
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise StoreInUseError(self.store, holder) from error
        self._file = file
        with contextlib.suppress(OSError):  # a full disk: only the note is missing
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()

    def still_held(self) -> bool:
        if self._file is None:
            return False
        try:
            held, there = os.fstat(self._file.fileno()), self._path.stat()
        except OSError:  # the lock file was deleted: another scheduler would make a new one
            return False
        return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


class _PostgresLock(Lock):
    """An advisory lock of PostgreSQL, which ends with the connection that acquired it."""

    def __init__(self, engine: sa.Engine) -> None:
        self.store = name_of_store(engine)
        self._engine = engine
        self._connection: sa.Connection | None = None

    def take(self) -> None:
        with usable(self._engine):
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
        except sa.exc.SQLAlchemyError:
            self.release()
            return False
        return True

    def release(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                # Do not return the connection to the pool: the lock would remain.
                self._connection.invalidate()
                self._connection.close()
            self._connection = None


def _in_memory() -> sa.Engine:
    """A store for many threads: a temporary file, as a database in memory has one connection."""
    folder = tempfile.mkdtemp(prefix="volnux-")
    engine = engine_for(Path(folder, "schedule.db"))
    weakref.finalize(engine, shutil.rmtree, folder, ignore_errors=True)
    return engine


def name_of_store(engine: sa.Engine) -> str:
    """The name of a store for display: its path, or its URL without the password."""
    if engine.url.get_backend_name() == "sqlite":
        return str(engine.url.database)
    return redacted(engine.url.render_as_string(hide_password=True))


def _private(path: str, flags: int) -> int:
    number = os.open(path, flags | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):  # an old lock file of another user
        os.fchmod(number, 0o600)
    return number


def _prepare(connection: Any, record: object) -> None:
    """Let readers and a writer use SQLite at the same time."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A power failure may lose the latest writes; a killed process loses nothing.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
